// The table of HTTPRoute (gateway.networking.k8s.io/v1, v1.6) as far as Weft carries it out for routes
// attached to Services, and by name what it does not. Limits are the CRD's.

#include "control/kinds.h"

namespace weft::control {
namespace {

constexpr const char* kMatchTypes[] = {"Exact", "RegularExpression"};
constexpr const char* kPathTypes[] = {"Exact", "PathPrefix", "RegularExpression"};
constexpr const char* kMethods[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                    "CONNECT", "OPTIONS", "TRACE", "PATCH"};
constexpr const char* kFilterTypes[] = {"RequestHeaderModifier", "ResponseHeaderModifier"};
constexpr const char* kOtherFilterTypes[] = {
    "RequestRedirect", "URLRewrite", "RequestMirror", "CORS", "ExtensionRef", "ExternalAuth"};
constexpr const char* kGroups[] = {"", "core"};
constexpr const char* kOtherGroups[] = {"gateway.networking.k8s.io", "multicluster.x-k8s.io"};
constexpr const char* kParentKinds[] = {"Service"};
constexpr const char* kOtherParentKinds[] = {"Gateway", "ListenerSet", "Mesh"};
constexpr const char* kBackendKinds[] = {"Service"};
constexpr const char* kOtherBackendKinds[] = {"ServiceImport", "XBackend"};

bool is_field_name(std::string_view text) {
  return kHeaderName.matches(text) && text.size() <= 256;
}
const Format kShortHeaderName{"a header name (RFC 9110 token) of at most 256 characters",
                              "x-canary", is_field_name};

constexpr Field kHeaderMatchFields[] = {
    {.name = "type",
     .type = FieldType::kEnum,
     .description = "How `value` is compared.",
     .default_value = "\"Exact\"",
     .values = kMatchTypes},
    {.name = "name",
     .type = FieldType::kString,
     .description = "Header name, any letter case.",
     .required = true,
     .min = 1,
     .max = 256,
     .format = &kShortHeaderName},
    {.name = "value",
     .type = FieldType::kString,
     .description = "Value, or regular expression (RE2).",
     .required = true,
     .min = 1,
     .max = 4096,
     .format = &kHeaderValue},
};
const Schema kHeaderMatch{"a header match", "A header the request must have.", kHeaderMatchFields};

constexpr Field kQueryMatchFields[] = {
    {.name = "type",
     .type = FieldType::kEnum,
     .description = "How `value` is compared.",
     .default_value = "\"Exact\"",
     .values = kMatchTypes},
    {.name = "name",
     .type = FieldType::kString,
     .description = "Name of the parameter; of a repeated one the first counts.",
     .required = true,
     .min = 1,
     .max = 256,
     .format = &kShortHeaderName},
    {.name = "value",
     .type = FieldType::kString,
     .description = "Value, or regular expression (RE2).",
     .required = true,
     .min = 1,
     .max = 1024},
};
const Schema kQueryMatch{"a query match", "A query parameter the request must have.",
                         kQueryMatchFields};

constexpr Field kPathFields[] = {
    {.name = "type",
     .type = FieldType::kEnum,
     .description = "`PathPrefix` compares whole path elements: /a matches /a/b, not /ab.",
     .default_value = "\"PathPrefix\"",
     .values = kPathTypes},
    {.name = "value",
     .type = FieldType::kString,
     .description = "Path, or regular expression (RE2).",
     .default_value = "\"/\"",
     .min = 1,
     .max = 1024},
};
const Schema kPath{"a path match", "What the path must be.", kPathFields};

constexpr Field kMatchFields[] = {
    {.name = "path",
     .type = FieldType::kObject,
     .description = "What the path must be.",
     .default_value = R"({"type": "PathPrefix", "value": "/"})",
     .object = &kPath},
    {.name = "headers",
     .type = FieldType::kObjectList,
     .description = "Headers the request must have.",
     .max = 16,
     .object = &kHeaderMatch},
    {.name = "queryParams",
     .type = FieldType::kObjectList,
     .description = "Query parameters the request must have.",
     .max = 16,
     .object = &kQueryMatch},
    {.name = "method", .type = FieldType::kEnum, .description = "HTTP method.", .values = kMethods},
};
const Schema kMatch{"a match", "All parts of a match must hold.", kMatchFields};

constexpr Field kHeaderPairFields[] = {
    {.name = "name",
     .type = FieldType::kString,
     .description = "Header name.",
     .required = true,
     .min = 1,
     .max = 256,
     .format = &kShortHeaderName},
    {.name = "value",
     .type = FieldType::kString,
     .description = "Its value.",
     .required = true,
     .min = 1,
     .max = 4096,
     .format = &kHeaderValue},
};
const Schema kHeaderPair{"a header", "A header line.", kHeaderPairFields};

constexpr Field kModifierFields[] = {
    {.name = "set",
     .type = FieldType::kObjectList,
     .description = "Headers to write, in place of any of that name.",
     .max = 16,
     .object = &kHeaderPair},
    {.name = "add",
     .type = FieldType::kObjectList,
     .description = "Headers to add to those there are.",
     .max = 16,
     .object = &kHeaderPair},
    {.name = "remove",
     .type = FieldType::kStringList,
     .description = "Names of headers to take away.",
     .max = 16,
     .format = &kShortHeaderName},
};
const Schema kModifier{"a header modifier", "Changes to headers.", kModifierFields};

constexpr Field not_yet(const char* name, const char* hint) {
  return {.name = name, .type = FieldType::kObject, .description = hint, .unsupported = hint};
}

constexpr Field kFilterFields[] = {
    {.name = "type",
     .type = FieldType::kEnum,
     .description = "Which filter.",
     .required = true,
     .values = kFilterTypes,
     .unsupported_values = kOtherFilterTypes},
    {.name = "requestHeaderModifier",
     .type = FieldType::kObject,
     .description = "Changes to the request's headers.",
     .object = &kModifier},
    {.name = "responseHeaderModifier",
     .type = FieldType::kObject,
     .description = "Changes to the response's headers.",
     .object = &kModifier},
    not_yet("requestRedirect", "Weft does not answer with redirects"),
    not_yet("urlRewrite", "Weft does not rewrite host or path"),
    not_yet("requestMirror", "Weft does not mirror requests"),
    not_yet("cors", "Weft does not answer CORS preflights"),
    not_yet("extensionRef", "Weft has no filters of its own"),
    not_yet("externalAuth", "Weft does not ask an external authorizer"),
};
const Schema kFilter{"a filter", "A change to requests or responses.", kFilterFields};

constexpr Field kBackendFields[] = {
    {.name = "group",
     .type = FieldType::kEnum,
     .description = "API group; \"\" is core.",
     .default_value = "\"\"",
     .values = kGroups,
     .unsupported_values = kOtherGroups},
    {.name = "kind",
     .type = FieldType::kEnum,
     .description = "Kind of the backend.",
     .default_value = "\"Service\"",
     .values = kBackendKinds,
     .unsupported_values = kOtherBackendKinds},
    {.name = "name",
     .type = FieldType::kString,
     .description = "Name of the Service.",
     .required = true,
     .min = 1,
     .max = 63,
     .format = &kDnsLabel},
    {.name = "namespace",
     .type = FieldType::kString,
     .description = "Namespace of the Service; the route's own when left out.",
     .min = 1,
     .max = 63,
     .format = &kDnsLabel},
    {.name = "port",
     .type = FieldType::kInteger,
     .description = "Port of the Service.",
     .required = true,
     .min = 1,
     .max = 65535},
    {.name = "weight",
     .type = FieldType::kInteger,
     .description = "Share of the traffic, relative to the other backends; 0 gets none.",
     .default_value = "1",
     .min = 0,
     .max = 1'000'000},
    {.name = "filters",
     .type = FieldType::kObjectList,
     .description = "Filters for requests that go to this backend.",
     .max = 16,
     .object = &kFilter},
};
const Schema kBackend{"a backendRef", "Where requests go.", kBackendFields};

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
const Schema kTimeouts{"timeouts", "How long things may take.", kTimeoutFields};

constexpr Field kRetryFields[] = {
    {.name = "codes",
     .type = FieldType::kIntegerList,
     .description = "Response statuses after which an idempotent request is tried again.",
     .min = 400,
     .max = 599},
    {.name = "attempts",
     .type = FieldType::kInteger,
     .description = "How often to try again after the first try.",
     .default_value = "1",
     .min = 1,
     .max = 10},
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
    {.name = "name",
     .type = FieldType::kString,
     .description = "Name of the rule, unique in the route.",
     .min = 1,
     .max = 253,
     .format = &kDnsSubdomain},
    {.name = "matches",
     .type = FieldType::kObjectList,
     .description = "The rule applies when one of them holds.",
     .default_value = R"([{"path": {"type": "PathPrefix", "value": "/"}}])",
     .max = 64,
     .object = &kMatch},
    {.name = "filters",
     .type = FieldType::kObjectList,
     .description = "Changes to requests and responses.",
     .max = 16,
     .object = &kFilter},
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
     .description = "When and how to try again.",
     .object = &kRetry},
    not_yet("sessionPersistence", "Weft does not keep a client on one instance"),
};
const Schema kRule{"a rule", "What to do with requests that match.", kRuleFields};

constexpr Field kParentFields[] = {
    {.name = "group",
     .type = FieldType::kEnum,
     .description = "API group; \"\" is core.",
     .default_value = "\"\"",
     .values = kGroups,
     .unsupported_values = kOtherGroups},
    {.name = "kind",
     .type = FieldType::kEnum,
     .description = "Kind of the parent: Service.",
     .required = true,
     .values = kParentKinds,
     .unsupported_values = kOtherParentKinds},
    {.name = "name",
     .type = FieldType::kString,
     .description = "Name of the Service.",
     .required = true,
     .min = 1,
     .max = 63,
     .format = &kDnsLabel},
    {.name = "namespace",
     .type = FieldType::kString,
     .description =
         "Namespace of the Service; the route's own when left out. In another namespace the "
         "route applies to callers of its own namespace only.",
     .min = 1,
     .max = 63,
     .format = &kDnsLabel},
    {.name = "port",
     .type = FieldType::kInteger,
     .description = "Only this port of the Service; without it every port.",
     .min = 1,
     .max = 65535},
    not_yet("sectionName", "name the port by `port`"),
};
const Schema kParent{"a parentRef", "What the route is attached to.", kParentFields};

constexpr Field kSpecFields[] = {
    {.name = "parentRefs",
     .type = FieldType::kObjectList,
     .description = "Services the route is for.",
     .required = true,
     .min = 1,
     .max = 32,
     .object = &kParent},
    not_yet(
        "hostnames",
        "routes of a Service apply by its address, not by the Host header: leave hostnames out"),
    {.name = "rules",
     .type = FieldType::kObjectList,
     .description = "What to do with requests.",
     .default_value = R"([{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}]}])",
     .min = 1,
     .max = 16,
     .object = &kRule},
    not_yet("useDefaultGateways", "Weft has no gateways"),
};
const Schema kSpec{"an HTTPRoute's spec", "What the route does.", kSpecFields};

constexpr Field kDocumentFields[] = {
    {.name = "apiVersion",
     .type = FieldType::kString,
     .description = "gateway.networking.k8s.io/v1",
     .required = true},
    {.name = "kind", .type = FieldType::kString, .description = "HTTPRoute", .required = true},
    {.name = "metadata",
     .type = FieldType::kObject,
     .description = "Who the object is.",
     .required = true,
     .object = &kHttpRouteMetadata},
    {.name = "spec",
     .type = FieldType::kObject,
     .description = "What the route does.",
     .required = true,
     .object = &kSpec},
    {.name = "status", .type = FieldType::kIgnored, .description = "Written by the server."},
};

}  // namespace

const Schema kHttpRouteDocument{
    "HTTPRoute", "How requests to a Service are steered (HTTP and gRPC).", kDocumentFields};

}  // namespace weft::control
