// Opaque connections of the app where routes decide. The rules are asked again after every wait: what the
// client said may have taken longer than a change of the configuration. Nothing of what was looked at is
// kept from the backend, which reads the connection from its first byte.
#include "proxy/first_words.h"
#include "proxy/outbound.h"
#include "proxy/replay_stream.h"

namespace weft::proxy {
namespace {

using wire::ClientHello;

// The port a destination names; holds on to what it points into.
struct PortInUse {
  std::shared_ptr<const CompiledService> service;
  const CompiledPort* port = nullptr;
};

PortInUse port_of(const Snapshot& snapshot, const Destination& destination) {
  if (destination.kind != Destination::kService) return {};
  const LiveService* live = snapshot.service(destination.service);
  if (!live) return {};
  return {live->compiled, live->compiled->port(destination.port)};
}

}  // namespace

bool Outbound::has_tcp_rules(const Destination& destination) const {
  if (destination.protocol != model::Protocol::kTcp &&
      destination.protocol != model::Protocol::kAuto) {
    return false;
  }
  const PortInUse in_use = port_of(*worker_.snapshot, destination);
  return in_use.port && in_use.port->tcp_rules.concern(worker_.self.ns);
}

// How long a client may be silent before the way to the server is opened.
Duration Outbound::time_to_speak(const Destination& destination) const {
  if (tcp_.leads_somewhere(destination)) return kLook;
  const PortInUse in_use = port_of(*worker_.snapshot, destination);
  return in_use.port && in_use.port->routed_for(worker_.self.ns) ? kSilence : kUndecided;
}

io::Task<void> Outbound::carry_routed(io::StreamPtr client, Destination destination) {
  const PortInUse in_use = port_of(*worker_.snapshot, destination);
  const TcpRules& rules = in_use.port->tcp_rules;
  if (rules.by_name(worker_.self.ns)) {
    co_await carry_by_name(std::move(client), std::move(destination));
    co_return;
  }
  destination.chosen = choice_of(*rules.any(worker_.self.ns), worker_.random);
  // An HTTPRoute of an undeclared port takes what turns out to be HTTP.
  if (destination.protocol == model::Protocol::kAuto && in_use.port->routed_for(worker_.self.ns)) {
    co_await carry_detected(std::move(client), std::move(destination));
  } else {
    co_await carry_opaque(std::move(client), std::move(destination));
  }
}

io::Task<void> Outbound::carry_by_name(io::StreamPtr client, Destination destination) {
  const bool undeclared = destination.protocol == model::Protocol::kAuto;
  const auto http_routed = [&](const PortInUse& in_use) {
    return undeclared && in_use.port && in_use.port->routed_for(worker_.self.ns);
  };
  FirstWords words = co_await first_words(
      worker_.loop, *client, http_routed(port_of(*worker_.snapshot, destination)), kHelloWait);
  if (words.ended && words.bytes.empty()) {
    io::close_gracefully(worker_.loop, std::move(client));
    co_return;
  }
  const PortInUse in_use = port_of(*worker_.snapshot, destination);
  client = replay(worker_.loop, std::move(words.bytes), std::move(client));
  if (words.http && http_routed(in_use)) {
    serve_http(std::move(client), std::move(destination));
    co_return;
  }

  TcpRulePtr rule;
  if (in_use.port && words.hello.kind == ClientHello::kHello)
    rule = in_use.port->tcp_rules.named(worker_.self.ns, words.hello.server_name);
  if (in_use.port && words.hello.kind == ClientHello::kNotTls)
    rule = in_use.port->tcp_rules.any(worker_.self.ns);
  if (rule) {
    destination.chosen = choice_of(*rule, worker_.random);
    co_await carry_opaque(std::move(client), std::move(destination));
    co_return;
  }
  NoHello no = no_hello(words);
  tcp_.refused(destination, std::move(no.why));
  if (no.alert) {
    refuse_tls(worker_.loop, std::move(client), *no.alert);
  } else {
    client->reset();
  }
}

}  // namespace weft::proxy
