// Who the peer is was settled by the handshake; what it may do is decided here, once per connection.
// inbound_http.cc and inbound_tcp.cc carry what then comes.
#include "proxy/inbound.h"

#include <algorithm>

#include "proxy/caller_fields.h"

namespace weft::proxy {
namespace {

constexpr int64_t kRotationShare = 4;
constexpr uint32_t kHopStreams = 200;

// A caller's sidecar keeps to one connection as long as that takes its requests, and one worker serves it: with
// several workers it is to open another sooner.
http::ServerLimits hop_limits(size_t workers) {
  http::ServerLimits limits;
  limits.header_lines = 120;  // an app's 100, and ours
  limits.header_bytes = 72 * 1024;
  limits.concurrent_streams = std::max<uint32_t>(kHopStreams / static_cast<uint32_t>(workers), 50);
  limits.plain_literals = true;
  // One app that abandons its requests must not cost the others their shared connection.
  limits.reset_burst = 10'000;
  limits.idle_timeout = Duration::minutes(10);
  // The caller's sidecar ends what stands still; this is for the case that it does not.
  limits.stream_timeout = Duration::hours(25);
  limits.body_timeout = Duration::minutes(6);
  limits.ping_after = Inbound::kPingAfter;
  limits.extended_connect = true;
  return limits;
}

http::ServerLimits door_limits() {
  http::ServerLimits limits;
  limits.extended_connect = true;
  return limits;
}

}  // namespace

bool may_call(const model::SpiffeId& peer, const model::SpiffeId& self) {
  return !peer.empty() && peer.trust_domain() == self.trust_domain() &&
         !peer.workload_namespace().empty() &&
         peer.workload_namespace() == self.workload_namespace();
}

Inbound::Inbound(Worker& worker) : worker_(worker), dialer_(worker), pool_(worker, dialer_) {}

void Inbound::accept(io::StreamPtr transport) {
  if (!worker_.tls || worker_.draining) return transport->reset();
  conversations_.spawn(converse(std::move(transport)));
}

io::Task<void> Inbound::converse(io::StreamPtr transport) {
  std::string from = transport->peer().to_string();
  const WallTime certificate_ends = worker_.tls->svid->not_after();
  auto connection = co_await http::tls_accept(worker_.loop, std::move(transport),
                                              worker_.tls->server, kHandshake);
  if (!connection) {
    worker_.log.info("handshake failed", {{"from", from}, {"why", connection.error().message()}});
    co_return;
  }
  auto peer = std::make_shared<Peer>();
  peer->certificate_ends = certificate_ends;
  peer->identity = connection->info.peer_spiffe_id;
  auto id = model::SpiffeId::parse(peer->identity);
  peer->allowed = id && may_call(*id, worker_.self.identity);
  std::optional<HopName> name = parse_hop_server_name(connection->info.server_name);
  if (!name) co_return;  // the handshake has checked it
  peer->app_port = name->app_port;
  peer->upgrade = connection->info.alpn == kAlpnUpgrade;
  if (!peer->allowed) {
    worker_.log.warn("caller denied", {{"source", peer->identity}, {"from", from}});
  }
  if (connection->info.alpn == kAlpnTcp) {
    co_await carry_tcp(std::move(*connection), std::move(peer));
  } else {
    serve_http(std::move(connection->stream), std::move(connection->info), std::move(peer));
  }
}

void Inbound::serve_http(io::StreamPtr stream, http::ConnectionInfo info,
                         std::shared_ptr<const Peer> peer) {
  auto protocol = peer->plain     ? http::ServerProtocol::kDetect
                  : peer->upgrade ? http::ServerProtocol::kHttp1
                                  : http::ServerProtocol::kHttp2;
  served_.emplace_back();
  auto slot = std::prev(served_.end());
  slot->certificate_ends = peer->certificate_ends;
  // There was a rotation during the handshake.
  if (slot->certificate_ends < worker_.tls->svid->not_after()) replace_in_time(*slot);
  slot->connection = http::serve(
      worker_.loop, std::move(stream), protocol, std::move(info),
      peer->plain ? door_limits() : hop_limits(worker_.group->size()),
      [this, peer](http::ServerStreamPtr stream) { return serve(std::move(stream), peer); },
      [this, slot] { served_.erase(slot); });
  if (retiring_) slot->connection->retire();
}

void Inbound::accept_plain(io::StreamPtr client, uint16_t app_port) {
  auto declared = worker_.self.app_ports.find(app_port);
  bool http =
      declared != worker_.self.app_ports.end() &&
      (declared->second == model::Protocol::kHttp || declared->second == model::Protocol::kH2c ||
       declared->second == model::Protocol::kGrpc);
  if (!http || worker_.draining) {
    conversations_.spawn(carry_plain(std::move(client), app_port));
    return;
  }
  auto peer = std::make_shared<Peer>();
  peer->allowed = true;  // whoever published the door has decided so
  peer->app_port = app_port;
  peer->plain = true;
  http::ConnectionInfo info;
  info.peer = client->peer();
  info.local = client->local();
  serve_http(std::move(client), std::move(info), std::move(peer));
}

void Inbound::rotated() {
  for (Served& served : served_) replace_in_time(served);
}

void Inbound::replace_in_time(Served& served) {
  if (!served.certificate_ends || served.replace) return;
  const Duration window = (*served.certificate_ends - worker_.loop.wall_now()) / kRotationShare;
  const auto bound = static_cast<uint64_t>(std::max<int64_t>(window.ns, 0)) + 1;
  served.replace =
      std::make_unique<io::Timer>(worker_.loop, [&served] { served.connection->drain(); });
  served.replace->arm(Duration::nanos(static_cast<int64_t>(worker_.random.below(bound))));
}

void Inbound::drain() {
  worker_.draining = true;
  for (const Served& served : served_) served.connection->drain();
}

void Inbound::retire() {
  retiring_ = true;
  for (const Served& served : served_) served.connection->retire();
}

void Inbound::cut() {
  conversations_.cancel_all();
  served_.clear();
}

size_t Inbound::busy() const {
  size_t count = conversations_.running();
  for (const Served& served : served_) count += served.connection->open_exchanges();
  return count;
}

}  // namespace weft::proxy
