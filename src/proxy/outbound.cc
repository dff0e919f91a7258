// One small coroutine per connection until it is known what it carries; after that HTTP belongs to its
// server connection and opaque bytes to a relay. A connection that opens and stays silent costs its
// socket, one coroutine frame and the mTLS connection opened for it.
#include "proxy/outbound.h"

#include "proxy/replay_stream.h"
#include "wire/detect.h"

namespace weft::proxy {
namespace {

http::ServerLimits app_limits() {
  http::ServerLimits limits;
  // A stream may be silent as long as the connection.
  limits.idle_timeout = Outbound::kSilence;
  limits.stream_timeout = Outbound::kSilence;
  limits.body_timeout = Duration::minutes(5);
  limits.extended_connect = true;
  return limits;
}

wire::Detected kind_of(const Look& look) {
  if (look.bytes().empty()) return wire::Detected::kNeedMore;
  return wire::detect(look.bytes().view());
}

bool is_http(wire::Detected kind) {
  return kind == wire::Detected::kHttp1 || kind == wire::Detected::kHttp2;
}

}  // namespace

Outbound::Outbound(Worker& worker, UpstreamPool& pool, std::set<uint16_t> host_ports)
    : worker_(worker), host_ports_(std::move(host_ports)), http_(worker, pool), tcp_(worker, pool) {
  if (auto range = AddressRange::parse(worker.self.mesh4_range)) ranges_.v4 = *range;
  if (auto range = AddressRange::parse(worker.self.mesh6_range)) ranges_.v6 = *range;
}

void Outbound::accept(io::StreamPtr client, SocketAddress original) {
  conversations_.spawn(converse(std::move(client), {.original = original, .service = {}}));
}

void Outbound::accept_for(io::StreamPtr client, model::ServiceName service, uint16_t port) {
  conversations_.spawn(
      converse(std::move(client), {.original = {}, .service = std::move(service), .port = port}));
}

io::Task<Destination> Outbound::resolve(Asked asked) {
  Instant deadline = worker_.loop.now() + kDiscoveryWait;
  bool wanted = false;
  while (true) {
    SnapshotPtr snapshot = worker_.snapshot;
    Destination found = asked.original ? find_destination(*snapshot, ranges_, *asked.original)
                                       : find_service(*snapshot, asked.service, asked.port);
    if (found.kind != Destination::kUnknown) co_return found;
    if (!wanted) worker_.want(found.want);
    wanted = true;
    Duration left = deadline - worker_.loop.now();
    if (left.ns <= 0 || !co_await worker_.snapshot_changed.wait_for(left)) {
      found.kind = Destination::kRefused;
      found.why = "the control plane did not tell about it within 5 s";
      co_return found;
    }
  }
}

io::Task<void> Outbound::converse(io::StreamPtr client, Asked asked) {
  Destination destination = co_await resolve(asked);
  if (destination.kind == Destination::kRefused) {
    refuse(std::move(client), asked, destination.why);
    co_return;
  }
  if (destination.kind == Destination::kExternal) {
    if (const std::string why = closed_loopback(destination); !why.empty()) {
      refuse(std::move(client), asked, why);
      co_return;
    }
    auto opened = co_await tcp_.open_external(std::move(destination));
    if (!opened) {
      client->reset();
      co_return;
    }
    co_await tcp_.carry(std::move(client), std::move(*opened));
    co_return;
  }
  if (has_tcp_rules(destination)) {
    co_await carry_routed(std::move(client), std::move(destination));
    co_return;
  }
  switch (destination.protocol) {
    case model::Protocol::kHttp:
    case model::Protocol::kH2c:
    case model::Protocol::kGrpc: serve_http(std::move(client), std::move(destination)); break;
    case model::Protocol::kTcp:
      co_await carry_opaque(std::move(client), std::move(destination));
      break;
    case model::Protocol::kAuto:
      co_await carry_detected(std::move(client), std::move(destination));
      break;
  }
}

// Why the app may not connect there, if it may not.
std::string Outbound::closed_loopback(const Destination& destination) const {
  const SocketAddress& to = destination.original;
  if (!to.ip.is_loopback() || host_ports_.contains(to.port)) return "";
  return "the host's loopback is closed (see --host-port)";
}

io::Task<void> Outbound::carry_opaque(io::StreamPtr client, Destination destination) {
  steer::Injection injection = tcp_.draw_fault(destination);
  auto opened = co_await tcp_.open(std::move(destination), std::move(injection));
  if (opened) {
    co_await tcp_.carry(std::move(client), std::move(*opened));
  } else {
    client->reset();
  }
}

io::Task<void> Outbound::carry_detected(io::StreamPtr client, Destination destination) {
  io::Event arrived(worker_.loop);
  auto from_client = std::make_unique<Look>(*client, arrived);
  Instant until = worker_.loop.now() + time_to_speak(destination);
  while (kind_of(*from_client) == wire::Detected::kNeedMore && !from_client->ended()) {
    arrived.reset();
    Duration left = until - worker_.loop.now();
    if (left.ns <= 0 || !co_await arrived.wait_for(left)) break;
  }

  std::optional<OpenedTcp> opened;
  std::unique_ptr<Look> from_server;
  if (!is_http(kind_of(*from_client))) {
    auto way = co_await tcp_.open(destination);
    if (!way) {
      client->reset();
      co_return;
    }
    opened.emplace(std::move(*way));
    from_server = std::make_unique<Look>(*opened->stream, arrived);
    std::optional<Instant> undecided_until;
    while (kind_of(*from_client) == wire::Detected::kNeedMore && !from_client->ended() &&
           from_server->bytes().empty() && !from_server->ended()) {
      arrived.reset();
      if (from_client->bytes().empty()) {
        co_await arrived.wait();
        continue;
      }
      if (!undecided_until) undecided_until = worker_.loop.now() + kUndecided;
      Duration left = *undecided_until - worker_.loop.now();
      if (left.ns <= 0 || !co_await arrived.wait_for(left)) break;
    }
  }

  // Of two that speak at once the server decides: an HTTP server never speaks first.
  bool http = is_http(kind_of(*from_client)) && !(from_server && !from_server->bytes().empty());
  Buffer client_bytes = from_client->take();
  from_client.reset();
  client = replay(worker_.loop, std::move(client_bytes), std::move(client));
  if (http) {
    from_server.reset();
    if (opened) io::close_gracefully(worker_.loop, std::move(opened->stream));
    serve_http(std::move(client), std::move(destination));
    co_return;
  }
  Buffer server_bytes = from_server->take();
  from_server.reset();
  opened->stream = replay(worker_.loop, std::move(server_bytes), std::move(opened->stream));
  // Only now is it sure that this is no HTTP, whose requests draw their own lots.
  if (steer::Injection injection = tcp_.draw_fault(destination)) {
    if (!co_await tcp_.inject(opened->record, std::move(injection))) {
      client->reset();
      co_return;
    }
  }
  co_await tcp_.carry(std::move(client), std::move(*opened));
}

void Outbound::serve_http(io::StreamPtr client, Destination destination) {
  http::ConnectionInfo info;
  info.peer = client->peer();
  info.local = destination.original;
  served_.emplace_back();
  auto slot = std::prev(served_.end());
  *slot = http::serve(
      worker_.loop, std::move(client), http::ServerProtocol::kDetect, std::move(info), app_limits(),
      [this, destination](http::ServerStreamPtr stream) {
        return http_.serve(std::move(stream), destination);
      },
      [this, slot] { served_.erase(slot); });
  if (retiring_) (*slot)->retire();
}

void Outbound::retire() {
  retiring_ = true;
  for (const auto& connection : served_) connection->retire();
}

void Outbound::cut() {
  conversations_.cancel_all();
  served_.clear();
}

size_t Outbound::busy() const {
  size_t count = conversations_.running();
  for (const auto& connection : served_) count += connection->open_exchanges();
  return count;
}

void Outbound::refuse(io::StreamPtr client, const Asked& asked, const std::string& why) {
  std::string what = asked.original ? asked.original->to_string()
                                    : asked.service.to_string() + ":" + std::to_string(asked.port);
  worker_.log.warn("connection refused", {{"to", what}, {"why", why}});
  client->reset();
}

}  // namespace weft::proxy
