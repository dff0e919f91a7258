// XBackendTrafficPolicy (gateway.networking.x-k8s.io/v1alpha1, Gateway API v1.6, experimental): how many retries a
// Service takes, and sessions with its instances. Limits, defaults and rules are the CRD's.
#include <fmt/format.h>

#include "control/duration.h"
#include "control/kinds.h"
#include "control/kinds_policy.h"
#include "control/kinds_refs.h"
#include "control/kinds_route.h"

namespace weft::control {
namespace {

constexpr const char* kTargetKeys[] = {"group", "kind", "name"};
constexpr Field kTargetFields[] = {group_field(nullptr), kind_field(nullptr), name_field()};
const Schema kTarget{"a targetRef", "What the policy is for.", kTargetFields};

void between(const Node& value, const Report& report, bool fits, const char* range) {
  if (fits) return;
  report(value.at, "", fmt::format("{} is out of range: {}", value.text, range));
}
void budget_interval_fits(const Node& value, const Report& report) {
  const Duration time = parse_gateway_duration(value.text).value_or(Duration::seconds(1));
  between(value, report, time >= Duration::seconds(1) && time <= Duration::hours(1), "1s to 1h");
}
void rate_interval_fits(const Node& value, const Report& report) {
  const Duration time = parse_gateway_duration(value.text).value_or(Duration::seconds(1));
  between(value, report, time.ns > 0 && time <= Duration::hours(1), "longer than 0s, at most 1h");
}
constexpr Rule kBudgetInterval[] = {{"From 1s to 1h.", budget_interval_fits}};
constexpr Rule kRateInterval[] = {{"Longer than 0s, at most 1h.", rate_interval_fits}};

constexpr Field kBudgetFields[] = {
    number_field("percent", "Retries are at most so many percent of the requests of the interval.",
                 "20", 0, 100, "%"),
    duration_field("interval", "How long requests and retries count.", "\"10s\"", kBudgetInterval),
};
const Schema kBudget{"budget", "Retries by the number of requests.", kBudgetFields};

constexpr Field kRateFields[] = {
    number_field("count", "So many retries in each interval; 10 when left out.", nullptr, 1,
                 1'000'000),
    duration_field("interval",
                   "1s when left out. At least one retry is granted in an interval of the budget.",
                   nullptr, kRateInterval),
};
const Schema kRate{"minRetryRate", "Retries that are always allowed.", kRateFields};

constexpr Field kConstraintFields[] = {
    {.name = "budget",
     .type = FieldType::kObject,
     .description = "Retries by the number of requests.",
     .default_value = R"({"percent": 20, "interval": "10s"})",
     .object = &kBudget},
    {.name = "minRetryRate",
     .type = FieldType::kObject,
     .description = "Retries that are allowed beside the budget, for times of little traffic.",
     .default_value = R"({"count": 10, "interval": "1s"})",
     .object = &kRate},
};
const Schema kConstraint{"retryConstraint", "How many retries there may be in all.",
                         kConstraintFields};

constexpr Field kSpecFields[] = {
    {.name = "targetRefs",
     .type = FieldType::kObjectList,
     .description = "Services of the policy's namespace.",
     .required = true,
     .min = 1,
     .max = 16,
     .object = &kTarget,
     .keys = kTargetKeys},
    {.name = "retryConstraint",
     .type = FieldType::kObject,
     .description =
         "How many retries there may be in all, of one calling sidecar. What it refuses "
         "gets 503. It is the budget whatever a BackendPolicy says of one; what is tried "
         "again at all, routes and BackendPolicies say.",
     .object = &kConstraint},
    {.name = "sessionPersistence",
     .type = FieldType::kObject,
     .description =
         "Keep a client on one instance of the Service; a route's own sessionPersistence "
         "comes before it.",
     .object = &kSessionPersistenceSchema},
};
constexpr Schema kSpec{"an XBackendTrafficPolicy's spec", "How traffic to a Service is handled.",
                       kSpecFields};
constexpr auto kDocumentFields = document_fields("gateway.networking.x-k8s.io/v1alpha1",
                                                 "XBackendTrafficPolicy", kNamedMetadata, kSpec);

model::RetryConstraint read_constraint(const Node& node) {
  const Node& budget = *node.find("budget");
  const Node& rate = *node.find("minRetryRate");
  model::RetryConstraint out;
  out.percent = number_of(budget, "percent");
  out.interval = duration_of(budget, "interval");
  if (rate.find("count")) out.min_retries = number_of(rate, "count");
  if (rate.find("interval")) out.min_interval = duration_of(rate, "interval");
  return out;
}

}  // namespace

const Schema kTrafficPolicyDocument{
    "XBackendTrafficPolicy",
    "How many retries a Service takes from a caller, and sessions with its instances, whichever "
    "route sends there. Of the Gateway API's experimental channel.",
    kDocumentFields};

void read_traffic_policy(const Node& document, std::string_view file, Object& object,
                         Problems& problems) {
  const Node& spec = *document.find("spec");
  TrafficPolicySpec out{.targets = read_targets(spec), .constraint = {}, .sessions = {}};
  if (const Node* constraint = spec.find("retryConstraint")) {
    out.constraint = read_constraint(*constraint);
  }
  if (const Node* sessions = spec.find("sessionPersistence")) {
    RouteReading reading(file, object, problems);
    out.sessions = reading.sessions(*sessions, "spec.sessionPersistence");
  }
  object.spec = std::move(out);
}

}  // namespace weft::control
