// From file to objects: read the YAML, look at apiVersion and kind, check against the kind's table, then
// let the kind check what tables cannot say. One wrong object does not hide what is wrong with the next.
#include "control/kinds.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <tuple>

#include "base/text.h"

namespace weft::control {
namespace {

constexpr const char* kGateway = "gateway.networking.k8s.io/v1";
constexpr const char* kBeta[] = {"gateway.networking.k8s.io/v1beta1"};
constexpr const char* kAlpha3[] = {"gateway.networking.k8s.io/v1alpha3"};
constexpr const char* kAlpha2[] = {"gateway.networking.k8s.io/v1alpha2"};
constexpr const char* kAlpha2And3[] = {"gateway.networking.k8s.io/v1alpha2",
                                       "gateway.networking.k8s.io/v1alpha3"};

constexpr const char* kServiceNames[] = {"service", "services", "svc"};
constexpr const char* kNamespaceNames[] = {"namespace", "namespaces", "ns"};
constexpr const char* kSecretNames[] = {"secret", "secrets"};
constexpr const char* kConfigMapNames[] = {"configmap", "configmaps", "cm"};
constexpr const char* kEndpointSliceNames[] = {"endpointslice", "endpointslices", "eps"};
constexpr const char* kHttpRouteNames[] = {"httproute", "httproutes", "route", "routes"};
constexpr const char* kGrpcRouteNames[] = {"grpcroute", "grpcroutes"};
constexpr const char* kTlsRouteNames[] = {"tlsroute", "tlsroutes"};
constexpr const char* kTcpRouteNames[] = {"tcproute", "tcproutes"};
constexpr const char* kUdpRouteNames[] = {"udproute", "udproutes"};
constexpr const char* kGatewayNames[] = {"gateway", "gateways", "gtw"};
constexpr const char* kGatewayClassNames[] = {"gatewayclass", "gatewayclasses", "gc"};
constexpr const char* kListenerSetNames[] = {"listenerset", "listenersets", "lset"};
constexpr const char* kGrantNames[] = {"referencegrant", "referencegrants", "refgrant"};
constexpr const char* kTlsPolicyNames[] = {"backendtlspolicy", "backendtlspolicies", "btlspolicy"};

constexpr const char* kBackendPolicyNames[] = {"backendpolicy", "backendpolicies", "bp"};
constexpr const char* kFaultPolicyNames[] = {"faultpolicy", "faultpolicies", "fault", "faults"};
constexpr const char* kRateLimitPolicyNames[] = {"ratelimitpolicy", "ratelimitpolicies",
                                                 "ratelimit", "ratelimits", "rlp"};

constexpr const char* kTrafficPolicyNames[] = {"xbackendtrafficpolicy", "xbackendtrafficpolicies",
                                               "xbtrafficpolicy"};

constexpr Kind gateway_kind(const char* kind, const char* plural,
                            std::span<const char* const> aliases, const Schema& schema,
                            ReadKind* read, std::span<const char* const> other_versions = {}) {
  return {.kind = kind,
          .plural = plural,
          .aliases = aliases,
          .api_version = kGateway,
          .schema = &schema,
          .read = read,
          .other_versions = other_versions,
          .holds_unsupported = true};
}
constexpr Kind weft_kind(const char* kind, const char* plural, std::span<const char* const> aliases,
                         const Schema& schema, ReadKind* read) {
  return {.kind = kind,
          .plural = plural,
          .aliases = aliases,
          .api_version = "weft.dev/v1",
          .schema = &schema,
          .read = read,
          .origin = "Weft"};
}
constexpr Kind cluster_wide(Kind kind) {
  kind.namespaced = false;
  return kind;
}

constexpr Kind kKinds[] = {
    {.kind = "Service",
     .plural = "services",
     .aliases = kServiceNames,
     .api_version = "v1",
     .schema = &kServiceDocument,
     .read = read_service,
     .origin = "Kubernetes core/v1"},
    cluster_wide({.kind = "Namespace",
                  .plural = "namespaces",
                  .aliases = kNamespaceNames,
                  .api_version = "v1",
                  .schema = &kNamespaceDocument,
                  .read = read_namespace,
                  .origin = "Kubernetes core/v1"}),
    {.kind = "Secret",
     .plural = "secrets",
     .aliases = kSecretNames,
     .api_version = "v1",
     .schema = &kSecretDocument,
     .read = read_secret,
     .origin = "Kubernetes core/v1"},
    {.kind = "ConfigMap",
     .plural = "configmaps",
     .aliases = kConfigMapNames,
     .api_version = "v1",
     .schema = &kConfigMapDocument,
     .read = read_config_map,
     .origin = "Kubernetes core/v1"},
    {.kind = "EndpointSlice",
     .plural = "endpointslices",
     .aliases = kEndpointSliceNames,
     .api_version = "discovery.k8s.io/v1",
     .schema = &kEndpointSliceDocument,
     .read = read_endpoint_slice,
     .holds_unsupported = true,
     .origin = "Kubernetes discovery/v1"},
    gateway_kind("HTTPRoute", "routes", kHttpRouteNames, kHttpRouteDocument, read_http_route,
                 kBeta),
    gateway_kind("GRPCRoute", "grpcroutes", kGrpcRouteNames, kGrpcRouteDocument, read_grpc_route),
    gateway_kind("TLSRoute", "tlsroutes", kTlsRouteNames, kTlsRouteDocument, read_tls_route,
                 kAlpha2And3),
    gateway_kind("TCPRoute", "tcproutes", kTcpRouteNames, kTcpRouteDocument, read_tcp_route,
                 kAlpha2),
    gateway_kind("UDPRoute", "udproutes", kUdpRouteNames, kUdpRouteDocument, read_udp_route),
    gateway_kind("Gateway", "gateways", kGatewayNames, kGatewayDocument, read_gateway, kBeta),
    cluster_wide(gateway_kind("GatewayClass", "gatewayclasses", kGatewayClassNames,
                              kGatewayClassDocument, read_gateway_class, kBeta)),
    gateway_kind("ListenerSet", "listenersets", kListenerSetNames, kListenerSetDocument,
                 read_listener_set),
    gateway_kind("ReferenceGrant", "referencegrants", kGrantNames, kReferenceGrantDocument,
                 read_reference_grant, kBeta),
    gateway_kind("BackendTLSPolicy", "backendtlspolicies", kTlsPolicyNames,
                 kBackendTlsPolicyDocument, read_backend_tls_policy, kAlpha3),
    weft_kind("BackendPolicy", "backendpolicies", kBackendPolicyNames, kBackendPolicyDocument,
              read_backend_policy),
    weft_kind("FaultPolicy", "faultpolicies", kFaultPolicyNames, kFaultPolicyDocument,
              read_fault_policy),
    weft_kind("RateLimitPolicy", "ratelimitpolicies", kRateLimitPolicyNames,
              kRateLimitPolicyDocument, read_rate_limit_policy),
    {.kind = "XBackendTrafficPolicy",
     .plural = "xbackendtrafficpolicies",
     .aliases = kTrafficPolicyNames,
     .api_version = "gateway.networking.x-k8s.io/v1alpha1",
     .schema = &kTrafficPolicyDocument,
     .read = read_traffic_policy,
     .holds_unsupported = true,
     .origin = "Gateway API v1.6, experimental"},
};

constexpr Field metadata_name(const Format* format, int64_t longest) {
  return {.name = "name",
          .type = FieldType::kString,
          .description = "Name of the object, unique for its kind and namespace.",
          .required = true,
          .min = 1,
          .max = longest,
          .format = format};
}
constexpr Field kNamespace{.name = "namespace",
                           .type = FieldType::kString,
                           .description = "Namespace of the object.",
                           .default_value = "\"default\"",
                           .min = 1,
                           .max = 63,
                           .format = &kDnsLabel};
constexpr Field kLabels{.name = "labels",
                        .type = FieldType::kStringMap,
                        .description = "Labels to select objects by.",
                        .format = &kLabelValue,
                        .key_format = &kLabelName};
constexpr Field kAnnotations{
    .name = "annotations",
    .type = FieldType::kStringMap,
    .description = "Free notes of whoever wrote the object; Weft keeps them.",
    .format = &kAnyText,
    .key_format = &kLabelName};
constexpr Field server_set(const char* name) {
  return {.name = name, .type = FieldType::kIgnored, .description = "Set by the server."};
}

// What follows the name, and the namespace where there is one.
template <typename... First>
constexpr auto metadata_fields(const First&... first) {
  return std::to_array<Field>({first..., kLabels, kAnnotations, server_set("uid"),
                               server_set("generation"), server_set("creationTimestamp"),
                               server_set("resourceVersion"), server_set("managedFields"),
                               server_set("selfLink")});
}
constexpr auto kServiceMetadataFields = metadata_fields(metadata_name(&kDnsLabel, 63), kNamespace);
constexpr auto kNamedMetadataFields =
    metadata_fields(metadata_name(&kDnsSubdomain, 253), kNamespace);
constexpr auto kClusterMetadataFields = metadata_fields(metadata_name(&kDnsSubdomain, 253));

Position place_of(const Node& document, std::string_view field) {
  const Node* node = document.find(field);
  return node ? node->at : document.at;
}

Labels read_labels(const Node* node) {
  Labels labels;
  if (!node) return labels;
  for (const Node::Entry& entry : node->entries) labels[entry.name] = entry.value.text;
  return labels;
}

class FileDecoder {
 public:
  FileDecoder(std::string_view file, Problems& problems) : file_(file), problems_(problems) {}

  void document(const Node& node) {
    if (!node.is(Node::Kind::kMap)) {
      return report(node.at, "", fmt::format("an object is a map, not {}", describe(node)),
                    "begin with apiVersion, kind, metadata and spec");
    }
    if (node.text_of("kind") == "List") return list(node);
    if (const Kind* kind = kind_of(node)) object(*kind, node);
  }

  std::vector<DecodedObject> take() { return std::move(objects_); }

 private:
  void report(Position at, std::string path, std::string what, std::string hint = "") {
    problems_.push_back(
        {std::string(file_), at, std::move(path), std::move(what), std::move(hint)});
  }

  void list(const Node& node) {
    const Node* items = node.find("items");
    if (!items || !items->is(Node::Kind::kList)) {
      return report(place_of(node, "items"), "items", "a List needs a list of items");
    }
    for (const Node& item : items->items) document(item);
  }

  const Kind* kind_of(const Node& node) {
    const std::string_view name = node.text_of("kind");
    const std::string_view version = node.text_of("apiVersion");
    const Kind* it = find_kind(name);
    if (!it) {
      std::vector<std::string_view> known;
      for (const Kind& kind : kKinds) known.emplace_back(kind.kind);
      std::string hint = did_you_mean(name, known);
      hint += fmt::format("{}kinds: {}", hint.empty() ? "" : " ", fmt::join(known, ", "));
      report(place_of(node, "kind"), "kind",
             name.empty() ? "required: which kind of object is this?"
                          : fmt::format("Weft knows no kind '{}'", name),
             std::move(hint));
      return nullptr;
    }
    if (version != it->api_version &&
        std::ranges::none_of(it->other_versions,
                             [&](std::string_view v) { return v == version; })) {
      report(place_of(node, "apiVersion"), "apiVersion",
             version.empty()
                 ? fmt::format("required by {}", it->kind)
                 : fmt::format("'{}' is not the version of {} that Weft reads", version, it->kind),
             fmt::format("write apiVersion: {}", it->api_version));
      return nullptr;
    }
    return it;
  }

  void object(const Kind& kind, const Node& node) {
    const size_t before = problems_.size();
    Problems held;
    Node canonical =
        check(*kind.schema, node, file_, "", problems_, kind.holds_unsupported ? &held : nullptr);
    // Read under another version, kept under ours.
    for (Node::Entry& entry : canonical.entries) {
      if (entry.name == "apiVersion") entry.value.text = kind.api_version;
    }
    DecodedObject decoded{.object = {}, .file = std::string(file_), .at = node.at};
    decoded.object.kind_name = kind.kind;
    for (const Problem& one : held) {
      decoded.object.unsupported.push_back(
          fmt::format("{}: {}{}{}", one.path, one.what, one.hint.empty() ? "" : ": ", one.hint));
    }
    const Node* metadata = canonical.find("metadata");
    decoded.object.meta.name = metadata->text_of("name");
    decoded.object.meta.ns = metadata->text_of("namespace");
    decoded.object.meta.labels = read_labels(metadata->find("labels"));
    decoded.object.meta.annotations = read_labels(metadata->find("annotations"));
    decoded.object.body = to_json(canonical);
    Problems deeper;
    kind.read(canonical, file_, decoded.object, deeper);
    append_deeper(std::move(deeper), before, problems_);
    if (problems_.size() == before) objects_.push_back(std::move(decoded));
  }

  std::string_view file_;
  Problems& problems_;
  std::vector<DecodedObject> objects_;
};

}  // namespace

const Schema kServiceMetadata{"metadata", "Who the object is.", kServiceMetadataFields};
const Schema kNamedMetadata{"metadata", "Who the object is.", kNamedMetadataFields};

const Schema kClusterMetadata{"metadata", "Who the object is.", kClusterMetadataFields};

std::span<const Kind> kinds() { return kKinds; }

const Kind* find_kind(std::string_view kind) {
  const auto* it =
      std::ranges::find(kKinds, kind, [](const Kind& k) { return std::string_view(k.kind); });
  return it == std::end(kKinds) ? nullptr : it;
}

std::optional<std::string> parse_kind(std::string_view text) {
  const std::string word = to_lower(text);
  for (const Kind& kind : kKinds) {
    if (std::ranges::any_of(kind.aliases, [&](std::string_view a) { return a == word; })) {
      return kind.kind;
    }
  }
  return std::nullopt;
}

std::vector<DecodedObject> decode_objects(std::string_view file, std::string_view text,
                                          Problems& problems) {
  Problems found;
  FileDecoder decoder(file, found);
  for (const Node& document : read_yaml(file, text, found)) decoder.document(document);
  std::ranges::sort(found, {}, [](const Problem& p) { return std::tie(p.at, p.path, p.what); });
  std::ranges::move(found, std::back_inserter(problems));
  return decoder.take();
}

}  // namespace weft::control
