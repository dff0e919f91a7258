// The table of HTTPRoute (gateway.networking.k8s.io/v1, v1.6): limits, defaults and rules are the CRD's.
#include "control/duration.h"
#include "control/kinds.h"
#include "control/kinds_http_route.h"

namespace weft::control {
namespace {

constexpr Field kBackendFields[] = {
    group_field("\"\""),
    kind_field("\"Service\""),
    name_field(),
    namespace_field("Namespace of the backend; the route's own when left out. Another one needs a "
                    "ReferenceGrant there."),
    port_field("Port of the Service; required for a Service."),
    weight_field(),
    {.name = "filters",
     .type = FieldType::kObjectList,
     .description = "Filters for requests that go to this backend.",
     .max = 16,
     .object = &kHttpBackendFilterSchema,
     .rules = kFilterListRules},
};
const Schema kBackend{"a backendRef", "Where requests go.", kBackendFields, kBackendPortRule};

void try_fits_request(const Node& timeouts, const Report& report) {
  const auto request = parse_gateway_duration(timeouts.text_of("request"));
  const auto backend = parse_gateway_duration(timeouts.text_of("backendRequest"));
  if (!request || !backend || request->ns == 0 || *backend <= *request) return;
  report(timeouts.find("backendRequest")->at, "backendRequest",
         std::string(timeouts.text_of("backendRequest")) + " is longer than the request timeout " +
             std::string(timeouts.text_of("request")),
         "a try cannot outlast the whole request");
}
constexpr Rule kTimeoutRules[] = {
    {"backendRequest is not longer than request, unless that is 0s.", try_fits_request}};
constexpr Field kTimeoutFields[] = {
    {.name = "request",
     .type = FieldType::kString,
     .description =
         "From the request's arrival to the response's end, retries included; 0s is none.",
     .min = 1,
     .format = &kGatewayDuration,
     .unit = "duration"},
    {.name = "backendRequest",
     .type = FieldType::kString,
     .description = "For each try; 0s is none. Not longer than `request`.",
     .min = 1,
     .format = &kGatewayDuration,
     .unit = "duration"},
};
const Schema kTimeouts{"timeouts", "How long things may take.", kTimeoutFields, kTimeoutRules};

constexpr Field kRetryFields[] = {
    {.name = "codes",
     .type = FieldType::kIntegerList,
     .description =
         "Response statuses after which a request of any method is tried again, in place of "
         "what a BackendPolicy says of statuses. Failures without an answer are tried again "
         "in any case, of idempotent methods.",
     .min = 400,
     .max = 599,
     .distinct = true},
    {.name = "attempts",
     .type = FieldType::kInteger,
     .description = "How often to try again after the first try; Weft carries out at most 10.",
     .default_value = "1",
     .min = 1,
     .max = 1'000'000'000},
    {.name = "backoff",
     .type = FieldType::kString,
     .description =
         "Base of the wait before trying again; the wait is random, up to ten times as long.",
     .default_value = "\"25ms\"",
     .min = 1,
     .format = &kGatewayDuration,
     .unit = "duration"},
};
const Schema kRetry{"retry", "When and how to try again.", kRetryFields};

constexpr Field kRuleFields[] = {
    rule_name_field(),
    {.name = "matches",
     .type = FieldType::kObjectList,
     .description = "The rule applies when one of them holds.",
     .default_value = R"([{"path": {"type": "PathPrefix", "value": "/"}}])",
     .max = 64,
     .object = &kHttpMatchSchema},
    {.name = "filters",
     .type = FieldType::kObjectList,
     .description = "Changes to requests and responses.",
     .max = 16,
     .object = &kHttpFilterSchema,
     .rules = kFilterListRules},
    {.name = "backendRefs",
     .type = FieldType::kObjectList,
     .description =
         "Services that share the traffic by weight. None, or all of weight 0: status 500.",
     .max = 16,
     .object = &kBackend},
    {.name = "timeouts",
     .type = FieldType::kObject,
     .description = "How long things may take.",
     .object = &kTimeouts},
    {.name = "retry",
     .type = FieldType::kObject,
     .description = "When and how to try again, within the budget of the Service's "
                    "XBackendTrafficPolicy, else of the BackendPolicy in force, else 20 %.",
     .object = &kRetry,
     .experimental = true},
    session_persistence_field(),
};
const Schema kRule{"a rule", "What to do with requests that match.", kRuleFields, kHttpRuleRules};

constexpr Field kSpecFields[] = {
    parent_refs_field(),
    hostnames_field(
        "Hosts the route is for, by the request's Host, also on a Service; any when left "
        "out. `*.` stands for one label or more."),
    {.name = "rules",
     .type = FieldType::kObjectList,
     .description = "What to do with requests.",
     .default_value = R"([{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}]}])",
     .min = 1,
     .max = 16,
     .object = &kRule,
     .rules = kRouteRulesRules},
    use_default_gateways_field(),
};
constexpr Schema kSpec{"an HTTPRoute's spec", "What the route does.", kSpecFields};

constexpr auto kDocumentFields =
    document_fields("gateway.networking.k8s.io/v1", "HTTPRoute", kNamedMetadata, kSpec);

}  // namespace

const Schema kHttpRouteDocument{"HTTPRoute", "How requests are steered.", kDocumentFields};

}  // namespace weft::control
