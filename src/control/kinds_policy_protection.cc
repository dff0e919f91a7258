// Sections of a BackendPolicy that keep callers and instances from harm.
#include "control/kinds_policy.h"
#include "control/kinds_policy_sections.h"
#include "control/kinds_refs.h"

namespace weft::control {
namespace {

constexpr int64_t kMost = 1'000'000;

// --- circuitBreaker ---

void something_is_bounded(const Node& node, const Report& report) {
  if (!node.entries.empty()) return;
  report(node.at, "", "bounds nothing",
         "fields: maxConnections, maxPendingRequests, maxRequests, maxRetries");
}
constexpr Rule kCircuitBreakerRules[] = {{"At least one bound is there.", something_is_bounded}};
constexpr Field kCircuitBreakerFields[] = {
    number_field("maxConnections", "Connections. Left out: 256 to each instance.", nullptr, 1,
                 kMost),
    number_field("maxPendingRequests",
                 "Requests that wait for a connection. Left out: 10 000 to each instance.", nullptr,
                 1, kMost),
    number_field("maxRequests", "Requests in flight. Left out: no bound of its own.", nullptr, 1,
                 kMost),
    number_field("maxRetries", "Retries in flight. Left out: the retry budget alone.", nullptr, 1,
                 kMost),
};

// --- connectionPool ---

constexpr Field kConnectionPoolFields[] = {
    duration_field("connectTimeout", "For a connection and its TLS handshake.", "\"2s\""),
    duration_field("idleTimeout", "A connection without requests is closed after so long.",
                   "\"90s\""),
    number_field("maxRequestsPerConnection",
                 "Then a connection is replaced. Left out: it carries any number.", nullptr, 1,
                 kMost),
};

// --- outlierDetection ---

constexpr Field kSuccessRateFields[] = {
    number_field("minInstances", "Instances with enough requests, or nothing is compared.", "5", 1,
                 10'000),
    number_field("minRequests", "Of an instance within an interval, to be compared.", "100", 1,
                 kMost),
    {.name = "stdevFactor",
     .type = FieldType::kDecimal,
     .description = "Out is whose success rate is below the mean by more than so many standard "
                    "deviations.",
     .default_value = "1.9",
     .min = 0,
     .max = 100,
     .decimals = 3},
};
const Schema kSuccessRate{"successRate", "Instances compared with each other.", kSuccessRateFields};

constexpr Field kFailurePercentageFields[] = {
    number_field("threshold", "Out is who fails at least so many percent.", "85", 1, 100, "%"),
    number_field("minInstances", "Instances with enough requests, or nobody is out by this.", "5",
                 1, 10'000),
    number_field("minRequests", "Of an instance within an interval, to be judged.", "50", 1, kMost),
};
const Schema kFailurePercentage{"failurePercentage", "Instances by their share of failures.",
                                kFailurePercentageFields};

void somebody_may_go(const Node& node, const Report& report) {
  const bool counts =
      number_of(node, "consecutiveErrors") != 0 || number_of(node, "consecutiveGatewayErrors") != 0;
  if (counts || node.find("successRate") || node.find("failurePercentage")) return;
  report(node.at, "", "detects nothing",
         "set consecutiveErrors, consecutiveGatewayErrors, successRate or failurePercentage");
}
void ejections_grow(const Node& node, const Report& report) {
  const Node* most = node.find("maxEjection");
  if (!most || duration_of(node, "maxEjection") >= duration_of(node, "baseEjection")) return;
  report(most->at, "maxEjection", "shorter than baseEjection", "at least as long");
}
constexpr Rule kOutlierRules[] = {{"At least one detector is on.", somebody_may_go},
                                  {"maxEjection is at least baseEjection.", ejections_grow}};
constexpr Field kOutlierFields[] = {
    number_field("consecutiveErrors",
                 "Out after so many in a row of 5xx and failures without an answer; 0: never.", "5",
                 0, kMost),
    number_field("consecutiveGatewayErrors",
                 "The same, of 502, 503, 504 and failures without an answer only; 0: never.", "0",
                 0, kMost),
    duration_field("interval", "How often rates are looked at.", "\"10s\""),
    duration_field("baseEjection", "Out for so long, times the number of times in succession.",
                   "\"30s\""),
    duration_field("maxEjection", "Never longer than this.", "\"5m\""),
    number_field(
        "maxEjectionPercent",
        "Never more than this share of the instances, but one may always go if there are two.",
        "10", 0, 100, "%"),
    {.name = "successRate",
     .type = FieldType::kObject,
     .description = "Instances compared with each other. Left out: they are not.",
     .object = &kSuccessRate},
    {.name = "failurePercentage",
     .type = FieldType::kObject,
     .description = "Instances by their share of failures. Left out: not by that.",
     .object = &kFailurePercentage},
};

}  // namespace

const Schema kCircuitBreakerSchema{"circuitBreaker", "Bounds of a calling sidecar.",
                                   kCircuitBreakerFields, kCircuitBreakerRules};
const Schema kConnectionPoolSchema{"connectionPool", "Connections to instances.",
                                   kConnectionPoolFields};
const Schema kOutlierDetectionSchema{"outlierDetection", "Instances that fail are left out.",
                                     kOutlierFields, kOutlierRules};

model::CircuitBreaker read_circuit_breaker(const Node& node) {
  return {.max_connections = number_of(node, "maxConnections"),
          .max_pending = number_of(node, "maxPendingRequests"),
          .max_requests = number_of(node, "maxRequests"),
          .max_retries = number_of(node, "maxRetries")};
}

model::ConnectionPool read_connection_pool(const Node& node) {
  return {.connect_timeout = duration_of(node, "connectTimeout"),
          .idle_timeout = duration_of(node, "idleTimeout"),
          .max_requests_per_connection = number_of(node, "maxRequestsPerConnection")};
}

model::OutlierDetection read_outlier_detection(const Node& node) {
  model::OutlierDetection out;
  out.consecutive_errors = number_of(node, "consecutiveErrors");
  out.consecutive_gateway_errors = number_of(node, "consecutiveGatewayErrors");
  out.interval = duration_of(node, "interval");
  out.base_ejection = duration_of(node, "baseEjection");
  out.max_ejection = duration_of(node, "maxEjection");
  out.max_ejection_percent = number_of(node, "maxEjectionPercent");
  if (const Node* rate = node.find("successRate")) {
    out.success_rate = {.min_instances = number_of(*rate, "minInstances"),
                        .min_requests = number_of(*rate, "minRequests"),
                        .stdev_factor = static_cast<uint32_t>(scaled_of(*rate, "stdevFactor", 3))};
  }
  if (const Node* share = node.find("failurePercentage")) {
    out.failure_percentage = {.threshold = number_of(*share, "threshold"),
                              .min_instances = number_of(*share, "minInstances"),
                              .min_requests = number_of(*share, "minRequests")};
  }
  return out;
}

}  // namespace weft::control
