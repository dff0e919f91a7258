// Opaque connections of the app where routes decide. The rules are asked again after every wait: what the
// client said may have taken longer than a change of the configuration. Nothing of what was looked at is
// kept from the backend, which reads the connection from its first byte.
#include "proxy/outbound.h"
#include "proxy/replay_stream.h"
#include "wire/client_hello.h"
#include "wire/detect.h"

namespace weft::proxy {
namespace {

using wire::ClientHello;
using wire::Detected;

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

TcpChoice choice_of(const CompiledTcpRule& rule) {
  TcpChoice choice{rule.rule().route + "/" + rule.rule().rule, {}, 0};
  const model::Backend* backend = rule.next_backend();
  if (!backend || backend->invalid) return choice;
  choice.service = backend->service;
  choice.port = backend->port;
  return choice;
}

struct FirstWords {
  Buffer bytes;
  ClientHello hello;
  bool http = false;
  bool ended = false;
};

// Reads until it is clear what the client says, at most for `limit`. `may_be_http`: to be told from HTTP, too.
io::Task<FirstWords> first_words(io::Loop& loop, io::Stream& client, bool may_be_http,
                                 Duration limit) {
  io::Event arrived(loop);
  Look look(client, arrived);
  FirstWords words;
  const Instant until = loop.now() + limit;
  while (true) {
    words.hello = wire::read_client_hello(look.bytes().view());
    const bool other = words.hello.kind == ClientHello::kNotTls;
    const Detected kind =
        other && may_be_http ? wire::detect(look.bytes().view()) : Detected::kOpaque;
    words.http = kind == Detected::kHttp1 || kind == Detected::kHttp2;
    const bool sure = words.hello.kind != ClientHello::kNeedMore && kind != Detected::kNeedMore;
    if (sure || look.ended()) break;
    arrived.reset();
    const Duration left = until - loop.now();
    if (left.ns <= 0 || !co_await arrived.wait_for(left)) break;
  }
  words.ended = look.ended();
  words.bytes = look.take();
  co_return words;
}

// A client whose TLS goes nowhere reads why.
void refuse_tls(io::Loop& loop, io::StreamPtr client, wire::TlsAlert alert) {
  client->write(wire::tls_alert(alert));
  io::close_gracefully(loop, std::move(client));
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

io::Task<void> Outbound::carry_routed(io::StreamPtr client, Destination destination) {
  const PortInUse in_use = port_of(*worker_.snapshot, destination);
  const TcpRules& rules = in_use.port->tcp_rules;
  if (rules.by_name(worker_.self.ns)) {
    co_await carry_by_name(std::move(client), std::move(destination));
    co_return;
  }
  destination.chosen = choice_of(*rules.any(worker_.self.ns));
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
  std::optional<wire::TlsAlert> alert;
  std::string why;
  switch (words.hello.kind) {
    case ClientHello::kHello:
      rule = in_use.port ? in_use.port->tcp_rules.named(worker_.self.ns, words.hello.server_name)
                         : nullptr;
      alert = words.hello.server_name.empty() ? wire::TlsAlert::kMissingExtension
                                              : wire::TlsAlert::kUnrecognizedName;
      why = words.hello.server_name.empty()
                ? "a ClientHello without a server name"
                : "no route has the server name " + words.hello.server_name;
      break;
    case ClientHello::kMalformed:
      alert = wire::TlsAlert::kDecodeError;
      why = "a malformed ClientHello";
      break;
    case ClientHello::kTooLong:
      alert = wire::TlsAlert::kDecodeError;
      why = "a ClientHello of more than " + std::to_string(wire::kClientHelloLimit) + " bytes";
      break;
    case ClientHello::kNotTls:
      rule = in_use.port ? in_use.port->tcp_rules.any(worker_.self.ns) : nullptr;
      why = "not TLS, which the routes of this port ask for";
      break;
    case ClientHello::kNeedMore:
      why = words.ended ? "the client ended within its ClientHello"
                        : "no whole ClientHello within 10 s";
      break;
  }
  if (rule) {
    destination.chosen = choice_of(*rule);
    co_await carry_opaque(std::move(client), std::move(destination));
    co_return;
  }
  tcp_.refused(destination, std::move(why));
  if (alert) {
    refuse_tls(worker_.loop, std::move(client), *alert);
  } else {
    client->reset();
  }
}

}  // namespace weft::proxy
