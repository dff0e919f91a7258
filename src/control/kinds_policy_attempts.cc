// Sections of a BackendPolicy about attempts: health checks and retries.
#include <fmt/format.h>

#include <utility>

#include "control/kinds_policy.h"
#include "control/kinds_policy_sections.h"
#include "control/kinds_refs.h"

namespace weft::control {
namespace {

// --- healthCheck ---

constexpr const char* kCheckTypes[] = {"HTTP", "GRPC", "TCP"};

void check_fields_fit(const Node& node, const Report& report) {
  const std::string_view type = node.text_of("type");
  if (type.empty()) return;  // reported
  for (const auto& [field, of] :
       {std::pair("path", "HTTP"), std::pair("host", "HTTP"), std::pair("statuses", "HTTP"),
        std::pair("grpcService", "GRPC")}) {
    const Node* value = node.find(field);
    if (value && type != of) {
      report(value->at, field, fmt::format("does not belong to type {}", type),
             fmt::format("it is for {}", of));
    }
  }
}
void checks_do_not_overlap(const Node& node, const Report& report) {
  const Node* timeout = node.find("timeout");
  if (!timeout || duration_of(node, "timeout") <= duration_of(node, "interval")) return;
  report(timeout->at, "timeout", "longer than interval", "at most as long");
}
void interval_is_not_tiny(const Node& value, const Report& report) {
  kSomeTime[0].check(value, report);
  Node parent = Node::map();
  parent.add("interval", value);
  const Duration time = duration_of(parent, "interval");
  if (time.ns > 0 && time < Duration::millis(100)) {
    report(value.at, "", fmt::format("{} is shorter than 100ms", value.text), "for example 10s");
  }
}
void path_begins_with_slash(const Node& value, const Report& report) {
  if (value.text.starts_with('/')) return;
  report(value.at, "", fmt::format("'{}' does not begin with '/'", value.text),
         fmt::format("did you mean '/{}'?", value.text));
}
constexpr Rule kHealthCheckRules[] = {
    {"path, host and statuses are for HTTP, grpcService for GRPC.", check_fields_fit},
    {"timeout is at most interval.", checks_do_not_overlap}};
constexpr Rule kIntervalRules[] = {{"From 100ms to 24h.", interval_is_not_tiny}};
constexpr Rule kPathRules[] = {{"Begins with '/'.", path_begins_with_slash}};

const char* default_path(const Node& node) {
  return node.text_of("type") == "HTTP" ? "\"/\"" : nullptr;
}
// A check that is made more often than every second has as long as until the next.
const char* default_timeout(const Node& node) {
  const bool often = node.find("interval") && duration_of(node, "interval") < Duration::seconds(1);
  return often ? nullptr : "\"1s\"";
}
constexpr Field timeout_field() {
  Field field = duration_field("timeout",
                               "A check without an answer by then has failed; `1s`, or the "
                               "interval if that is shorter, when left out.",
                               nullptr);
  field.default_when = default_timeout;
  return field;
}
constexpr Field kHealthCheckFields[] = {
    {.name = "type",
     .type = FieldType::kEnum,
     .description = "HTTP: a GET with a good status. GRPC: grpc.health.v1.Health/Check says "
                    "SERVING. TCP: the port accepts a connection.",
     .required = true,
     .values = kCheckTypes},
    port_field("Port of the Service; without it each of its ports."),
    {.name = "path",
     .type = FieldType::kString,
     .description = "What HTTP gets; `/` when left out.",
     .min = 1,
     .max = 1024,
     .format = &kPathCharacters,
     .rules = kPathRules,
     .default_when = default_path},
    {.name = "host",
     .type = FieldType::kString,
     .description = "Host of the HTTP request; the Service's name when left out.",
     .min = 1,
     .max = 253,
     .format = &kPreciseHostname},
    {.name = "statuses",
     .type = FieldType::kIntegerList,
     .description = "Good HTTP statuses; 200 to 299 when left out.",
     .min = 100,
     .max = 599,
     .distinct = true},
    {.name = "grpcService",
     .type = FieldType::kString,
     .description = "Service that GRPC asks about; the whole server when left out.",
     .min = 1,
     .max = 256,
     .format = &kHeaderValue},
    duration_field("interval", "From one check to the next.", "\"10s\"", kIntervalRules),
    timeout_field(),
    number_field("jitterPercent",
                 "The interval varies by up to so much, so that checks of many instances do not "
                 "fall together.",
                 "10", 0, 100, "%"),
    number_field("unhealthyThreshold", "Failed checks in a row until the instance is not ready.",
                 "3", 1, 100),
    number_field("healthyThreshold", "Good checks in a row until it is ready again.", "1", 1, 100),
};

// --- retries ---

constexpr std::pair<const char*, model::Retries::Condition> kConditions[] = {
    {"ConnectFailure", model::Retries::kConnectFailure},
    {"Reset", model::Retries::kReset},
    {"GatewayError", model::Retries::kGatewayError},
    {"ServerError", model::Retries::kServerError},
    {"RateLimited", model::Retries::kRateLimited},
    {"Timeout", model::Retries::kTimeout}};
constexpr const char* kConditionNames[] = {"ConnectFailure", "Reset",       "GatewayError",
                                           "ServerError",    "RateLimited", "Timeout"};
void backoff_grows(const Node& node, const Report& report) {
  const Node* most = node.find("max");
  if (!most || duration_of(node, "max") >= duration_of(node, "base")) return;
  report(most->at, "max", "shorter than base", "at least as long");
}
constexpr Rule kBackoffRules[] = {{"max is at least base.", backoff_grows}};
constexpr Field kBackoffFields[] = {
    duration_field("base", "Bound of the first wait; it doubles with each.", "\"25ms\""),
    duration_field("max", "Bound of any wait.", "\"250ms\""),
};
const Schema kBackoff{"backoff", "The wait before a retry: a random time below a bound.",
                      kBackoffFields, kBackoffRules};

constexpr Field kRetryAfterFields[] = {
    {.name = "honour",
     .type = FieldType::kBoolean,
     .description = "Wait as long as a response's Retry-After says.",
     .default_value = "true"},
    duration_field("longest", "A longer one is not waited for: there is no retry.", "\"10s\""),
};
const Schema kRetryAfter{"retryAfter", "What a response asks for.", kRetryAfterFields};

constexpr Field kBudgetFields[] = {
    number_field("percent",
                 "Retries are at most so many percent of the requests, in any 10 s or more.", "20",
                 0, 100, "%"),
    number_field("minPerSecond",
                 "So many more are allowed a second, and those of ten seconds at once.", "10", 0,
                 1'000'000),
};
const Schema kBudget{"budget", "How many retries there may be in all, of one calling sidecar.",
                     kBudgetFields};

constexpr Field kRetriesFields[] = {
    number_field("attempts", "Tries beyond the first; 0: none.", "2", 0, 10),
    {.name = "conditions",
     .type = FieldType::kEnumList,
     .description =
         "ConnectFailure: nothing was sent. Reset: no answer came. GatewayError: 502, 503, 504. "
         "ServerError: any 5xx. RateLimited: 429, RESOURCE_EXHAUSTED. Timeout: of one try. What is "
         "provably unprocessed is tried again in any case.",
     .default_value = "[ConnectFailure, Reset, GatewayError]",
     .max = 6,
     .values = kConditionNames,
     .distinct = true},
    {.name = "statuses",
     .type = FieldType::kIntegerList,
     .description = "Further HTTP statuses to try again.",
     .min = 400,
     .max = 599,
     .distinct = true},
    {.name = "grpcStatuses",
     .type = FieldType::kEnumList,
     .description = "gRPC statuses to try again.",
     .max = 16,
     .values = kGrpcFailures,
     .distinct = true},
    {.name = "anyMethod",
     .type = FieldType::kBoolean,
     .description = "Also methods that are not idempotent (POST, PATCH), although the app may have "
                    "seen the first try.",
     .default_value = "false"},
    duration_field("perTryTimeout", "For each try; 0s: none.", "\"0s\"", kUpToADay),
    {.name = "backoff",
     .type = FieldType::kObject,
     .description = "The wait before a retry: a random time below a bound.",
     .default_value = "{}",
     .object = &kBackoff},
    {.name = "retryAfter",
     .type = FieldType::kObject,
     .description = "What a response asks for.",
     .default_value = "{}",
     .object = &kRetryAfter},
    {.name = "budget",
     .type = FieldType::kObject,
     .description = "How many retries there may be in all, of one calling sidecar.",
     .default_value = "{}",
     .object = &kBudget},
};

const Node& part(const Node& node, const char* name) {
  static const Node kNone = Node::map();
  const Node* found = node.find(name);
  return found ? *found : kNone;
}

}  // namespace

const Schema kHealthCheckSchema{"healthCheck", "Checks of an instance by its own sidecar.",
                                kHealthCheckFields, kHealthCheckRules};
const Schema kRetriesSchema{"retries", "What is tried again.", kRetriesFields};

model::HealthCheck read_health_check(const Node& node) {
  model::HealthCheck out;
  const std::string_view type = node.text_of("type");
  out.kind = type == "HTTP"   ? model::HealthCheck::kHttp
             : type == "GRPC" ? model::HealthCheck::kGrpc
                              : model::HealthCheck::kTcp;
  out.service_port = static_cast<uint16_t>(number_of(node, "port"));
  if (const Node* path = node.find("path")) out.path = path->text;
  out.host = node.text_of("host");
  for (const Node& status : items_of(node, "statuses")) {
    out.statuses.push_back(static_cast<uint16_t>(status.number));
  }
  out.grpc_service = node.text_of("grpcService");
  out.interval = duration_of(node, "interval");
  out.timeout = node.find("timeout") ? duration_of(node, "timeout") : out.interval;
  out.jitter_percent = number_of(node, "jitterPercent");
  out.unhealthy_threshold = number_of(node, "unhealthyThreshold");
  out.healthy_threshold = number_of(node, "healthyThreshold");
  return out;
}

model::Retries read_retries(const Node& node) {
  model::Retries out;
  out.attempts = number_of(node, "attempts");
  out.conditions = 0;
  for (const std::string& name : texts_of(node, "conditions")) {
    for (const auto& [known, condition] : kConditions) {
      if (name == known) out.conditions |= condition;
    }
  }
  for (const Node& status : items_of(node, "statuses")) {
    out.statuses.push_back(static_cast<int>(status.number));
  }
  for (const std::string& name : texts_of(node, "grpcStatuses")) {
    out.grpc_statuses.push_back(grpc_code(name));
  }
  out.any_method = flag_of(node, "anyMethod");
  out.per_try_timeout = duration_of(node, "perTryTimeout");
  const Node& backoff = part(node, "backoff");
  out.base_backoff = duration_of(backoff, "base");
  out.max_backoff = duration_of(backoff, "max");
  const Node& retry_after = part(node, "retryAfter");
  out.honour_retry_after = flag_of(retry_after, "honour");
  out.longest_retry_after = duration_of(retry_after, "longest");
  const Node& budget = part(node, "budget");
  out.budget_percent = number_of(budget, "percent");
  out.budget_min_per_second = number_of(budget, "minPerSecond");
  return out;
}

}  // namespace weft::control
