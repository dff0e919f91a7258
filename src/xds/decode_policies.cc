// What a policy may say is bounded here a second time, for a proxy that obeys whatever it is told: no
// number reaches the steering code that it could not work with. Rules that share a policy on the wire
// share it in memory.
#include "xds/decode_policies.h"

#include <fmt/format.h>

#include <cmath>

#include "policies.pb.h"
#include "resources.pb.h"
#include "xds/decode_checks.h"
#include "xds/decode_filters.h"

namespace weft::xds {
namespace {

constexpr int kPolicies = 16 * 1024;
constexpr int kKeys = 16;
constexpr int kRegions = 64;
constexpr int kStatuses = 512;
constexpr int kHeaders = 64;
constexpr int kCallers = 256;
constexpr int kLimits = 1024;
constexpr int kOverrides = 1024;
constexpr int kChecks = 4096;
constexpr size_t kOriginBytes = 1024;
constexpr size_t kRegexBytes = 1024;
constexpr uint32_t kMillion = 1'000'000;
constexpr uint32_t kCount = 1'000'000'000;  // of requests, connections: any larger is a mistake

// A sequence of checks of which the first that fails is the outcome.
class Checks {
 public:
  bool number(uint32_t value, uint32_t low, uint32_t high, const char* field) {
    if (ok() && (value < low || value > high)) {
      result_ = invalid(fmt::format("{}: {} is out of range: {} to {}", field, value, low, high));
    }
    return ok();
  }
  bool span(int64_t ns, const char* field, Duration longest = Duration::hours(24)) {
    if (ok() && (ns < 0 || ns > longest.ns)) {
      result_ = invalid(fmt::format("{}: {} ns is out of range", field, ns));
    }
    return ok();
  }
  bool size(int count, int limit, const char* field) {
    if (ok()) result_ = within(count, limit, field);
    return ok();
  }
  bool string(const std::string& value, const char* field, size_t limit = kTextBytes) {
    if (!ok()) return false;
    if (auto checked = text(value, field, limit); !checked) {
      result_ = std::unexpected(std::move(checked.error()));
    }
    return ok();
  }
  bool that(bool holds, const char* field, const char* what) {
    if (ok() && !holds) result_ = invalid(fmt::format("{}: {}", field, what));
    return ok();
  }
  bool ok() const { return result_.has_value(); }
  Result<void> take() { return std::move(result_); }

 private:
  Result<void> result_;
};

Result<void> read(const google::protobuf::RepeatedPtrField<v1::RequestKey>& in, const char* field,
                  std::vector<model::RequestKey>& out) {
  Checks checks;
  checks.size(in.size(), kKeys, field);
  for (const v1::RequestKey& key : in) {
    checks.number(static_cast<uint32_t>(key.kind()), 0, v1::RequestKey::SOURCE_ADDRESS, field);
    checks.string(key.name(), field, 256);
    checks.that(!key.name().empty() || key.kind() >= v1::RequestKey::SOURCE_IDENTITY, field,
                "empty name");
    checks.span(key.cookie_ttl_ns(), field, Duration::hours(24 * 366));
    if (!checks.ok()) break;
    // The enumerators have the same order (checked by a test that writes and reads each).
    out.push_back({static_cast<model::RequestKey::Kind>(key.kind()), key.name(),
                   Duration::nanos(key.cookie_ttl_ns())});
  }
  return checks.take();
}

Result<void> read(const v1::LoadBalancing& in, model::LoadBalancing& out) {
  Checks checks;
  checks.number(static_cast<uint32_t>(in.algorithm()), 0, v1::LoadBalancing::MAGLEV,
                "load_balancing.algorithm");
  checks.that(in.bounded_load_percent() == 0 ||
                  (in.bounded_load_percent() >= 100 && in.bounded_load_percent() <= 10'000),
              "load_balancing.bounded_load_percent", "must be 0, or 100 to 10000");
  if (!checks.ok()) return checks.take();
  out.algorithm = static_cast<model::LoadBalancing::Algorithm>(in.algorithm());
  out.bounded_load_percent = in.bounded_load_percent();
  return read(in.hash_by(), "load_balancing.hash_by", out.hash_by);
}

Result<void> read(const v1::SlowStart& in, model::SlowStart& out) {
  Checks checks;
  checks.span(in.window_ns(), "slow_start.window");
  checks.that(std::isfinite(in.aggression()) && in.aggression() >= 0.01 && in.aggression() <= 100,
              "slow_start.aggression", "must be from 0.01 to 100");
  checks.number(in.min_percent(), 0, 100, "slow_start.min_percent");
  out.window = Duration::nanos(in.window_ns());
  out.aggression = in.aggression();
  out.min_percent = in.min_percent();
  return checks.take();
}

Result<void> read(const v1::Locality& in, model::Locality& out) {
  Checks checks;
  checks.size(in.failover_size(), kRegions, "locality.failover");
  for (const std::string& region : in.failover()) checks.string(region, "locality.failover", 256);
  checks.number(in.overprovisioning_percent(), 100, 10'000, "locality.overprovisioning_percent");
  checks.number(in.panic_percent(), 0, 100, "locality.panic_percent");
  out.same_zone_first = in.same_zone_first();
  if (checks.ok()) out.failover.assign(in.failover().begin(), in.failover().end());
  out.overprovisioning_percent = in.overprovisioning_percent();
  out.panic_percent = in.panic_percent();
  return checks.take();
}

Result<void> read(const v1::CircuitBreaker& in, model::CircuitBreaker& out) {
  Checks checks;
  checks.number(in.max_connections(), 0, kCount, "circuit_breaker.max_connections");
  checks.number(in.max_pending(), 0, kCount, "circuit_breaker.max_pending");
  checks.number(in.max_requests(), 0, kCount, "circuit_breaker.max_requests");
  checks.number(in.max_retries(), 0, kCount, "circuit_breaker.max_retries");
  out = {in.max_connections(), in.max_pending(), in.max_requests(), in.max_retries()};
  return checks.take();
}

Result<void> read(const v1::ConnectionPool& in, model::ConnectionPool& out) {
  Checks checks;
  checks.span(in.connect_timeout_ns(), "connection_pool.connect_timeout");
  checks.that(in.connect_timeout_ns() > 0, "connection_pool.connect_timeout", "must be above 0");
  checks.span(in.idle_timeout_ns(), "connection_pool.idle_timeout");
  checks.that(in.idle_timeout_ns() > 0, "connection_pool.idle_timeout", "must be above 0");
  checks.number(in.max_requests_per_connection(), 0, kCount,
                "connection_pool.max_requests_per_connection");
  out = {Duration::nanos(in.connect_timeout_ns()), Duration::nanos(in.idle_timeout_ns()),
         in.max_requests_per_connection()};
  return checks.take();
}

Result<void> read(const v1::OutlierDetection& in, model::OutlierDetection& out) {
  Checks checks;
  checks.number(in.consecutive_errors(), 0, kCount, "outlier_detection.consecutive_errors");
  checks.number(in.consecutive_gateway_errors(), 0, kCount,
                "outlier_detection.consecutive_gateway_errors");
  checks.span(in.interval_ns(), "outlier_detection.interval");
  checks.that(in.interval_ns() > 0, "outlier_detection.interval", "must be above 0");
  checks.span(in.base_ejection_ns(), "outlier_detection.base_ejection");
  checks.span(in.max_ejection_ns(), "outlier_detection.max_ejection");
  checks.number(in.max_ejection_percent(), 0, 100, "outlier_detection.max_ejection_percent");
  out.consecutive_errors = in.consecutive_errors();
  out.consecutive_gateway_errors = in.consecutive_gateway_errors();
  out.interval = Duration::nanos(in.interval_ns());
  out.base_ejection = Duration::nanos(in.base_ejection_ns());
  out.max_ejection = Duration::nanos(in.max_ejection_ns());
  out.max_ejection_percent = in.max_ejection_percent();
  if (in.has_success_rate()) {
    const auto& rate = in.success_rate();
    checks.number(rate.stdev_factor(), 0, 100'000, "outlier_detection.success_rate.stdev_factor");
    out.success_rate = {rate.min_instances(), rate.min_requests(), rate.stdev_factor()};
  }
  if (in.has_failure_percentage()) {
    const auto& share = in.failure_percentage();
    checks.number(share.threshold(), 1, 100, "outlier_detection.failure_percentage.threshold");
    out.failure_percentage = {share.threshold(), share.min_instances(), share.min_requests()};
  }
  return checks.take();
}

Result<void> read(const v1::HealthCheck& in, model::HealthCheck& out) {
  Checks checks;
  checks.number(static_cast<uint32_t>(in.kind()), 0, v1::HealthCheck::TCP, "health_check.kind");
  checks.number(in.service_port(), 0, 65535, "health_check.service_port");
  checks.string(in.path(), "health_check.path", 1024);
  checks.that(in.path().starts_with('/') && in.path().find_first_of(" \t") == std::string::npos,
              "health_check.path", "must begin with / and have no blank");
  checks.string(in.host(), "health_check.host", 256);
  checks.size(in.statuses_size(), kStatuses, "health_check.statuses");
  for (uint32_t status : in.statuses()) checks.number(status, 100, 599, "health_check.statuses");
  checks.string(in.grpc_service(), "health_check.grpc_service", 256);
  checks.span(in.interval_ns(), "health_check.interval");
  checks.that(in.interval_ns() >= Duration::millis(100).ns, "health_check.interval",
              "must be at least 100 ms");
  checks.span(in.timeout_ns(), "health_check.timeout");
  checks.that(in.timeout_ns() > 0, "health_check.timeout", "must be above 0");
  checks.number(in.jitter_percent(), 0, 100, "health_check.jitter_percent");
  checks.number(in.unhealthy_threshold(), 1, 1000, "health_check.unhealthy_threshold");
  checks.number(in.healthy_threshold(), 1, 1000, "health_check.healthy_threshold");
  if (!checks.ok()) return checks.take();
  out.kind = static_cast<model::HealthCheck::Kind>(in.kind());
  out.service_port = static_cast<uint16_t>(in.service_port());
  out.path = in.path();
  out.host = in.host();
  for (uint32_t status : in.statuses()) out.statuses.push_back(static_cast<uint16_t>(status));
  out.grpc_service = in.grpc_service();
  out.interval = Duration::nanos(in.interval_ns());
  out.timeout = Duration::nanos(in.timeout_ns());
  out.jitter_percent = in.jitter_percent();
  out.unhealthy_threshold = in.unhealthy_threshold();
  out.healthy_threshold = in.healthy_threshold();
  return {};
}

Result<void> read(const v1::Retries& in, model::Retries& out) {
  Checks checks;
  checks.number(in.attempts(), 0, 100, "retries.attempts");
  checks.number(in.conditions(), 0, 63, "retries.conditions");
  checks.size(in.statuses_size(), kStatuses, "retries.statuses");
  for (uint32_t status : in.statuses()) checks.number(status, 400, 599, "retries.statuses");
  checks.size(in.grpc_statuses_size(), kStatuses, "retries.grpc_statuses");
  for (uint32_t status : in.grpc_statuses()) checks.number(status, 1, 16, "retries.grpc_statuses");
  checks.span(in.per_try_timeout_ns(), "retries.per_try_timeout");
  checks.span(in.base_backoff_ns(), "retries.base_backoff");
  checks.span(in.max_backoff_ns(), "retries.max_backoff");
  checks.span(in.longest_retry_after_ns(), "retries.longest_retry_after");
  checks.number(in.budget_percent(), 0, 100, "retries.budget_percent");
  checks.number(in.budget_min_per_second(), 0, kCount, "retries.budget_min_per_second");
  if (!checks.ok()) return checks.take();
  out.attempts = in.attempts();
  out.conditions = static_cast<uint8_t>(in.conditions());
  out.statuses.assign(in.statuses().begin(), in.statuses().end());
  out.grpc_statuses.assign(in.grpc_statuses().begin(), in.grpc_statuses().end());
  out.any_method = in.any_method();
  out.per_try_timeout = Duration::nanos(in.per_try_timeout_ns());
  out.base_backoff = Duration::nanos(in.base_backoff_ns());
  out.max_backoff = Duration::nanos(in.max_backoff_ns());
  out.honour_retry_after = in.honour_retry_after();
  out.longest_retry_after = Duration::nanos(in.longest_retry_after_ns());
  out.budget_percent = in.budget_percent();
  out.budget_min_per_second = in.budget_min_per_second();
  return {};
}

Result<void> read(const v1::RetryConstraint& in, model::RetryConstraint& out) {
  Checks checks;
  checks.number(in.percent(), 0, 100, "retry_constraint.percent");
  checks.number(in.min_retries(), 0, kCount, "retry_constraint.min_retries");
  for (const int64_t ns : {in.interval_ns(), in.min_interval_ns()}) {
    checks.span(ns, "retry_constraint.interval");
    checks.that(ns >= Duration::millis(1).ns, "retry_constraint.interval", "must be at least 1 ms");
  }
  out = {in.percent(), Duration::nanos(in.interval_ns()), in.min_retries(),
         Duration::nanos(in.min_interval_ns())};
  return checks.take();
}

Result<void> read(const v1::SessionPersistence& in, model::SessionPersistence& out) {
  auto sessions = decode_persistence(in);
  if (!sessions) return std::unexpected(std::move(sessions.error()));
  out = std::move(*sessions);
  return {};
}

template <typename Message, typename T>
Result<void> read_said(const Message& in, model::Said<T>& out) {
  auto origin = text(in.origin(), "origin", kOriginBytes);
  if (!origin) return std::unexpected(std::move(origin.error()));
  out.origin = std::move(*origin);
  return read(in, out.value);
}

template <typename Message, typename T>
Result<void> read_section(bool there, const Message& in, std::optional<model::Said<T>>& out) {
  if (!there) return {};
  return read_said(in, out.emplace());
}

Result<void> read(const v1::RateLimit& in, model::RateLimit& out) {
  Checks checks;
  for (const std::string* name : {&in.policy(), &in.service(), &in.route(), &in.rule()}) {
    checks.string(*name, "rate_limit", 512);
  }
  checks.number(in.requests(), 0, kCount, "rate_limit.requests");
  checks.span(in.per_ns(), "rate_limit.per");
  checks.that(in.per_ns() >= Duration::millis(1).ns, "rate_limit.per", "must be at least 1 ms");
  checks.number(in.burst(), 0, kCount, "rate_limit.burst");
  checks.size(in.overrides_size(), kOverrides, "rate_limit.overrides");
  if (!checks.ok()) return checks.take();
  out.policy = in.policy();
  out.service = in.service();
  out.route = in.route();
  out.rule = in.rule();
  out.requests = in.requests();
  out.per = Duration::nanos(in.per_ns());
  out.burst = in.burst();
  for (const auto& other : in.overrides()) {
    checks.string(other.caller(), "rate_limit.overrides.caller", 2048);
    checks.number(other.requests(), 0, kCount, "rate_limit.overrides.requests");
    checks.number(other.burst(), 0, kCount, "rate_limit.overrides.burst");
    out.overrides.push_back({other.caller(), other.requests(), other.burst()});
  }
  if (!checks.ok()) return checks.take();
  return read(in.by(), "rate_limit.by", out.by);
}

Result<void> read(const v1::Inbound::Check& in, model::Inbound::Check& out) {
  auto port = port_number(in.app_port(), "check.app_port");
  if (!port) return std::unexpected(std::move(port.error()));
  auto service = text(in.service(), "check.service", 512);
  if (!service) return std::unexpected(std::move(service.error()));
  out.app_port = *port;
  out.service = std::move(*service);
  return read_said(in.check(), out.check);
}

template <typename Ptr>
Result<Ptr> at_place(const std::vector<Ptr>& table, uint32_t place, const char* field) {
  if (place == 0) return Ptr();
  if (place > table.size()) {
    return invalid(fmt::format("{}: {} of a table of {}", field, place, table.size()));
  }
  return table[place - 1];
}

}  // namespace

Result<model::BackendPolicy> decode_policy(const v1::BackendPolicy& in) {
  model::BackendPolicy out;
  Result<void> ok = read_section(in.has_load_balancing(), in.load_balancing(), out.load_balancing);
  if (ok) ok = read_section(in.has_slow_start(), in.slow_start(), out.slow_start);
  if (ok) ok = read_section(in.has_locality(), in.locality(), out.locality);
  if (ok) ok = read_section(in.has_circuit_breaker(), in.circuit_breaker(), out.circuit_breaker);
  if (ok) ok = read_section(in.has_connection_pool(), in.connection_pool(), out.connection_pool);
  if (ok) {
    ok = read_section(in.has_outlier_detection(), in.outlier_detection(), out.outlier_detection);
  }
  if (ok) ok = read_section(in.has_health_check(), in.health_check(), out.health_check);
  if (ok) ok = read_section(in.has_retries(), in.retries(), out.retries);
  if (ok) ok = read_section(in.has_retry_constraint(), in.retry_constraint(), out.retry_constraint);
  if (ok) {
    ok = read_section(in.has_session_persistence(), in.session_persistence(),
                      out.session_persistence);
  }
  if (!ok) return std::unexpected(std::move(ok.error()).context("policy"));
  return out;
}

Result<model::Fault> decode_fault(const v1::Fault& in) {
  model::Fault out;
  Checks checks;
  checks.string(in.policy(), "fault.policy", 512);
  checks.size(in.headers_size(), kHeaders, "fault.headers");
  checks.size(in.callers_size(), kCallers, "fault.callers");
  for (const std::string& caller : in.callers()) checks.string(caller, "fault.callers", 2048);
  checks.number(in.delay_share(), 0, kMillion, "fault.delay_share");
  checks.span(in.delay_ns(), "fault.delay");
  checks.number(in.abort_share(), 0, kMillion, "fault.abort_share");
  checks.that(in.abort_http_status() == 0 ||
                  (in.abort_http_status() >= 200 && in.abort_http_status() <= 599),
              "fault.abort_http_status", "must be from 200 to 599");
  checks.number(in.abort_grpc_status(), 0, 17, "fault.abort_grpc_status");
  for (const v1::StringMatch& match : in.headers()) {
    checks.that(!match.name().empty(), "fault.headers", "empty name");
    checks.string(match.name(), "fault.headers", 256);
    checks.string(match.value(), "fault.headers", match.regex() ? kRegexBytes : kTextBytes);
    if (!checks.ok()) break;
    out.headers.push_back({match.regex() ? model::StringMatch::kRegex : model::StringMatch::kExact,
                           match.name(), match.value()});
  }
  if (auto ok = checks.take(); !ok) return std::unexpected(std::move(ok.error()));
  out.policy = in.policy();
  out.expires = {in.expires_unix_ns()};
  out.callers.assign(in.callers().begin(), in.callers().end());
  out.delay_share = in.delay_share();
  out.delay = Duration::nanos(in.delay_ns());
  out.abort_share = in.abort_share();
  out.abort_http_status = static_cast<int>(in.abort_http_status());
  out.abort_grpc_status = static_cast<int>(in.abort_grpc_status()) - 1;
  out.abort_reset = in.abort_reset();
  return out;
}

Result<PolicyTables> PolicyTables::decode(
    const google::protobuf::RepeatedPtrField<v1::BackendPolicy>& policies,
    const google::protobuf::RepeatedPtrField<v1::Fault>& faults) {
  if (auto ok = within(policies.size(), kPolicies, "policies"); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  if (auto ok = within(faults.size(), kPolicies, "faults"); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  PolicyTables out;
  for (const v1::BackendPolicy& one : policies) {
    auto policy = decode_policy(one);
    if (!policy) return std::unexpected(std::move(policy.error()));
    out.policies_.push_back(std::make_shared<const model::BackendPolicy>(std::move(*policy)));
  }
  for (const v1::Fault& one : faults) {
    auto fault = decode_fault(one);
    if (!fault) return std::unexpected(std::move(fault.error()));
    out.faults_.push_back(std::make_shared<const model::Fault>(std::move(*fault)));
  }
  return out;
}

Result<model::FaultPtr> PolicyTables::fault(uint32_t place) const {
  return at_place(faults_, place, "fault");
}

template <typename From, typename To>
Result<void> PolicyTables::give_any(const From& in, To& out) const {
  auto policy = at_place(policies_, in.policy(), "rule.policy");
  if (!policy) return std::unexpected(std::move(policy.error()));
  auto fault = at_place(faults_, in.fault(), "rule.fault");
  if (!fault) return std::unexpected(std::move(fault.error()));
  auto wider = at_place(faults_, in.route_fault(), "rule.route_fault");
  if (!wider) return std::unexpected(std::move(wider.error()));
  out.policy = std::move(*policy);
  out.fault = std::move(*fault);
  out.route_fault = std::move(*wider);
  return {};
}

Result<void> PolicyTables::give(const v1::RouteRule& in, model::RouteRule& out) const {
  return give_any(in, out);
}

Result<void> PolicyTables::give(const v1::TcpRule& in, model::TcpRule& out) const {
  return give_any(in, out);
}

Result<model::Inbound> decode_inbound(const v1::Inbound& in) {
  model::Inbound out;
  auto instance = field_name(in.instance(), "instance");
  if (!instance) return std::unexpected(std::move(instance.error()));
  out.instance = std::move(*instance);
  if (auto ok = within(in.rate_limits_size(), kLimits, "rate_limits"); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  for (const v1::RateLimit& limit : in.rate_limits()) {
    if (auto ok = read(limit, out.rate_limits.emplace_back()); !ok) {
      return std::unexpected(std::move(ok.error()));
    }
  }
  if (auto ok = within(in.checks_size(), kChecks, "checks"); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  for (const v1::Inbound::Check& check : in.checks()) {
    if (auto ok = read(check, out.checks.emplace_back()); !ok) {
      return std::unexpected(std::move(ok.error()));
    }
  }
  return out;
}

}  // namespace weft::xds
