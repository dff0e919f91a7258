// The sections of BackendPolicies that are in force for one backend, by the function that the request path uses
// (model/policy_section.h). A section comes whole from one object, so that object is the origin of all its values; a
// section that nobody wrote is shown with what holds then.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/policy_section.h"
#include "proxy/explain.h"
#include "steer/retry.h"

namespace weft::proxy {
namespace {

using Values = std::vector<Explanation::Value>;

std::string number(uint32_t value, const char* zero = "none") {
  return value == 0 ? zero : std::to_string(value);
}

std::string algorithm_text(model::LoadBalancing::Algorithm algorithm) {
  switch (algorithm) {
    case model::LoadBalancing::kPeakEwma: return "PeakEwma";
    case model::LoadBalancing::kLeastRequest: return "LeastRequest";
    case model::LoadBalancing::kRoundRobin: return "RoundRobin";
    case model::LoadBalancing::kRandom: return "Random";
    case model::LoadBalancing::kRingHash: return "RingHash";
    case model::LoadBalancing::kMaglev: return "Maglev";
  }
  return "";
}

std::string conditions_text(uint8_t conditions) {
  std::vector<std::string> names;
  for (const auto& [bit, name] : {std::pair(model::Retries::kConnectFailure, "ConnectFailure"),
                                  std::pair(model::Retries::kReset, "Reset"),
                                  std::pair(model::Retries::kGatewayError, "GatewayError"),
                                  std::pair(model::Retries::kServerError, "ServerError"),
                                  std::pair(model::Retries::kRateLimited, "RateLimited"),
                                  std::pair(model::Retries::kTimeout, "Timeout")}) {
    if ((conditions & bit) != 0) names.emplace_back(name);
  }
  return names.empty() ? "none" : join(names, ", ");
}

std::string numbers_text(const std::vector<int>* numbers) {
  if (!numbers || numbers->empty()) return "none";
  return fmt::format("{}", fmt::join(*numbers, ", "));
}

// Each value of a section as {name, text}; the origin is put by the caller.
Values values_of(const model::LoadBalancing& section) {
  Values values{{"algorithm", algorithm_text(section.algorithm), ""}};
  for (const model::RequestKey& key : section.hash_by)
    values.push_back({"hashBy", readable(key), ""});
  if (!section.hash_by.empty()) {
    values.push_back({"boundedLoadPercent", number(section.bounded_load_percent), ""});
  }
  return values;
}

Values values_of(const model::SlowStart& section) {
  return {{"window", readable(section.window), ""},
          {"aggression", fmt::format("{:g}", section.aggression), ""},
          {"minPercent", std::to_string(section.min_percent), ""}};
}

Values values_of(const model::Locality& section) {
  return {{"sameZoneFirst", section.same_zone_first ? "true" : "false", ""},
          {"failover", section.failover.empty() ? "none" : join(section.failover, ", "), ""},
          {"overprovisioningPercent", std::to_string(section.overprovisioning_percent), ""},
          {"panicPercent", std::to_string(section.panic_percent), ""}};
}

Values values_of(const model::CircuitBreaker& section) {
  return {{"maxConnections", number(section.max_connections), ""},
          {"maxPendingRequests", number(section.max_pending), ""},
          {"maxRequests", number(section.max_requests), ""},
          {"maxRetries", number(section.max_retries), ""}};
}

Values values_of(const model::ConnectionPool& section) {
  return {{"connectTimeout", readable(section.connect_timeout), ""},
          {"idleTimeout", readable(section.idle_timeout), ""},
          {"maxRequestsPerConnection", number(section.max_requests_per_connection), ""}};
}

Values values_of(const model::OutlierDetection& section) {
  Values values{{"consecutiveErrors", number(section.consecutive_errors, "off"), ""},
                {"consecutiveGatewayErrors", number(section.consecutive_gateway_errors, "off"), ""},
                {"interval", readable(section.interval), ""},
                {"baseEjection", readable(section.base_ejection), ""},
                {"maxEjection", readable(section.max_ejection), ""},
                {"maxEjectionPercent", std::to_string(section.max_ejection_percent), ""}};
  values.push_back(
      {"successRate",
       section.success_rate
           ? fmt::format("below the mean by {:g} standard deviations, from {} "
                         "instances with {} requests",
                         section.success_rate->stdev_factor / 1000.0,
                         section.success_rate->min_instances, section.success_rate->min_requests)
           : "off",
       ""});
  values.push_back({"failurePercentage",
                    section.failure_percentage
                        ? fmt::format("{}, from {} instances with {} requests",
                                      section.failure_percentage->threshold,
                                      section.failure_percentage->min_instances,
                                      section.failure_percentage->min_requests)
                        : "off",
                    ""});
  return values;
}

Values values_of(const model::HealthCheck& section) {
  Values values{{"type",
                 section.kind == model::HealthCheck::kHttp   ? "HTTP"
                 : section.kind == model::HealthCheck::kGrpc ? "GRPC"
                                                             : "TCP",
                 ""}};
  if (section.kind == model::HealthCheck::kHttp) values.push_back({"path", section.path, ""});
  values.push_back({"interval", readable(section.interval), ""});
  values.push_back({"timeout", readable(section.timeout), ""});
  values.push_back({"unhealthyThreshold", std::to_string(section.unhealthy_threshold), ""});
  values.push_back({"healthyThreshold", std::to_string(section.healthy_threshold), ""});
  return values;
}

Values values_of(const steer::RetryRules& rules) {
  return {
      {"attempts", std::to_string(rules.attempts), ""},
      {"conditions", conditions_text(rules.conditions), ""},
      {"statuses", numbers_text(rules.statuses), ""},
      {"grpcStatuses", numbers_text(rules.grpc_statuses), ""},
      {"anyMethod", rules.any_method ? "true" : "false", ""},
      {"perTryTimeout", readable(rules.per_try_timeout), ""},
      {"backoff.base", readable(rules.base_backoff), ""},
      {"backoff.max", readable(rules.max_backoff), ""},
      {"retryAfter.longest",
       rules.longest_retry_after ? readable(*rules.longest_retry_after) : "not heeded", ""},
      {"budget.percent", std::to_string(rules.budget.percent), ""},
      {"budget.interval", readable(rules.budget.interval), ""},
      {"budget.least",
       fmt::format("{} in {}", rules.budget.min_retries, readable(rules.budget.min_interval)), ""}};
}

}  // namespace

template <typename Section>
void Explainer::section(const char* stage, const Terms& terms,
                        std::optional<model::Said<Section>> model::BackendPolicy::* which,
                        const std::string& unsaid) {
  const auto* said = model::section(terms.rule, terms.service, which);
  Explanation::Step& step = out_.step(stage, said ? said->origin : "", said ? "" : unsaid);
  if (!said) return;
  step.says = "for " + terms.backend;
  const Values defaults = values_of(Section{});
  for (Explanation::Value& value : step.values = values_of(said->value)) {
    const bool is_default = std::ranges::any_of(defaults, [&](const Explanation::Value& other) {
      return other.name == value.name && other.value == value.value;
    });
    if (!is_default) value.origin = said->origin;
  }
}

void Explainer::retries(const Terms& terms) {
  const auto* said = model::section(terms.rule, terms.service, &model::BackendPolicy::retries);
  const model::Retries* policy = said ? &said->value : nullptr;
  const auto* constraint =
      model::section(nullptr, terms.service, &model::BackendPolicy::retry_constraint);
  const steer::RetryRules rules =
      steer::RetryRules::of(terms.retry, policy, constraint ? &constraint->value : nullptr);
  if (!said && !terms.retry) {
    out_.step("retries", "",
              "none by policy; what was provably never processed is tried again elsewhere, at most "
              "5 times (default)");
    return;
  }
  const std::string by_policy = said ? said->origin : "";
  Explanation::Step& step =
      out_.step("retries", terms.retry ? terms.retry_origin : by_policy, "for " + terms.backend);
  step.values = values_of(rules);
  const model::Retries unsaid;
  const Values defaults = values_of(steer::RetryRules::of(nullptr, &unsaid));
  for (size_t i = 0; i < defaults.size(); ++i) {
    Explanation::Value& value = step.values[i];
    const bool of_route =
        terms.retry && (value.name == "attempts" || value.name.starts_with("backoff") ||
                        (value.name == "statuses" && !terms.retry->codes.empty()));
    if (of_route) {
      value.origin = terms.retry_origin;
    } else if (constraint && value.name.starts_with("budget")) {
      value.origin = constraint->origin;
    } else if (value.value != defaults[i].value) {
      value.origin = by_policy;
    }
  }
  if (terms.state) {
    const Duration interval = rules.budget.interval;
    step.notes.push_back(fmt::format("in the last {}: {} requests that count, {} retries",
                                     readable(interval),
                                     terms.state->retry_budget.requests(now_, interval),
                                     terms.state->retry_budget.retries(now_, interval)));
  }
}

void Explainer::policies(const std::string& backend, const EndpointGroup& group) {
  using model::BackendPolicy;
  const Terms terms{.backend = backend,
                    .rule = rule_policy_,
                    .service = group.policy.get(),
                    .retry = rule_ && rule_->retry ? &*rule_->retry : nullptr,
                    .retry_origin = rule_ ? origin_of(*rule_) : "",
                    .state = group.state.get()};
  retries(terms);
  section("balancing", terms, &BackendPolicy::load_balancing, "PeakEwma (default)");
  section("slow start", terms, &BackendPolicy::slow_start, "none (default)");
  section("locality", terms, &BackendPolicy::locality,
          "the own zone first, spilling over by capacity (default)");
  section("breaker", terms, &BackendPolicy::circuit_breaker,
          "the sidecar's own bounds: 256 connections to one instance, 10000 requests that wait for "
          "one (default)");
  if (terms.state && model::section(terms.rule, terms.service, &BackendPolicy::circuit_breaker)) {
    const steer::Breaker& breaker = terms.state->breaker;
    using What = steer::Breaker::What;
    out_.steps.back().notes.push_back(fmt::format(
        "now: {} connections, {} waiting, {} requests, {} retries", breaker.now(What::kConnections),
        breaker.now(What::kPending), breaker.now(What::kRequests), breaker.now(What::kRetries)));
  }
  section("pool", terms, &BackendPolicy::connection_pool,
          "connectTimeout 2s, idleTimeout 90s (default)");
  section("outliers", terms, &BackendPolicy::outlier_detection,
          "none by policy; an instance that refuses or breaks off rests for a moment (default)");
  section("health", terms, &BackendPolicy::health_check,
          "its own sidecar sees whether its port accepts (default)");
}

}  // namespace weft::proxy
