// An opaque connection cannot be repeated once a byte went through, so all choosing happens before: up to
// three endpoints are tried, each with a full handshake, then the app sees a reset.
#include "proxy/tcp_path.h"

#include "base/hash.h"
#include "model/policy_section.h"
#include "proxy/balancer.h"
#include "proxy/hop_preface.h"
#include "proxy/outlier_watch.h"
#include "proxy/outside.h"
#include "proxy/relay.h"
#include "steer/request_key.h"

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

// Of what a hashing policy asks for, an opaque connection has who opens it.
std::optional<uint64_t> TcpPath::key_of(const EndpointGroup& group,
                                        const model::BackendPolicy* rule) const {
  const auto* keys = hash_keys(group, rule);
  if (!keys) return std::nullopt;
  const std::string identity = worker_.self.identity.uri(),
                    address = worker_.self.mesh4.to_string();
  const steer::RequestParts parts{.identity = identity, .address = address};
  std::string scratch;
  for (const model::RequestKey& key : *keys) {
    if (const auto value = steer::value_of(key, parts, scratch)) return xxh64(*value);
  }
  return std::nullopt;
}

steer::Injection TcpPath::draw_fault(const Destination& destination) {
  if (destination.kind != Destination::kService) return {};
  const SnapshotPtr snapshot = worker_.snapshot;
  const LiveService* service = snapshot->service(destination.service);
  if (!service || !service->compiled->fault) return {};
  return steer::draw_fault(service->compiled->fault, worker_.self.identity.uri(), nullptr,
                           worker_.loop.wall_now(), worker_.random);
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

io::Task<Result<OpenedTcp>> TcpPath::open(Destination destination, steer::Injection injection) {
  OpenedTcp opened;
  opened.record = record_for(worker_, destination);
  if (injection) {
    auto injected = co_await inject(opened.record, std::move(injection));
    if (!injected) co_return std::unexpected(std::move(injected.error()));
  }
  if (destination.chosen && destination.chosen->port == 0) {
    Error error(ErrorKind::kUnavailable, "route " + opened.record.route + " has no usable backend");
    failed(std::move(opened.record), "NR", error.message());
    co_return std::unexpected(std::move(error));
  }
  const model::ServiceName backend =
      destination.chosen ? destination.chosen->service : destination.service;
  const uint16_t port = destination.chosen ? destination.chosen->port : destination.port;
  const model::BackendPolicy* rule =
      destination.chosen ? destination.chosen->policy.get() : nullptr;
  Tried tried;
  Error last(ErrorKind::kUnavailable,
             "no instance of " +
                 (destination.chosen ? backend.to_string() + ":" + std::to_string(port)
                                     : opened.record.service_and_port()) +
                 " is ready");
  for (int attempt = 0; attempt < kTries; ++attempt) {
    std::shared_ptr<const EndpointGroup> group = group_of(*worker_.snapshot, destination);
    const LiveEndpoint* chosen = group ? pick_endpoint(*group, port, rule,
                                                       {.now = worker_.loop.now(),
                                                        .random = worker_.random,
                                                        .tried = tried,
                                                        .key = key_of(*group, rule),
                                                        .connection = true},
                                                       attempt == 0)
                                       : nullptr;
    if (!chosen) break;
    const model::Endpoint& endpoint = chosen->endpoint;
    tried.add(chosen->health.get());
    uint16_t app_port = endpoint.target_ports.find(port)->second;
    opened.record.workload = endpoint.workload;
    opened.record.upstream = address_of(endpoint, app_port).to_string();
    opened.record.destination = endpoint.outside ? "external" : endpoint.identity.uri();
    opened.record.mtls = !endpoint.outside;
    opened.health = chosen->health;
    const auto terms = terms_of(*group, rule);
    auto counted = UpstreamPool::take_connection(terms ? &*terms : nullptr);
    if (!counted) {
      failed(std::move(opened.record), "UO", counted.error().message());
      co_return std::unexpected(std::move(counted.error()));
    }
    opened.counted = std::move(*counted);
    TlsSetPtr tls = worker_.tls;
    auto connection = co_await pool_.connect(
        endpoint.outside ? outside_target(*worker_.snapshot, *group, endpoint,
                                          {.service = backend,
                                           .port = port,
                                           .app_port = app_port,
                                           .kind = OutsideUse::kOpaque})
                         : target_of(endpoint, app_port),
        kAlpnTcp, terms ? terms->connect_timeout : UpstreamPool::kConnectTimeout);
    if (const auto* outliers = outliers_of(*group, rule)) {
      note_outcome(worker_, *group, *chosen,
                   connection ? steer::Outliers::kSuccess : steer::Outliers::kGatewayError,
                   *outliers);
    }
    if (connection) {
      opened.health->succeeded();
      opened.stream = std::move(connection->stream);
      opened.certificates_end = connection->peer_not_after;
      if (endpoint.outside) co_return opened;
      opened.certificates_end = std::min(connection->peer_not_after, tls->svid->not_after());
      opened.stream->write(encode_hop_preface({.source4 = worker_.self.mesh4,
                                               .source6 = worker_.self.mesh6,
                                               .source_port = 0,
                                               .service = opened.record.service_and_port(),
                                               .instance = worker_.self.instance}));
      co_return opened;
    }
    last = std::move(connection.error());
    opened.health->failed(worker_.loop.now());
    worker_.log.warn("endpoint failed", {{"endpoint", endpoint.workload},
                                         {"service", opened.record.service_and_port()},
                                         {"why", last.message()}});
    if (last.kind() == ErrorKind::kUnauthenticated) {
      worker_.want({.service = backend, .mesh_address = {}, .again = true});
    }
  }
  failed(std::move(opened.record), tried.empty() ? "UH" : "UF", last.message());
  co_return std::unexpected(std::move(last));
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
  std::optional<steer::InFlight> in_flight;
  if (opened.health) in_flight.emplace(*opened.health);

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
