// The table of an HTTPRoute's filters beyond those it shares with GRPCRoute: redirect, rewrite, CORS and
// external authorization.
#include <fmt/format.h>

#include <algorithm>

#include "control/kinds_http_route.h"

namespace weft::control {
namespace {

constexpr int64_t kInt32 = 2'147'483'647;

constexpr const char* kPathModifierTypes[] = {"ReplaceFullPath", "ReplacePrefixMatch"};

void path_modifier_fits(const Node& node, const Report& report) {
  const std::string_view type = node.text_of("type");
  for (const auto& [of, field] : {std::pair("ReplaceFullPath", "replaceFullPath"),
                                  std::pair("ReplacePrefixMatch", "replacePrefixMatch")}) {
    const Node* value = node.find(field);
    if (value && type != of) {
      report(value->at, field, fmt::format("does not belong to type {}", type));
    } else if (!value && type == of) {
      report(node.at, field, fmt::format("required by type {}", type));
    }
  }
}
constexpr Rule kPathModifierRules[] = {
    {"The field of the type is there, and no other.", path_modifier_fits}};
constexpr Field kPathModifierFields[] = {
    {.name = "type",
     .type = FieldType::kEnum,
     .description = "What is replaced: the whole path, or the prefix that matched.",
     .required = true,
     .values = kPathModifierTypes},
    {.name = "replaceFullPath",
     .type = FieldType::kString,
     .description = "The new path; the query stays.",
     .max = 1024},
    {.name = "replacePrefixMatch",
     .type = FieldType::kString,
     .description = "What stands in place of the matched prefix; the rest of the path stays.",
     .max = 1024},
};
const Schema kPathModifier{"a path modifier", "A change of the path.", kPathModifierFields,
                           kPathModifierRules};

constexpr Field path_modifier_field() {
  return {.name = "path",
          .type = FieldType::kObject,
          .description = "Change of the path; without it the path stays.",
          .object = &kPathModifier};
}
constexpr Field hostname_field(const char* description) {
  return {.name = "hostname",
          .type = FieldType::kString,
          .description = description,
          .min = 1,
          .max = 253,
          .format = &kPreciseHostname};
}

constexpr const char* kSchemes[] = {"http", "https"};
constexpr const char* kRedirectCodes[] = {"301", "302", "303", "307", "308"};
constexpr Field kRedirectFields[] = {
    {.name = "scheme",
     .type = FieldType::kEnum,
     .description = "Scheme of the Location; the request's when left out.",
     .values = kSchemes},
    hostname_field("Host of the Location; the request's when left out."),
    path_modifier_field(),
    {.name = "port",
     .type = FieldType::kInteger,
     .description =
         "Port of the Location. Left out: the well-known one of `scheme` if that is set, "
         "else the port the request came to.",
     .min = 1,
     .max = 65535},
    {.name = "statusCode",
     .type = FieldType::kInteger,
     .description = "Status of the answer.",
     .default_value = "302",
     .min = 301,
     .max = 308,
     .values = kRedirectCodes},
};

constexpr Field kRewriteFields[] = {
    hostname_field("Host the backend sees in place of the request's."),
    path_modifier_field(),
};

// "*" means all and stands alone.
template <const char* const& kWhat>
void star_stands_alone(const Node& list, const Report& report) {
  if (list.items.size() < 2) return;
  for (size_t i = 0; i < list.items.size(); ++i) {
    if (list.items[i].text != "*") continue;
    report(list.items[i].at, fmt::format("[{}]", i),
           fmt::format("'*' stands for all {} and must stand alone", kWhat));
  }
}
constexpr const char* kOrigins = "origins";
constexpr const char* kMethodsWord = "methods";
constexpr const char* kHeadersWord = "headers";
constexpr Rule kOriginsRule[] = {{"'*' stands alone.", star_stands_alone<kOrigins>}};
constexpr Rule kMethodsRule[] = {{"'*' stands alone.", star_stands_alone<kMethodsWord>}};
constexpr Rule kHeadersRule[] = {{"'*' stands alone.", star_stands_alone<kHeadersWord>}};

constexpr const char* kCorsMethods[] = {"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                        "CONNECT", "OPTIONS", "TRACE", "PATCH", "*"};
constexpr Field kCorsFields[] = {
    {.name = "allowOrigins",
     .type = FieldType::kStringList,
     .description = "Origins whose pages may read the answers; `*.` may begin a host.",
     .max = 64,
     .format = &kOrigin,
     .rules = kOriginsRule,
     .distinct = true},
    {.name = "allowCredentials",
     .type = FieldType::kBoolean,
     .description = "Whether such a page may send cookies and the like."},
    {.name = "allowMethods",
     .type = FieldType::kEnumList,
     .description = "Methods such a page may use.",
     .max = 9,
     .values = kCorsMethods,
     .rules = kMethodsRule,
     .distinct = true},
    {.name = "allowHeaders",
     .type = FieldType::kStringList,
     .description = "Request headers such a page may set.",
     .max = 64,
     .format = &kShortHeaderName,
     .rules = kHeadersRule,
     .distinct = true},
    {.name = "exposeHeaders",
     .type = FieldType::kStringList,
     .description = "Response headers such a page may read.",
     .max = 64,
     .format = &kShortHeaderName,
     .distinct = true},
    {.name = "maxAge",
     .type = FieldType::kInteger,
     .description = "How long a browser may keep the answer to its preflight.",
     .default_value = "5",
     .min = 1,
     .max = kInt32,
     .unit = "seconds"},
};

constexpr const char* kAuthProtocols[] = {"HTTP", "GRPC"};
constexpr Field allowed_headers(const char* name, const char* description) {
  return {.name = name,
          .type = FieldType::kStringList,
          .description = description,
          .max = 64,
          .distinct = true};
}
constexpr Field kAuthGrpcFields[] = {
    allowed_headers("allowedHeaders", "Request headers the authorizer gets.")};
const Schema kAuthGrpc{"grpc", "How a gRPC authorizer is asked.", kAuthGrpcFields};
constexpr Field kAuthHttpFields[] = {
    {.name = "path",
     .type = FieldType::kString,
     .description = "Put before the path of the request to the authorizer.",
     .max = 1024,
     .format = &kPathCharacters},
    allowed_headers("allowedHeaders", "Request headers the authorizer gets."),
    allowed_headers("allowedResponseHeaders", "Headers of its answer that go on to the backend."),
};
const Schema kAuthHttp{"http", "How an HTTP authorizer is asked.", kAuthHttpFields};
constexpr Field kForwardBodyFields[] = {
    {.name = "maxSize",
     .type = FieldType::kInteger,
     .description = "How much of the body the authorizer gets.",
     .min = 0,
     .max = kInt32,
     .unit = "bytes"},
};
const Schema kForwardBody{"forwardBody", "The request's body for the authorizer.",
                          kForwardBodyFields};
void auth_protocol_fits(const Node& node, const Report& report) {
  const std::string_view protocol = node.text_of("protocol");
  if (protocol.empty()) return;  // reported
  for (const auto& [of, field] : {std::pair("GRPC", "grpc"), std::pair("HTTP", "http")}) {
    const Node* value = node.find(field);
    if (value && protocol != of) {
      report(value->at, field, fmt::format("does not belong to protocol {}", protocol));
    } else if (!value && protocol == of) {
      report(node.at, field, fmt::format("required by protocol {}", protocol));
    }
  }
}
constexpr Rule kAuthRules[] = {
    {"`grpc` is there for protocol GRPC, `http` for HTTP, and only then.", auth_protocol_fits}};
constexpr Field kAuthFields[] = {
    {.name = "protocol",
     .type = FieldType::kEnum,
     .description = "What the authorizer speaks.",
     .required = true,
     .values = kAuthProtocols},
    {.name = "backendRef",
     .type = FieldType::kObject,
     .description = "The authorizer.",
     .required = true,
     .object = &kMirrorRefSchema},
    {.name = "grpc",
     .type = FieldType::kObject,
     .description = "For protocol GRPC.",
     .object = &kAuthGrpc},
    {.name = "http",
     .type = FieldType::kObject,
     .description = "For protocol HTTP.",
     .object = &kAuthHttp},
    {.name = "forwardBody",
     .type = FieldType::kObject,
     .description = "Whether the authorizer gets the body; without it, not.",
     .object = &kForwardBody},
};

constexpr Schema kRedirect{"a redirect", "An answer that sends the client elsewhere.",
                           kRedirectFields};
constexpr Schema kRewrite{"a rewrite", "A change of what the backend is asked for.",
                          kRewriteFields};
constexpr Schema kCors{"CORS", "Which pages of other origins may use this.", kCorsFields};
constexpr Schema kAuth{"externalAuth", "Ask an authorizer first.", kAuthFields, kAuthRules};

constexpr const char* kFilterTypes[] = {"RequestHeaderModifier", "ResponseHeaderModifier",
                                        "RequestRedirect",       "URLRewrite",
                                        "RequestMirror",         "CORS"};
constexpr const char* kOtherTypes[] = {"ExtensionRef", "ExternalAuth"};
// A redirect or a CORS answer comes before a backend is chosen: as a backend's own they make no sense.
constexpr const char* kBackendTypes[] = {"RequestHeaderModifier", "ResponseHeaderModifier",
                                         "URLRewrite", "RequestMirror"};
constexpr const char* kOtherBackendTypes[] = {"RequestRedirect", "CORS", "ExtensionRef",
                                              "ExternalAuth"};

constexpr auto filter_fields(std::span<const char* const> types,
                             std::span<const char* const> other_types, const char* why) {
  return std::to_array<Field>(
      {{.name = "type",
        .type = FieldType::kEnum,
        .description = "Which filter.",
        .required = true,
        .values = types,
        .unsupported_values = other_types,
        .unsupported_why = why},
       header_modifier_field("requestHeaderModifier", "Changes to the request's headers."),
       header_modifier_field("responseHeaderModifier", "Changes to the response's headers."),
       mirror_field(),
       {.name = "requestRedirect",
        .type = FieldType::kObject,
        .description = "Answer with a redirect; the request goes to no backend.",
        .object = &kRedirect},
       {.name = "urlRewrite",
        .type = FieldType::kObject,
        .description = "Change host or path on the way to the backend.",
        .object = &kRewrite},
       {.name = "cors",
        .type = FieldType::kObject,
        .description = "Answer preflights and mark answers for pages of other origins.",
        .object = &kCors},
       {.name = "externalAuth",
        .type = FieldType::kObject,
        .description = "Ask an authorizer first.",
        .object = &kAuth,
        .experimental = true},
       extension_ref_field()});
}
constexpr auto kFilterFields =
    filter_fields(kFilterTypes, kOtherTypes,
                  "a sidecar asks no authorizer, and Weft has no filters of its own kinds");
constexpr auto kBackendFilterFields =
    filter_fields(kBackendTypes, kOtherBackendTypes,
                  "redirects and CORS are decided before a backend is chosen (put them on the "
                  "rule); a sidecar asks "
                  "no authorizer, and Weft has no filters of its own kinds");

}  // namespace

const Schema kHttpFilterSchema{"a filter", "A change to requests or responses.", kFilterFields,
                               kFilterRules};
const Schema kHttpBackendFilterSchema{"a filter",
                                      "A change to requests for this backend, or its responses.",
                                      kBackendFilterFields, kFilterRules};

}  // namespace weft::control
