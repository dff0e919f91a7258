// Policies are few and rules are many: a policy is written once for each service and found again by its
// address, or by its bytes where two rules hold equal ones. So equal services give equal bytes, whoever
// shares what in memory.
#include "xds/encode_policies.h"

#include "policies.pb.h"
#include "resources.pb.h"
#include "xds/convert.h"
#include "xds/proxy_level.h"

namespace weft::xds {
namespace {

using xds::fill;

v1::RequestKey::Kind to_wire(model::RequestKey::Kind kind) {
  switch (kind) {
    case model::RequestKey::kHeader: return v1::RequestKey::HEADER;
    case model::RequestKey::kCookie: return v1::RequestKey::COOKIE;
    case model::RequestKey::kQuery: return v1::RequestKey::QUERY;
    case model::RequestKey::kSourceIdentity: return v1::RequestKey::SOURCE_IDENTITY;
    case model::RequestKey::kSourceAddress: return v1::RequestKey::SOURCE_ADDRESS;
  }
  return v1::RequestKey::HEADER;
}

v1::LoadBalancing::Algorithm to_wire(model::LoadBalancing::Algorithm algorithm) {
  switch (algorithm) {
    case model::LoadBalancing::kPeakEwma: return v1::LoadBalancing::PEAK_EWMA;
    case model::LoadBalancing::kLeastRequest: return v1::LoadBalancing::LEAST_REQUEST;
    case model::LoadBalancing::kRoundRobin: return v1::LoadBalancing::ROUND_ROBIN;
    case model::LoadBalancing::kRandom: return v1::LoadBalancing::RANDOM;
    case model::LoadBalancing::kRingHash: return v1::LoadBalancing::RING_HASH;
    case model::LoadBalancing::kMaglev: return v1::LoadBalancing::MAGLEV;
  }
  return v1::LoadBalancing::PEAK_EWMA;
}

v1::HealthCheck::Kind to_wire(model::HealthCheck::Kind kind) {
  switch (kind) {
    case model::HealthCheck::kHttp: return v1::HealthCheck::HTTP;
    case model::HealthCheck::kGrpc: return v1::HealthCheck::GRPC;
    case model::HealthCheck::kTcp: return v1::HealthCheck::TCP;
  }
  return v1::HealthCheck::TCP;
}

void fill(v1::RequestKey& out, const model::RequestKey& in) {
  out.set_kind(to_wire(in.kind));
  out.set_name(in.name);
  out.set_cookie_ttl_ns(in.cookie_ttl.ns);
}

void fill(v1::LoadBalancing& out, const model::LoadBalancing& in) {
  out.set_algorithm(to_wire(in.algorithm));
  for (const model::RequestKey& key : in.hash_by) fill(*out.add_hash_by(), key);
  out.set_bounded_load_percent(in.bounded_load_percent);
}

void fill(v1::SlowStart& out, const model::SlowStart& in) {
  out.set_window_ns(in.window.ns);
  out.set_aggression(in.aggression);
  out.set_min_percent(in.min_percent);
}

void fill(v1::Locality& out, const model::Locality& in) {
  out.set_same_zone_first(in.same_zone_first);
  for (const std::string& region : in.failover) out.add_failover(region);
  out.set_overprovisioning_percent(in.overprovisioning_percent);
  out.set_panic_percent(in.panic_percent);
}

void fill(v1::CircuitBreaker& out, const model::CircuitBreaker& in) {
  out.set_max_connections(in.max_connections);
  out.set_max_pending(in.max_pending);
  out.set_max_requests(in.max_requests);
  out.set_max_retries(in.max_retries);
}

void fill(v1::ConnectionPool& out, const model::ConnectionPool& in) {
  out.set_connect_timeout_ns(in.connect_timeout.ns);
  out.set_idle_timeout_ns(in.idle_timeout.ns);
  out.set_max_requests_per_connection(in.max_requests_per_connection);
}

void fill(v1::OutlierDetection& out, const model::OutlierDetection& in) {
  out.set_consecutive_errors(in.consecutive_errors);
  out.set_consecutive_gateway_errors(in.consecutive_gateway_errors);
  out.set_interval_ns(in.interval.ns);
  out.set_base_ejection_ns(in.base_ejection.ns);
  out.set_max_ejection_ns(in.max_ejection.ns);
  out.set_max_ejection_percent(in.max_ejection_percent);
  if (in.success_rate) {
    auto* rate = out.mutable_success_rate();
    rate->set_min_instances(in.success_rate->min_instances);
    rate->set_min_requests(in.success_rate->min_requests);
    rate->set_stdev_factor(in.success_rate->stdev_factor);
  }
  if (in.failure_percentage) {
    auto* share = out.mutable_failure_percentage();
    share->set_threshold(in.failure_percentage->threshold);
    share->set_min_instances(in.failure_percentage->min_instances);
    share->set_min_requests(in.failure_percentage->min_requests);
  }
}

void fill(v1::HealthCheck& out, const model::HealthCheck& in) {
  out.set_kind(to_wire(in.kind));
  out.set_service_port(in.service_port);
  out.set_path(in.path);
  out.set_host(in.host);
  for (uint16_t status : in.statuses) out.add_statuses(status);
  out.set_grpc_service(in.grpc_service);
  out.set_interval_ns(in.interval.ns);
  out.set_timeout_ns(in.timeout.ns);
  out.set_jitter_percent(in.jitter_percent);
  out.set_unhealthy_threshold(in.unhealthy_threshold);
  out.set_healthy_threshold(in.healthy_threshold);
}

void fill(v1::Retries& out, const model::Retries& in) {
  out.set_attempts(in.attempts);
  out.set_conditions(in.conditions);
  for (int status : in.statuses) out.add_statuses(static_cast<uint32_t>(status));
  for (int status : in.grpc_statuses) out.add_grpc_statuses(static_cast<uint32_t>(status));
  out.set_any_method(in.any_method);
  out.set_per_try_timeout_ns(in.per_try_timeout.ns);
  out.set_base_backoff_ns(in.base_backoff.ns);
  out.set_max_backoff_ns(in.max_backoff.ns);
  out.set_honour_retry_after(in.honour_retry_after);
  out.set_longest_retry_after_ns(in.longest_retry_after.ns);
  out.set_budget_percent(in.budget_percent);
  out.set_budget_min_per_second(in.budget_min_per_second);
}

void fill(v1::RetryConstraint& out, const model::RetryConstraint& in) {
  out.set_percent(in.percent);
  out.set_interval_ns(in.interval.ns);
  out.set_min_retries(in.min_retries);
  out.set_min_interval_ns(in.min_interval.ns);
}

// `message`: makes the section's message where it belongs.
template <typename T, typename MakeMessage>
void fill_section(const std::optional<model::Said<T>>& in, MakeMessage message) {
  if (!in) return;
  auto& out = message();
  out.set_origin(in->origin);
  fill(out, in->value);
}

void fill(v1::Fault& out, const model::Fault& in) {
  out.set_policy(in.policy);
  out.set_expires_unix_ns(in.expires.unix_ns);
  for (const model::StringMatch& match : in.headers) {
    auto* header = out.add_headers();
    header->set_regex(match.kind == model::StringMatch::kRegex);
    header->set_name(match.name);
    header->set_value(match.value);
  }
  for (const std::string& caller : in.callers) out.add_callers(caller);
  out.set_delay_share(in.delay_share);
  out.set_delay_ns(in.delay.ns);
  out.set_abort_share(in.abort_share);
  out.set_abort_http_status(static_cast<uint32_t>(in.abort_http_status));
  out.set_abort_grpc_status(static_cast<uint32_t>(in.abort_grpc_status + 1));
  out.set_abort_reset(in.abort_reset);
}

void fill(v1::RateLimit& out, const model::RateLimit& in) {
  out.set_policy(in.policy);
  out.set_service(in.service);
  out.set_route(in.route);
  out.set_rule(in.rule);
  out.set_requests(in.requests);
  out.set_per_ns(in.per.ns);
  out.set_burst(in.burst);
  for (const model::RequestKey& key : in.by) fill(*out.add_by(), key);
  for (const model::RateLimit::Override& one : in.overrides) {
    auto* other = out.add_overrides();
    other->set_caller(one.caller);
    other->set_requests(one.requests);
    other->set_burst(one.burst);
  }
}

}  // namespace

void fill(v1::SessionPersistence& out, const model::SessionPersistence& in) {
  out.set_header(in.header);
  out.set_name(in.name);
  out.set_path(in.path);
  out.set_absolute_timeout_ns(in.absolute_timeout.ns);
  out.set_idle_timeout_ns(in.idle_timeout.ns);
  out.set_permanent(in.permanent);
}

void fill(v1::BackendPolicy& out, const model::BackendPolicy& in) {
  fill_section(in.load_balancing, [&]() -> auto& { return *out.mutable_load_balancing(); });
  fill_section(in.slow_start, [&]() -> auto& { return *out.mutable_slow_start(); });
  fill_section(in.locality, [&]() -> auto& { return *out.mutable_locality(); });
  fill_section(in.circuit_breaker, [&]() -> auto& { return *out.mutable_circuit_breaker(); });
  fill_section(in.connection_pool, [&]() -> auto& { return *out.mutable_connection_pool(); });
  fill_section(in.outlier_detection, [&]() -> auto& { return *out.mutable_outlier_detection(); });
  fill_section(in.health_check, [&]() -> auto& { return *out.mutable_health_check(); });
  fill_section(in.retries, [&]() -> auto& { return *out.mutable_retries(); });
  fill_section(in.retry_constraint, [&]() -> auto& { return *out.mutable_retry_constraint(); });
  fill_section(in.session_persistence,
               [&]() -> auto& { return *out.mutable_session_persistence(); });
}

uint32_t PolicyTable::place(const model::BackendPolicyPtr& policy) {
  if (!policy) return 0;
  uint32_t& known = by_pointer_[policy.get()];
  if (known != 0) return known;
  v1::BackendPolicy message;
  fill(message, *policy);
  uint32_t& place = policy_places_[message.SerializeAsString()];
  if (place == 0) {
    *policies_.Add() = std::move(message);
    place = static_cast<uint32_t>(policies_.size());
  }
  return known = place;
}

uint32_t PolicyTable::place(const model::FaultPtr& fault) {
  if (!fault) return 0;
  uint32_t& known = by_pointer_[fault.get()];
  if (known != 0) return known;
  v1::Fault message;
  fill(message, *fault);
  uint32_t& place = fault_places_[message.SerializeAsString()];
  if (place == 0) {
    *faults_.Add() = std::move(message);
    place = static_cast<uint32_t>(faults_.size());
  }
  return known = place;
}

std::string encode_inbound(const model::Inbound& inbound) {
  v1::Inbound out;
  out.set_min_proxy(level_of(Needs::kInbound));
  out.set_instance(inbound.instance);
  for (const model::RateLimit& limit : inbound.rate_limits) fill(*out.add_rate_limits(), limit);
  for (const model::Inbound::Check& check : inbound.checks) {
    auto* one = out.add_checks();
    one->set_app_port(check.app_port);
    one->set_service(check.service);
    one->mutable_check()->set_origin(check.check.origin);
    fill(*one->mutable_check(), check.check.value);
  }
  return out.SerializeAsString();
}

}  // namespace weft::xds
