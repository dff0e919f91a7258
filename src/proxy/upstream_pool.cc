// Dials run in a scope of the pool, not of the request that caused them: a caller who gives up does not
// take the connection away from those who wait for it. A full handshake costs about a millisecond of
// CPU on either side, so connections are kept for kIdle after their last request.
#include "proxy/upstream_pool.h"

#include <algorithm>

#include "proxy/sni.h"

namespace weft::proxy {
namespace {

constexpr Duration kSweepEvery = Duration::seconds(15);
constexpr Duration kSweepAtMost = Duration::millis(100);
// Where a connection carries one request at a time, waiting for one dial after another would take too long.
constexpr size_t kDialsHttp1 = 8;
// Another worker may let go of a connection that this one may then make: nobody tells.
constexpr Duration kLookAgain = Duration::millis(100);

}  // namespace

struct UpstreamPool::Group {
  Group(io::Loop& loop, std::shared_ptr<UpstreamBounds::Counts> counts)
      : counts(std::move(counts)), settled(loop) {}
  const std::shared_ptr<UpstreamBounds::Counts> counts;  // of all workers
  std::vector<UpstreamPtr> connections;
  io::Event settled;  // pulsed when a dial ends or a connection has room again
  size_t dialling = 0;
  bool http1 = false;  // one request at a time: more dials
  uint64_t failures = 0;
  std::optional<Error> last_error;
  size_t waiting = 0;
};

// How a connection is made, and what it is counted in.
struct UpstreamPool::Dial {
  Duration timeout, idle;
  io::Tally further;
  CountedConnection counted;
};

UpstreamTarget target_of(const model::Endpoint& endpoint, uint16_t app_port) {
  return {endpoint.workload, endpoint.address, endpoint.identity.uri(), app_port};
}

std::optional<UpstreamTerms> upstream_terms(const model::Said<model::CircuitBreaker>* breaker,
                                            const model::Said<model::ConnectionPool>* pool,
                                            const std::shared_ptr<steer::BackendState>& state) {
  if (!breaker && !pool) return std::nullopt;
  UpstreamTerms terms{.connect_timeout = UpstreamPool::kConnectTimeout,
                      .idle_timeout = UpstreamPool::kIdle};
  if (breaker) {
    terms.max_connections = breaker->value.max_connections;
    terms.max_pending = breaker->value.max_pending;
    terms.origin = breaker->origin;
  }
  if (pool) {
    terms.connect_timeout = pool->value.connect_timeout;
    terms.idle_timeout = pool->value.idle_timeout;
    terms.max_requests = pool->value.max_requests_per_connection;
  }
  terms.state = state;
  return terms;
}

UpstreamPool::UpstreamPool(Worker& worker)
    : worker_(worker),
      outside_(worker),
      sweep_every_(kSweepEvery),
      sweep_timer_(worker.loop, [this] { sweep(); }) {
  sweep_timer_.arm(sweep_every_);
}

UpstreamPool::~UpstreamPool() = default;

uint64_t UpstreamPool::generation(const UpstreamTarget& target) {
  if (target.form != UpstreamTarget::kMesh) return outside_.generation();
  return worker_.tls ? worker_.tls->generation : 0;
}

UpstreamPtr UpstreamPool::usable(const UpstreamTarget& target, Group& group) {
  UpstreamPtr best;
  const uint64_t now = generation(target);
  for (const UpstreamPtr& candidate : group.connections) {
    if (candidate->tls_generation != now || candidate->spent || !candidate->client->can_open())
      continue;
    if (candidate->protocol == http::ClientProtocol::kHttp1 &&
        worker_.loop.now() - candidate->last_used > candidate->idle) {
      continue;
    }
    if (!best || candidate->client->open_exchanges() < best->client->open_exchanges())
      best = candidate;
  }
  return best;
}

// The connection takes one more exchange.
void UpstreamPool::use(Upstream& upstream, const UpstreamTerms* terms) {
  upstream.last_used = worker_.loop.now();
  upstream.idle = terms ? terms->idle_timeout : kIdle;
  if (upstream.protocol == http::ClientProtocol::kHttp1)
    upstream.idle = std::min(upstream.idle, kIdleHttp1);
  if (!terms) return;
  // A policy may ask for shorter idleness than the sweep would notice.
  if (const Duration every = std::max(terms->idle_timeout / 2, kSweepAtMost);
      every < sweep_every_) {
    sweep_every_ = every;
    sweep_timer_.arm(sweep_every_);
  }
  if (terms->max_requests == 0 || ++upstream.requests < terms->max_requests) return;
  upstream.spent = true;
  // Once the exchange is open, it ends with its last one.
  worker_.loop.post([held = upstream.weak_from_this()] {
    if (const UpstreamPtr last = held.lock()) last->client->drain();
  });
}

Result<CountedConnection> UpstreamPool::take_connection(const UpstreamTerms* terms) {
  if (!terms || terms->max_connections == 0) return CountedConnection{};
  auto one = terms->state->breaker.take(steer::Breaker::kConnections, terms->max_connections);
  if (one) return CountedConnection{terms->state, std::move(*one)};
  return fail(ErrorKind::kLimit, "there are " + std::to_string(terms->max_connections) +
                                     " connections, as many as " + terms->origin + " allows");
}

io::Task<Result<UpstreamPtr>> UpstreamPool::acquire(UpstreamTarget target,
                                                    const UpstreamTerms* terms) {
  std::unique_ptr<Group>& slot = groups_[target];
  if (!slot) slot = std::make_unique<Group>(worker_.loop, worker_.group->upstream().of(target));
  Group& group = *slot;
  if (target.form == UpstreamTarget::kMesh && !worker_.tls) {
    co_return fail(ErrorKind::kUnavailable, "no certificate yet", ErrorSource::kInternal,
                   Retry::kYes);
  }
  if (UpstreamPtr found = usable(target, group)) {
    use(*found, terms);
    co_return found;
  }
  struct Waiting {
    explicit Waiting(Group& group) : group(group), counted(UpstreamBounds::wait(*group.counts)) {
      ++group.waiting;
    }
    ~Waiting() { --group.waiting; }
    Group& group;
    std::optional<io::Tally> counted;
  } waiting(group);

  if (!waiting.counted) {
    co_return fail(ErrorKind::kLimit,
                   "too many requests wait for a connection to " + target.instance,
                   ErrorSource::kInternal);
  }
  std::optional<io::Tally> pending;
  if (terms) {
    pending = terms->state->breaker.take(steer::Breaker::kPending, terms->max_pending);
    if (!pending) {
      co_return fail(ErrorKind::kLimit, std::to_string(terms->max_pending) +
                                            " requests wait for a connection, as many as " +
                                            terms->origin + " allows");
    }
  }
  uint64_t failures = group.failures;
  while (true) {
    if (UpstreamPtr found = usable(target, group)) {
      use(*found, terms);
      co_return found;
    }
    if (group.failures != failures) co_return std::unexpected(*group.last_error);
    if (start_dial(target, group, terms)) continue;
    if (group.dialling > 0 || worker_.group->size() == 1) {
      co_await group.settled.wait();
    } else {
      co_await group.settled.wait_for(kLookAgain);
    }
  }
}

// The first connection of a worker to an instance may always be made, or that instance would have to be
// refused; it counts against the others.
bool UpstreamPool::start_dial(const UpstreamTarget& target, Group& group,
                              const UpstreamTerms* terms) {
  if (group.dialling >= (group.http1 ? std::min(group.waiting, kDialsHttp1) : 1)) return false;
  Dial how{.timeout = terms ? terms->connect_timeout : kConnectTimeout,
           .idle = terms ? terms->idle_timeout : kIdle};
  const bool counts = terms && terms->max_connections > 0;
  if (group.connections.empty() && group.dialling == 0) {
    if (counts)
      how.counted = {terms->state, terms->state->breaker.count(steer::Breaker::kConnections)};
  } else {
    auto allowed = worker_.group->upstream().connect_further(*group.counts);
    if (!allowed) return false;
    how.further = std::move(*allowed);
    auto counted = take_connection(terms);
    if (!counted) return false;
    how.counted = std::move(*counted);
  }
  ++group.dialling;
  dials_.spawn(dial(target, group, std::move(how)));
  return true;
}

io::Task<void> UpstreamPool::dial(UpstreamTarget target, Group& group, Dial how) {
  const uint64_t made_with = generation(target);
  auto made = co_await connect(target, kAlpnH2, how.timeout);
  --group.dialling;
  if (!made) {
    group.last_error = std::move(made.error());
    ++group.failures;
    group.settled.pulse();
    co_return;
  }
  auto upstream = std::make_shared<Upstream>();
  upstream->tls_generation = made_with;
  const bool outside = target.form != UpstreamTarget::kMesh;
  if (outside && target.form != UpstreamTarget::kHttp2 && made->info.alpn != kAlpnH2) {
    upstream->protocol = http::ClientProtocol::kHttp1;
    group.http1 = true;
  }
  upstream->peer_not_after = made->peer_not_after;
  upstream->last_used = worker_.loop.now();
  upstream->counts = group.counts;
  upstream->further = std::move(how.further);
  upstream->counted = std::move(how.counted);
  upstream->idle = how.idle;
  upstream->client = http::connect_http(
      worker_.loop, std::move(made->stream), upstream->protocol, std::move(made->info),
      {.ping_after = kPingAfter, .plain_literals = !outside}, [this, target] { tidy(target); });
  group.connections.push_back(std::move(upstream));
  group.settled.pulse();
}

io::Task<Result<http::TlsConnection>> UpstreamPool::connect(UpstreamTarget target,
                                                            std::string_view alpn,
                                                            Duration timeout) {
  if (target.form != UpstreamTarget::kMesh)
    co_return co_await connect_outside(std::move(target), timeout);
  TlsSetPtr tls = worker_.tls;
  if (!tls) {
    co_return fail(ErrorKind::kUnavailable, "no certificate yet", ErrorSource::kInternal,
                   Retry::kYes);
  }
  std::string where = target.instance + " at " + target.address.to_string();
  auto transport = co_await worker_.network.connect(target.address, timeout);
  if (!transport) co_return std::unexpected(std::move(transport.error()).context(where));

  const trust::TlsContextPtr& context = alpn == kAlpnH2    ? tls->h2
                                        : alpn == kAlpnTcp ? tls->tcp
                                                           : tls->upgrade;
  auto connection = co_await http::tls_connect(worker_.loop, std::move(*transport), context,
                                               hop_server_name(target.instance, target.app_port),
                                               target.identity, timeout);
  // Nothing of a request was sent before the handshake ended: it may go elsewhere.
  if (!connection) {
    co_return std::unexpected(std::move(connection.error())
                                  .context(where)
                                  .with_source(ErrorSource::kUpstream)
                                  .with_retry(Retry::kYes));
  }
  if (connection->info.alpn != alpn) {
    co_return fail(ErrorKind::kProtocol, where + ": it does not speak " + std::string(alpn),
                   ErrorSource::kUpstream, Retry::kYes);
  }
  co_return std::move(*connection);
}

io::Task<Result<http::TlsConnection>> UpstreamPool::connect_outside(UpstreamTarget target,
                                                                    Duration timeout) {
  const std::string where = target.address.to_string() + " outside the mesh";
  if (std::string why = problem_outside(worker_, target); !why.empty())
    co_return fail(ErrorKind::kUnavailable, std::move(why), ErrorSource::kInternal);
  trust::TlsContextPtr context;
  if (target.tls) {
    auto made = outside_.of(target.tls, target.form);
    if (!made) co_return std::unexpected(std::move(made.error()).context(target.tls->origin));
    context = std::move(*made);
  }
  auto transport = co_await worker_.network.connect(target.address, timeout);
  if (!transport) co_return std::unexpected(std::move(transport.error()).context(where));
  if (!context) {
    http::TlsConnection plain{.info = {}, .peer_not_after = WallTime{INT64_MAX}};
    plain.info.peer = (*transport)->peer();
    plain.info.local = (*transport)->local();
    plain.stream = std::move(*transport);
    co_return plain;
  }
  auto connection =
      co_await http::tls_connect(worker_.loop, std::move(*transport), context,
                                 target.tls->server_name, target.address.to_string(), timeout);
  if (!connection) {
    co_return std::unexpected(std::move(connection.error())
                                  .context(where)
                                  .with_source(ErrorSource::kUpstream)
                                  .with_retry(Retry::kYes));
  }
  if (target.form == UpstreamTarget::kHttp2 && connection->info.alpn != kAlpnH2) {
    co_return fail(ErrorKind::kProtocol, where + ": it does not speak HTTP/2 (ALPN h2)",
                   ErrorSource::kUpstream, Retry::kYes);
  }
  co_return std::move(*connection);
}

void UpstreamPool::tidy(const UpstreamTarget& target) {
  auto found = groups_.find(target);
  if (found == groups_.end()) return;
  std::vector<UpstreamPtr>& all = found->second->connections;
  auto dead = std::partition(all.begin(), all.end(), [](const UpstreamPtr& upstream) {
    return !upstream->client->finished() || upstream->client->open_exchanges() > 0;
  });
  // The connection that calls may be among them: it ends after its callback has returned.
  std::vector<UpstreamPtr> ended(std::make_move_iterator(dead), std::make_move_iterator(all.end()));
  all.erase(dead, all.end());
  if (!ended.empty()) worker_.loop.post([ended = std::move(ended)] {});
  found->second->settled.pulse();
}

void UpstreamPool::rotated() {
  for (auto& [target, group] : groups_) {
    if (target.form != UpstreamTarget::kMesh) continue;  // made with nothing of the mesh's
    for (const UpstreamPtr& upstream : group->connections) {
      if (upstream->tls_generation != worker_.tls->generation) upstream->client->drain();
    }
  }
}

void UpstreamPool::sweep() {
  Instant now = worker_.loop.now();
  for (auto& [target, group] : groups_) {
    std::erase_if(group->connections, [&](const UpstreamPtr& upstream) {
      if (upstream->client->open_exchanges() > 0) return false;
      return upstream->client->finished() || now - upstream->last_used > upstream->idle;
    });
  }
  std::erase_if(groups_, [](const auto& entry) {
    const Group& group = *entry.second;
    return group.connections.empty() && group.dialling == 0 && group.waiting == 0;
  });
  outside_.sweep();
  sweep_timer_.arm(sweep_every_);
}

size_t UpstreamPool::connections() const {
  size_t count = 0;
  for (const auto& [target, group] : groups_) count += group->connections.size();
  return count;
}

}  // namespace weft::proxy
