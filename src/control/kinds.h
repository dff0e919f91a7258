// The kinds of objects Weft knows, and how YAML becomes one of them. To add a kind: a table of fields
// and a reader in kinds_NAME.cc, a row in kinds.cc, a spec in object.h.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/decode.h"
#include "control/object.h"

namespace weft::control {

// An object and where it was written, for problems found later (two files with the same object).
struct DecodedObject {
  Object object;
  std::string file;
  Position at;
};

// Every object in a file; `kind: List` is unfolded. Whatever is wrong, of syntax, schema or sense, is
// appended to `problems`; the objects are good only if nothing was. Never asserts on any input.
std::vector<DecodedObject> decode_objects(std::string_view file, std::string_view text,
                                          Problems& problems);

// A kind by what users call it: "Service", "services", "svc", "HTTPRoute", "routes", …
std::optional<std::string> parse_kind(std::string_view text);

// What one kind brings. `read` gets the canonical tree from check(), looks for what a table cannot say
// (and reports it), and fills object.spec.
struct Kind {
  const char* kind;
  const char* plural;
  std::span<const char* const> aliases;
  const char* api_version;
  const Schema* schema;  // of the whole document
  void (*read)(const Node& document, std::string_view file, Object& object, Problems& problems);
  // Versions that are read as well and kept as `api_version`; their fields are the same.
  std::span<const char* const> other_versions = {};
  bool namespaced = true;
  // Valid fields that are not carried out are stored and told in the status, instead of refused.
  bool holds_unsupported = false;
  const char* origin = "Gateway API v1.6";  // for the reference
};
std::span<const Kind> kinds();
const Kind* find_kind(std::string_view kind);

// --- shared by the kinds' files ---
// The document around a spec: apiVersion, kind, metadata, spec, status.
constexpr auto document_fields(const char* api_version, const char* kind, const Schema& metadata,
                               const Schema& spec) {
  return std::to_array<Field>(
      {{.name = "apiVersion",
        .type = FieldType::kString,
        .description = api_version,
        .required = true},
       {.name = "kind", .type = FieldType::kString, .description = kind, .required = true},
       {.name = "metadata",
        .type = FieldType::kObject,
        .description = "Who the object is.",
        .required = true,
        .object = &metadata},
       {.name = "spec",
        .type = FieldType::kObject,
        .description = spec.description,
        .required = true,
        .object = &spec},
       {.name = "status", .type = FieldType::kIgnored, .description = "Written by the server."}});
}
extern const Schema kServiceMetadata;  // its name is a DNS label
extern const Schema kNamedMetadata;    // its name is a DNS subdomain
extern const Schema kClusterMetadata;  // the same, of an object without a namespace

using ReadKind = void(const Node& document, std::string_view file, Object& object,
                      Problems& problems);
ReadKind read_service, read_namespace, read_secret, read_config_map, read_endpoint_slice,
    read_http_route, read_grpc_route, read_tls_route, read_tcp_route, read_udp_route, read_gateway,
    read_gateway_class, read_listener_set, read_reference_grant, read_backend_tls_policy,
    read_backend_policy, read_fault_policy, read_rate_limit_policy, read_traffic_policy;
extern const Schema kServiceDocument, kNamespaceDocument, kSecretDocument, kConfigMapDocument,
    kEndpointSliceDocument, kHttpRouteDocument, kGrpcRouteDocument, kTlsRouteDocument,
    kTcpRouteDocument, kUdpRouteDocument, kGatewayDocument, kGatewayClassDocument,
    kListenerSetDocument, kReferenceGrantDocument, kBackendTlsPolicyDocument,
    kBackendPolicyDocument, kFaultPolicyDocument, kRateLimitPolicyDocument, kTrafficPolicyDocument;

}  // namespace weft::control
