// An opaque connection cannot be repeated once a byte went through, so all choosing happens before: up to
// three endpoints are tried at once, each with a full handshake, then as often as a policy's retries allow;
// then the app sees a reset.
#include "proxy/tcp_path.h"

#include "base/hash.h"
#include "model/policy_section.h"
#include "proxy/balancer.h"
#include "proxy/hop_preface.h"
#include "proxy/outlier_watch.h"
#include "proxy/outside.h"
#include "proxy/relay.h"
#include "steer/request_key.h"
#include "steer/retry.h"

namespace weft::proxy {
namespace {

constexpr int kTries = 3;
constexpr Duration kExternalTimeout = Duration::seconds(15);

Record record_for(Worker& worker, const Destination& destination) {
  Record record;
  record.time = worker.loop.wall_now();
  record.start = worker.loop.now();
  record.protocol = "tcp";
  record.source = worker.self.identity.uri();
  record.service = destination.name();
  record.port = destination.port;
  if (destination.chosen) record.route = destination.chosen->route;
  return record;
}

std::shared_ptr<const EndpointGroup> group_of(const Snapshot& snapshot,
                                              const Destination& destination) {
  if (destination.chosen) return snapshot.group(destination.chosen->service);
  if (destination.kind != Destination::kWorkload) return snapshot.group(destination.service);
  return group_of_one(destination);
}

// `rule`: what the route's rule says; may be null.
const model::OutlierDetection* outliers_of(const EndpointGroup& group,
                                           const model::BackendPolicy* rule) {
  const auto* said =
      model::section(rule, group.policy.get(), &model::BackendPolicy::outlier_detection);
  return said && group.state ? &said->value : nullptr;
}

std::optional<UpstreamTerms> terms_of(const EndpointGroup& group,
                                      const model::BackendPolicy* rule) {
  const model::BackendPolicy* policy = group.policy.get();
  if ((!policy && !rule) || !group.state) return std::nullopt;
  return upstream_terms(model::section(rule, policy, &model::BackendPolicy::circuit_breaker),
                        model::section(rule, policy, &model::BackendPolicy::connection_pool),
                        group.state);
}

}  // namespace

steer::Injection TcpPath::draw_fault(const Destination& destination) {
  const SnapshotPtr snapshot = worker_.snapshot;
  const LiveService* service =
      destination.kind == Destination::kService ? snapshot->service(destination.service) : nullptr;
  const WallTime now = worker_.loop.wall_now();
  return steer::draw_fault(
      steer::in_force(destination.chosen ? &destination.chosen->faults : nullptr,
                      service ? service->compiled->fault : nullptr, now),
      worker_.self.identity.uri(), nullptr, now, worker_.random);
}

io::Task<Result<void>> TcpPath::inject(Record& record, steer::Injection injection) {
  const std::string& policy = injection.rule->fault().policy;
  record.policy = policy;
  if (injection.delay.ns > 0) {
    record.delayed = true;
    worker_.policy_acts.count(telemetry::PolicyAct::kDelayed, policy);
    co_await io::sleep_for(worker_.loop, injection.delay);
  }
  if (!injection.abort) co_return Result<void>{};
  worker_.policy_acts.count(telemetry::PolicyAct::kAborted, policy);
  Error error(ErrorKind::kReset, "fault policy " + policy + " resets this connection");
  failed(record, "FI", error.message());
  co_return std::unexpected(std::move(error));
}

bool TcpPath::leads_somewhere(const Destination& destination) const {
  const uint16_t port = destination.chosen ? destination.chosen->port : destination.port;
  if (port == 0) return false;
  const auto group = group_of(*worker_.snapshot, destination);
  return group && could_serve(*group, port);
}

// One connection on its way to a server, over all its tries.
struct TcpPath::Opening {
  Opening(Worker& worker, Destination to)
      : destination(std::move(to)),
        backend(destination.chosen ? destination.chosen->service : destination.service),
        port(destination.chosen ? destination.chosen->port : destination.port),
        rule(destination.chosen ? destination.chosen->policy.get() : nullptr) {
    way.record = record_for(worker, destination);
  }
  const Destination destination;
  const model::ServiceName backend;
  const uint16_t port;
  const model::BackendPolicy* const rule;  // may be null
  OpenedTcp way;
  Tried tried;
  std::shared_ptr<const EndpointGroup> group;  // as it is known now
  std::shared_ptr<const EndpointGroup> terms;  // what `retry` refers to
  steer::RetryState retry;
};

io::Task<Result<OpenedTcp>> TcpPath::open(Destination destination, steer::Injection injection) {
  Opening opening(worker_, std::move(destination));
  Record& record = opening.way.record;
  if (injection) {
    auto injected = co_await inject(record, std::move(injection));
    if (!injected) co_return std::unexpected(std::move(injected.error()));
  }
  if (opening.destination.chosen && opening.port == 0) {
    Error error(ErrorKind::kUnavailable, "route " + record.route + " has no usable backend");
    failed(std::move(record), "NR", error.message());
    co_return std::unexpected(std::move(error));
  }
  set_retries(opening);
  Error last(ErrorKind::kUnavailable,
             "no instance of " +
                 (opening.destination.chosen
                      ? opening.backend.to_string() + ":" + std::to_string(opening.port)
                      : record.service_and_port()) +
                 " is ready");
  for (int tries = 0;; ++tries) {
    // Others are tried at once; when nobody is left, a policy may ask anybody again, later.
    const LiveEndpoint* chosen = tries < kTries ? pick(opening, tries == 0) : nullptr;
    if (!chosen && tries > 0) {
      const auto delay = opening.retry.after_connect_failure(worker_.loop.now(), worker_.random);
      if (!delay) break;
      co_await io::sleep_for(worker_.loop, *delay);
      chosen = pick(opening, true);
    }
    if (!chosen) break;
    auto connected = co_await attempt(opening, *chosen);
    if (connected) {
      record.retries = opening.retry.retries();
      co_return std::move(opening.way);
    }
    last = std::move(connected.error());
    if (last.kind() == ErrorKind::kLimit && last.source() == ErrorSource::kInternal) {
      failed(std::move(record), "UO", last.message());
      co_return std::unexpected(std::move(last));
    }
  }
  record.retries = opening.retry.retries();
  std::string why = last.message();
  if (const auto refusal = opening.retry.refusal())
    why += " (not tried again: " + std::string(to_string(refusal)) + ")";
  const bool bounded = opening.retry.refusal() == steer::RetryState::kBudget ||
                       opening.retry.refusal() == steer::RetryState::kBreaker;
  failed(std::move(record),
         opening.tried.empty()         ? "UH"
         : bounded                     ? "UO"
         : opening.retry.retries() > 0 ? "URX"
                                       : "UF",
         std::move(why));
  co_return std::unexpected(std::move(last));
}

// What a policy says of further tries. It counts the connection for its budget.
void TcpPath::set_retries(Opening& opening) {
  opening.group = group_of(*worker_.snapshot, opening.destination);
  if (!opening.group || !opening.group->state) return;
  const model::BackendPolicy* wide = opening.group->policy.get();
  const auto* retries = model::section(opening.rule, wide, &model::BackendPolicy::retries);
  if (!retries) return;
  const auto* breaker = model::section(opening.rule, wide, &model::BackendPolicy::circuit_breaker);
  opening.terms = opening.group;
  opening.retry =
      steer::RetryState(steer::RetryRules::of(nullptr, &retries->value), *opening.terms->state,
                        breaker ? breaker->value.max_retries : 0, worker_.loop.now());
}

// Of what a hashing policy asks for, an opaque connection has who opens it.
std::optional<uint64_t> TcpPath::key_of(const Opening& opening) const {
  const auto* keys = hash_keys(*opening.group, opening.rule);
  if (!keys) return std::nullopt;
  const bool at_gateway = opening.destination.kind == Destination::kGateway;
  const std::string identity = worker_.self.identity.uri(),
                    address =
                        (at_gateway ? opening.destination.client : worker_.self.mesh4).to_string();
  const steer::RequestParts parts{.identity = identity, .address = address};
  std::string scratch;
  for (const model::RequestKey& key : *keys) {
    if (const auto value = steer::value_of(key, parts, scratch)) return xxh64(*value);
  }
  return std::nullopt;
}

// An endpoint that was not tried yet, or `again` any; null when there is none.
const LiveEndpoint* TcpPath::pick(Opening& opening, bool again) {
  opening.group = group_of(*worker_.snapshot, opening.destination);
  if (!opening.group) return nullptr;
  const EndpointGroup& group = *opening.group;
  if (const auto* outliers = outliers_of(group, opening.rule))
    settle_outliers(worker_, group, *outliers);
  return pick_endpoint(group, opening.port, opening.rule,
                       {.now = worker_.loop.now(),
                        .random = worker_.random,
                        .tried = opening.tried,
                        .key = key_of(opening),
                        .connection = true},
                       again);
}

// One try, up to the end of the handshake. kLimit of our own: a bound stands against it.
io::Task<Result<void>> TcpPath::attempt(Opening& opening, const LiveEndpoint& chosen) {
  const model::Endpoint& endpoint = chosen.endpoint;
  const EndpointGroup& group = *opening.group;
  OpenedTcp& way = opening.way;
  opening.tried.add(chosen.health.get());
  const uint16_t app_port = endpoint.target_ports.find(opening.port)->second;
  way.record.workload = endpoint.workload;
  way.record.upstream = address_of(endpoint, app_port).to_string();
  way.record.destination = endpoint.outside ? "external" : endpoint.identity.uri();
  way.record.mtls = !endpoint.outside;
  way.health = chosen.health;
  way.in_flight = std::make_unique<steer::InFlight>(*way.health);
  const auto terms = terms_of(group, opening.rule);
  auto counted = UpstreamPool::take_connection(terms ? &*terms : nullptr);
  if (!counted) co_return std::unexpected(std::move(counted.error()));
  way.counted = std::move(*counted);
  Duration limit = terms ? terms->connect_timeout : UpstreamPool::kConnectTimeout;
  if (const Duration per_try = opening.retry.per_try_timeout(); per_try.ns > 0)
    limit = std::min(limit, per_try);
  TlsSetPtr tls = worker_.tls;
  const OutsideUse use{.service = opening.backend,
                       .port = opening.port,
                       .app_port = app_port,
                       .kind = OutsideUse::kOpaque};
  auto connection = co_await pool_.connect(
      endpoint.outside ? outside_target(*worker_.snapshot, group, endpoint, use)
                       : target_of(endpoint, app_port),
      kAlpnTcp, limit);
  if (const auto* outliers = outliers_of(group, opening.rule)) {
    note_outcome(worker_, group, chosen,
                 connection ? steer::Outliers::kSuccess : steer::Outliers::kGatewayError,
                 *outliers);
  }
  if (connection) {
    way.health->succeeded();
    way.stream = std::move(connection->stream);
    way.certificates_end = connection->peer_not_after;
    if (endpoint.outside) co_return Result<void>{};
    way.certificates_end = std::min(connection->peer_not_after, tls->svid->not_after());
    way.stream->write(encode_hop_preface({.source4 = worker_.self.mesh4,
                                          .source6 = worker_.self.mesh6,
                                          .source_port = 0,
                                          .service = way.record.service_and_port(),
                                          .instance = worker_.self.instance}));
    co_return Result<void>{};
  }
  way.health->failed(worker_.loop.now());
  way.in_flight.reset();
  way.counted = {};
  worker_.log.warn("endpoint failed", {{"endpoint", endpoint.workload},
                                       {"service", way.record.service_and_port()},
                                       {"why", connection.error().message()}});
  if (connection.error().kind() == ErrorKind::kUnauthenticated)
    worker_.want({.service = opening.backend, .mesh_address = {}, .again = true});
  co_return std::unexpected(std::move(connection.error()));
}

void TcpPath::failed(Record record, std::string_view flags, std::string why) {
  record.flags = flags;
  record.why = std::move(why);
  edge_of(worker_, record).connections.add();
  finish_connection(worker_, record);
}

void TcpPath::refused(const Destination& destination, std::string why) {
  failed(record_for(worker_, destination), "NR", std::move(why));
}

io::Task<Result<OpenedTcp>> TcpPath::open_external(Destination destination) {
  OpenedTcp opened;
  opened.record = record_for(worker_, destination);
  opened.record.destination = "external";
  opened.record.upstream = destination.original.to_string();
  opened.record.mtls = false;
  auto stream = co_await worker_.network.connect(destination.original, kExternalTimeout);
  if (!stream) {
    failed(std::move(opened.record), "UF", stream.error().message());
    co_return std::unexpected(std::move(stream.error()));
  }
  opened.stream = std::move(*stream);
  co_return opened;
}

io::Task<void> TcpPath::carry(io::StreamPtr client, OpenedTcp opened) {
  Record& record = opened.record;
  edge_of(worker_, record).connections.add();
  struct Listed {
    std::multimap<WallTime, uint64_t>& all;
    std::multimap<WallTime, uint64_t>::iterator at;
    ~Listed() { all.erase(at); }
  } listed{ends_, ends_.emplace(opened.certificates_end, next_id_++)};
  RelayResult result = co_await relay(worker_.loop, std::move(client), std::move(opened.stream));
  record.bytes_sent = result.from_first;
  record.bytes_received = result.from_second;
  if (result.reset) record.flags = "DC";
  finish_connection(worker_, record);
}

size_t TcpPath::outlived_certificate(WallTime now) const {
  return static_cast<size_t>(std::distance(ends_.begin(), ends_.lower_bound(now)));
}

}  // namespace weft::proxy
