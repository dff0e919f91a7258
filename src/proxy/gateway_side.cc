// The server name is read before TLS begins, so the certificate is chosen by what is configured at that moment
// and OpenSSL is never asked to choose.
#include "proxy/gateway_side.h"

#include "base/text.h"
#include "http/tls_stream.h"
#include "proxy/first_words.h"
#include "proxy/gateway_decision.h"
#include "proxy/replay_stream.h"

namespace weft::proxy {
namespace {

using model::GatewayListener;

http::ServerLimits client_limits() {
  http::ServerLimits limits;
  limits.extended_connect = true;
  return limits;
}

}  // namespace

Destination GatewaySide::destination(uint16_t port) const {
  return gateway_destination(*worker_.snapshot, port);
}

void GatewaySide::accept(io::StreamPtr client, uint16_t port) {
  if (worker_.draining) return client->reset();
  conversations_.spawn(converse(std::move(client), port));
}

io::Task<void> GatewaySide::converse(io::StreamPtr client, uint16_t port) {
  const SnapshotPtr snapshot = worker_.snapshot;
  const LiveListener* listener = snapshot->gateway ? snapshot->gateway->any(port) : nullptr;
  if (!listener) {
    client->reset();
    co_return;
  }
  switch (listener->protocol) {
    case GatewayListener::kHttp: {
      http::ConnectionInfo info;
      info.peer = client->peer();
      info.local = client->local();
      serve_http(std::move(client), std::move(info), destination(port));
      break;
    }
    case GatewayListener::kTcp:
      co_await carry(std::move(client), port, listener->port().tcp_rules.any(worker_.self.ns));
      break;
    case GatewayListener::kHttps:
    case GatewayListener::kTls: co_await by_name(std::move(client), port); break;
  }
}

io::Task<void> GatewaySide::by_name(io::StreamPtr client, uint16_t port) {
  FirstWords words = co_await first_words(worker_.loop, *client, false, kHelloWait);
  if (words.ended && words.bytes.empty()) {
    io::close_gracefully(worker_.loop, std::move(client));
    co_return;
  }
  const std::string name = to_lower(words.hello.server_name);
  const SnapshotPtr snapshot = worker_.snapshot;  // of now: the client took its time
  NamedListener chosen = named_listener(*snapshot, port, words.hello, worker_.self.ns);
  if (!chosen.serves()) {
    NoHello no = no_hello(words);
    tcp_.refused(destination(port), std::move(no.why));
    if (!no.alert) {
      client->reset();
    } else {
      refuse_tls(worker_.loop, std::move(client), *no.alert);
    }
    co_return;
  }
  client = replay(worker_.loop, std::move(words.bytes), std::move(client));
  if (chosen.rule) {
    co_await carry(std::move(client), port, std::move(chosen.rule));
  } else {
    co_await terminate(std::move(client), port, *chosen.listener, name);
  }
}

io::Task<void> GatewaySide::terminate(io::StreamPtr client, uint16_t port, const LiveListener& of,
                                      std::string_view server_name) {
  Destination to = destination(port);
  // The listener may change while hands are shaken.
  Clients clients = of.clients;
  std::string listener = of.name;
  trust::TlsContextPtr context = of.certificate(server_name)->context;
  auto connection =
      co_await http::tls_accept(worker_.loop, std::move(client), std::move(context), kHandshake);
  if (!connection) {
    tcp_.refused(to, connection.error().message());
    co_return;
  }
  to.listener = std::move(listener);
  to.tls = true;
  serve_http(std::move(connection->stream), std::move(connection->info), std::move(to),
             std::move(clients));
}

bool GatewaySide::lets_in_alike(const Destination& destination, const Clients& clients) const {
  const auto& gateway = worker_.snapshot->gateway;
  const LiveListener* now = gateway ? gateway->named(destination.listener) : nullptr;
  return !now || now->clients == clients;
}

io::Task<void> GatewaySide::carry(io::StreamPtr client, uint16_t port, TcpRulePtr rule) {
  Destination to = destination(port);
  if (!rule) {
    tcp_.refused(to, std::string(kNoRouteAttached));
    client->reset();
    co_return;
  }
  to.chosen = choice_of(*rule, worker_.random);
  to.client = client->peer().ip;
  steer::Injection injection = tcp_.draw_fault(to);
  auto opened = co_await tcp_.open(std::move(to), std::move(injection));
  if (opened) {
    co_await tcp_.carry(std::move(client), std::move(*opened));
  } else {
    client->reset();
  }
}

void GatewaySide::serve_http(io::StreamPtr client, http::ConnectionInfo info,
                             Destination destination, Clients clients) {
  const http::ServerProtocol protocol = info.alpn == "h2"         ? http::ServerProtocol::kHttp2
                                        : info.alpn == "http/1.1" ? http::ServerProtocol::kHttp1
                                                                  : http::ServerProtocol::kDetect;
  served_.emplace_back();
  auto slot = std::prev(served_.end());
  *slot = http::serve(
      worker_.loop, std::move(client), protocol, std::move(info), client_limits(),
      [this, slot, destination = std::move(destination),
       clients = std::move(clients)](http::ServerStreamPtr stream) {
        if (destination.tls && *slot && !lets_in_alike(destination, clients)) (*slot)->retire();
        return http_.serve(std::move(stream), destination);
      },
      [this, slot] { served_.erase(slot); });
  if (worker_.draining) {
    (*slot)->drain();
  } else if (retiring_) {
    (*slot)->retire();
  }
}

void GatewaySide::drain() {
  for (const auto& connection : served_) connection->drain();
}

void GatewaySide::retire() {
  retiring_ = true;
  for (const auto& connection : served_) connection->retire();
}

void GatewaySide::cut() {
  conversations_.cancel_all();
  served_.clear();
}

size_t GatewaySide::busy() const {
  size_t count = conversations_.running();
  for (const auto& connection : served_) count += connection->open_exchanges();
  return count;
}

}  // namespace weft::proxy
