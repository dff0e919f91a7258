// UpstreamPool: this sidecar's connections to other sidecars, and to servers outside the mesh (outside.h). Per instance and app port there are a few
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
#include "proxy/outside.h"
#include "proxy/upstream_bounds.h"
#include "proxy/worker.h"
#include "steer/backend_state.h"

namespace weft::proxy {

UpstreamTarget target_of(const model::Endpoint& endpoint, uint16_t app_port);

// What a policy says about the connections to a backend. Without one the pool's own values hold, and nothing
// is counted.
struct UpstreamTerms {
  Duration connect_timeout, idle_timeout;
  uint32_t max_requests = 0;  // of one connection; 0 = any number
  // Of the backend, all its instances and this proxy's workers together; 0 = no bound.
  uint32_t max_connections = 0, max_pending = 0;
  std::string origin;                          // of these bounds: "BackendPolicy default/cart"
  std::shared_ptr<steer::BackendState> state;  // what counts; not null
};

// Nothing where neither section says anything.
std::optional<UpstreamTerms> upstream_terms(const model::Said<model::CircuitBreaker>* breaker,
                                            const model::Said<model::ConnectionPool>* pool,
                                            const std::shared_ptr<steer::BackendState>& state);

// A connection that is counted, and what it is counted in.
struct CountedConnection {
  std::shared_ptr<steer::BackendState> state;
  io::Tally one;
};

// A shared connection; whoever has an exchange open on it holds it.
struct Upstream : std::enable_shared_from_this<Upstream> {
  std::unique_ptr<http::ClientConnection> client;
  uint64_t tls_generation = 0;
  http::ClientProtocol protocol = http::ClientProtocol::kHttp2;  // HTTP/1.1 only outside the mesh
  WallTime peer_not_after;
  Instant last_used;
  std::shared_ptr<UpstreamBounds::Counts> counts;
  io::Tally further;  // counts this connection if it is not the worker's first
  CountedConnection counted;
  Duration idle;          // without an exchange so long, it is closed
  uint32_t requests = 0;  // counted where a policy bounds them
  bool spent = false;     // takes no more of them
};
using UpstreamPtr = std::shared_ptr<Upstream>;

class UpstreamPool {
 public:
  static constexpr Duration kConnectTimeout = Duration::seconds(2);
  static constexpr Duration kIdle = Duration::seconds(90);
  // Of HTTP/1.1: servers commonly close theirs after five seconds or more, and a request must not meet that.
  static constexpr Duration kIdleHttp1 = Duration::seconds(4);
  // A sidecar that leaves an open request in silence for so long is asked whether it is there.
  static constexpr Duration kPingAfter = Duration::seconds(5);

  explicit UpstreamPool(Worker& worker);
  ~UpstreamPool();

  // A connection whose client can open an exchange now: open it before anything else is awaited. `terms`
  // may be null, and outlives the task.
  io::Task<Result<UpstreamPtr>> acquire(UpstreamTarget target,
                                        const UpstreamTerms* terms = nullptr);
  // A connection of its own, for `alpn` kAlpnUpgrade or kAlpnTcp (towards a server outside the target's form
  // says it all). The terms' max_connections is the caller's
  // to ask for: take_connection().
  io::Task<Result<http::TlsConnection>> connect(UpstreamTarget target, std::string_view alpn,
                                                Duration timeout = kConnectTimeout);
  // A connection of its own under these terms, which may be null; kLimit when there are too many.
  static Result<CountedConnection> take_connection(const UpstreamTerms* terms);

  // The worker has new certificates: drains what was made with older ones.
  void rotated();
  size_t connections() const;

 private:
  struct Group;

  UpstreamPtr usable(const UpstreamTarget& target, Group& group);
  // What a connection to it is made with now.
  uint64_t generation(const UpstreamTarget& target);
  io::Task<Result<http::TlsConnection>> connect_outside(UpstreamTarget target, Duration timeout);
  struct Dial;
  io::Task<void> dial(UpstreamTarget target, Group& group, Dial how);
  bool start_dial(const UpstreamTarget& target, Group& group, const UpstreamTerms* terms);
  void use(Upstream& upstream, const UpstreamTerms* terms);
  void tidy(const UpstreamTarget& target);
  void sweep();

  Worker& worker_;
  OutsideContexts outside_;
  std::map<UpstreamTarget, std::unique_ptr<Group>> groups_;
  Duration sweep_every_;
  io::Timer sweep_timer_;
  io::TaskScope dials_;  // destroyed first: they use the groups
};

}  // namespace weft::proxy
