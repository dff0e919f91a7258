// UpstreamPool: this sidecar's connections to other sidecars. Per instance and app port there are a few
// HTTP/2-over-mTLS connections that all requests share; opaque TCP and upgrades get a connection of
// their own. One dial at a time per target: the requests that come meanwhile wait for it. When all
// connections are at the peer's limit of streams another is dialled. After a rotation of our
// certificate new requests use new connections and the old ones are drained; idle ones are closed.
//
// Each worker has a pool of its own; UpstreamBounds holds for all of them together: what waits beyond it
// is refused (kLimit).
//
// The peer must show the identity the endpoint carries; otherwise nothing is sent, and the error
// (kUnauthenticated, retry kYes) makes the caller choose another endpoint.
// Lives on the worker loop and outlives its callers.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "http/client.h"
#include "http/tls_stream.h"
#include "io/event.h"
#include "proxy/upstream_bounds.h"
#include "proxy/worker.h"

namespace weft::proxy {

UpstreamTarget target_of(const model::Endpoint& endpoint, uint16_t app_port);

// A shared connection; whoever has an exchange open on it holds it.
struct Upstream {
  std::unique_ptr<http::ClientConnection> client;
  uint64_t tls_generation = 0;
  WallTime peer_not_after;
  Instant last_used;
  std::shared_ptr<UpstreamBounds::Counts> counts;
  io::Tally further;  // counts this connection if it is not the worker's first
};
using UpstreamPtr = std::shared_ptr<Upstream>;

class UpstreamPool {
 public:
  static constexpr Duration kConnectTimeout = Duration::seconds(2);
  static constexpr Duration kIdle = Duration::seconds(90);
  // A sidecar that leaves an open request in silence for so long is asked whether it is there.
  static constexpr Duration kPingAfter = Duration::seconds(5);

  explicit UpstreamPool(Worker& worker);
  ~UpstreamPool();

  // A connection whose client can open an exchange now: open it before anything else is awaited.
  io::Task<Result<UpstreamPtr>> acquire(UpstreamTarget target);
  // A connection of its own, for `alpn` kAlpnUpgrade or kAlpnTcp.
  io::Task<Result<http::TlsConnection>> connect(UpstreamTarget target, std::string_view alpn);

  // The worker has new certificates: drains what was made with older ones.
  void rotated();
  size_t connections() const;

 private:
  struct Group;

  UpstreamPtr usable(Group& group);
  io::Task<void> dial(UpstreamTarget target, Group& group, io::Tally further);
  bool start_dial(const UpstreamTarget& target, Group& group);
  void tidy(const UpstreamTarget& target);
  void sweep();

  Worker& worker_;
  std::map<UpstreamTarget, std::unique_ptr<Group>> groups_;
  io::Timer sweep_timer_;
  io::TaskScope dials_;  // destroyed first: they use the groups
};

}  // namespace weft::proxy
