// GRPCRoute (gateway.networking.k8s.io/v1, v1.6). A gRPC method is a path, so its matches become path
// matches of the same model that HTTPRoute uses: SERVICE and METHOD an exact path, SERVICE alone a prefix,
// anything else a regular expression.
#include <fmt/format.h>
#include <re2/re2.h>

#include "control/kinds.h"
#include "control/kinds_http_route.h"

namespace weft::control {
namespace {

constexpr Field kHeaderMatchFields[] = {
    match_type_field(),
    match_name_field("Name of the metadata, any letter case."),
    match_value_field(4096),
};
const Schema kHeaderMatch{"a header match", "Metadata the call must have.", kHeaderMatchFields};

void method_names_something(const Node& node, const Report& report) {
  if (!node.text_of("service").empty() || !node.text_of("method").empty()) return;
  report(node.at, "", "needs service or method, or both", "leave out the whole to match all");
}

void names_are_proto_names(const Node& node, const Report& report) {
  static const re2::RE2 kService("(?i)\\.?[a-z_][a-z_0-9]*(\\.[a-z_][a-z_0-9]*)*");
  static const re2::RE2 kMethod("[A-Za-z_][A-Za-z_0-9]*");
  if (node.text_of("type") != "Exact") return;
  for (const auto& [field, pattern] :
       {std::pair("service", &kService), std::pair("method", &kMethod)}) {
    const Node* value = node.find(field);
    if (!value || value->text.empty() || re2::RE2::FullMatch(value->text, *pattern)) continue;
    report(value->at, field, fmt::format("'{}' is not the name of a {}", value->text, field),
           field == std::string_view("service") ? "for example shop.v1.Cart" : "for example Add");
  }
}
constexpr Rule kMethodRules[] = {
    {"At least one of service and method.", method_names_something},
    {"Exact: service and method are names as in .proto files.", names_are_proto_names}};
constexpr Field kMethodFields[] = {
    {.name = "type",
     .type = FieldType::kEnum,
     .description = "How `service` and `method` are compared.",
     .default_value = "\"Exact\"",
     .values = kMatchTypes},
    {.name = "service",
     .type = FieldType::kString,
     .description = "Service with its package, or regular expression (RE2); any when left out.",
     .max = 1024},
    {.name = "method",
     .type = FieldType::kString,
     .description = "Method, or regular expression (RE2); any when left out.",
     .max = 1024},
};
const Schema kMethod{"a method match", "Which method is called.", kMethodFields, kMethodRules};

constexpr Field kMatchFields[] = {
    {.name = "method",
     .type = FieldType::kObject,
     .description = "Which method is called; any when left out.",
     .object = &kMethod},
    {.name = "headers",
     .type = FieldType::kObjectList,
     .description = "Metadata the call must have.",
     .max = 16,
     .object = &kHeaderMatch},
};
const Schema kMatch{"a match", "All parts of a match must hold.", kMatchFields};

constexpr const char* kFilterTypes[] = {"RequestHeaderModifier", "ResponseHeaderModifier",
                                        "RequestMirror"};
constexpr const char* kOtherTypes[] = {"ExtensionRef"};
constexpr Field kFilterFields[] = {
    {.name = "type",
     .type = FieldType::kEnum,
     .description = "Which filter.",
     .required = true,
     .values = kFilterTypes,
     .unsupported_values = kOtherTypes,
     .unsupported_why = "Weft has no filters of its own kinds"},
    header_modifier_field("requestHeaderModifier", "Changes to the call's metadata."),
    header_modifier_field("responseHeaderModifier", "Changes to the answer's metadata."),
    mirror_field(),
    extension_ref_field(),
};
const Schema kFilter{"a filter", "A change to calls or answers.", kFilterFields, kFilterRules};
const Schema kBackendFilter{"a filter", "A change to calls to this backend, or its answers.",
                            kFilterFields, kFilterRules};

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
     .description = "Filters for calls that go to this backend.",
     .max = 16,
     .object = &kBackendFilter,
     .rules = kFilterListRules},
};
const Schema kBackend{"a backendRef", "Where calls go.", kBackendFields, kBackendPortRule};

constexpr Field kRuleFields[] = {
    rule_name_field(),
    {.name = "matches",
     .type = FieldType::kObjectList,
     .description = "The rule applies when one of them holds; to every call when left out.",
     .max = 64,
     .object = &kMatch},
    {.name = "filters",
     .type = FieldType::kObjectList,
     .description = "Changes to calls and answers.",
     .max = 16,
     .object = &kFilter,
     .rules = kFilterListRules},
    {.name = "backendRefs",
     .type = FieldType::kObjectList,
     .description =
         "Services that share the calls by weight. None, or all of weight 0: UNAVAILABLE.",
     .max = 16,
     .object = &kBackend},
    session_persistence_field(),
};
const Schema kRule{"a rule", "What to do with calls that match.", kRuleFields};

constexpr Field kSpecFields[] = {
    parent_refs_field(),
    hostnames_field("Hosts the route is for, by the call's :authority, also on a Service; any when "
                    "left out. `*.` stands for one label or more."),
    {.name = "rules",
     .type = FieldType::kObjectList,
     .description = "What to do with calls.",
     .max = 16,
     .object = &kRule,
     .rules = kRouteRulesRules},
    use_default_gateways_field(),
};
constexpr Schema kSpec{"a GRPCRoute's spec", "How gRPC calls are steered.", kSpecFields};

constexpr auto kDocumentFields =
    document_fields("gateway.networking.k8s.io/v1", "GRPCRoute", kNamedMetadata, kSpec);

// --- reading ---

model::PathMatch path_of_method(const Node& node, const std::string& path, RouteReading& reading) {
  const std::string service(node.text_of("service"));
  const std::string method(node.text_of("method"));
  if (node.text_of("type") != "RegularExpression") {
    const std::string name = service.starts_with('.') ? service.substr(1) : service;
    if (method.empty()) return {model::PathMatch::kPrefix, "/" + name};
    if (!name.empty()) return {model::PathMatch::kExact, "/" + name + "/" + method};
    return {model::PathMatch::kRegex, "/[^/]+/" + method};
  }
  for (const char* field : {"service", "method"}) {
    if (const Node* value = node.find(field)) reading.check_regex(*value, path + "." + field);
  }
  const auto part = [](const std::string& text) {
    return text.empty() ? std::string("[^/]+") : "(?:" + text + ")";
  };
  std::string joined = "/" + part(service) + "/" + part(method);
  if (joined.size() > 1024) {
    reading.hold(path, "longer than 1024 characters with service and method together");
  }
  return {model::PathMatch::kRegex, std::move(joined)};
}

model::RouteMatch read_match(const Node& node, const std::string& path, RouteReading& reading) {
  model::RouteMatch out;
  out.grpc = true;
  if (const Node* method = node.find("method")) {
    out.path = path_of_method(*method, path + ".method", reading);
  }
  out.headers = reading.strings(items_of(node, "headers"), path + ".headers", true);
  return out;
}

HttpRouteRule read_rule(const Node& node, const std::string& path, RouteReading& reading) {
  HttpRouteRule out;
  out.name = node.text_of("name");
  out.matches = reading.matches(node, path, read_match);
  if (out.matches.empty()) out.matches.push_back(model::RouteMatch{.grpc = true});
  reading.filters(node, path, out);
  reading.backends(node, path, out);
  reading.persistence(node, path, out);
  return out;
}

}  // namespace

const Schema kGrpcRouteDocument{"GRPCRoute", "How gRPC calls are steered.", kDocumentFields};

void read_grpc_route(const Node& document, std::string_view file, Object& object,
                     Problems& problems) {
  RouteReading reading(file, object, problems);
  object.spec = reading.route(*document.find("spec"), read_rule);
}

}  // namespace weft::control
