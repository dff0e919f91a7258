// What the Gateway API's kinds share: references to other objects, as fields, rules and values. A kind's
// table takes the fields it needs from here, so that a reference reads the same everywhere.
#pragma once

#include <string>
#include <vector>

#include "control/decode.h"
#include "control/object.h"

namespace weft::control {

// --- fields of references ---
constexpr Field group_field(const char* default_value) {
  return {.name = "group",
          .type = FieldType::kString,
          .description = "API group of the object; \"\" is core (Services, Secrets).",
          .required = default_value == nullptr,
          .default_value = default_value,
          .max = 253,
          .format = &kGroup};
}
constexpr Field kind_field(const char* default_value) {
  return {.name = "kind",
          .type = FieldType::kString,
          .description = "Kind of the object.",
          .required = default_value == nullptr,
          .default_value = default_value,
          .min = 1,
          .max = 63,
          .format = &kKindName};
}
constexpr Field name_field(bool required = true) {
  return {
      .name = "name",
      .type = FieldType::kString,
      .description = required ? "Name of the object." : "Name of the object; all when left out.",
      .required = required,
      .min = 1,
      .max = 253};
}
constexpr Field namespace_field(const char* description, bool required = false) {
  return {.name = "namespace",
          .type = FieldType::kString,
          .description = description,
          .required = required,
          .min = 1,
          .max = 63,
          .format = &kDnsLabel};
}
constexpr Field port_field(const char* description) {
  return {.name = "port",
          .type = FieldType::kInteger,
          .description = description,
          .min = 1,
          .max = 65535};
}
constexpr Field weight_field() {
  return {.name = "weight",
          .type = FieldType::kInteger,
          .description = "Share of the traffic, relative to the other backends; 0 gets none.",
          .default_value = "1",
          .min = 0,
          .max = 1'000'000};
}
constexpr Field section_name_field(const char* description) {
  return {.name = "sectionName",
          .type = FieldType::kString,
          .description = description,
          .min = 1,
          .max = 253,
          .format = &kSectionName};
}
constexpr Field rule_name_field() {
  return {.name = "name",
          .type = FieldType::kString,
          .description = "Name of the rule, unique in the route.",
          .min = 1,
          .max = 253,
          .format = &kSectionName};
}

// --- tables ---
extern const Schema kParentRefSchema;   // parentRefs[] of every route
extern const Schema kBackendRefSchema;  // backendRefs[] without filters: TCP, TLS, UDP
extern const Schema kMirrorRefSchema;   // a backend without weight
extern const Schema kLocalRefSchema;    // group, kind, name
extern const Schema kSecretRefSchema;   // with defaults for a Secret
extern const Schema kCaRefSchema;       // with a namespace, nothing by default
extern const Schema kParametersSchema;  // infrastructure.parametersRef
extern const Rule kParentRefRules[2];   // on the list
extern const Rule kBackendPortRule[1];  // on a backendRef: a Service needs a port
void rule_names_differ(const Node& rules, const Report& report);  // a Rule on rules[]

constexpr Field parent_refs_field() {
  return {.name = "parentRefs",
          .type = FieldType::kObjectList,
          .description = "What the route is attached to: Services (for their callers), Gateways.",
          .max = 32,
          .object = &kParentRefSchema,
          .rules = kParentRefRules};
}
constexpr Field use_default_gateways_field() {
  constexpr static const char* kScopes[] = {"All", "None"};
  return {.name = "useDefaultGateways",
          .type = FieldType::kEnum,
          .description = "Attach the route to the cluster's default Gateways too.",
          .values = kScopes,
          .unsupported = "Weft has no default Gateways",
          .experimental = true};
}
constexpr Field hostnames_field(const char* description) {
  return {.name = "hostnames",
          .type = FieldType::kStringList,
          .description = description,
          .max = 16,
          .format = &kHostname};
}

// --- reading ---
const std::vector<Node>& items_of(const Node& parent, std::string_view name);
// The texts of a list; none when absent.
std::vector<std::string> texts_of(const Node& parent, std::string_view name);
// 0 when absent.
uint32_t number_of(const Node& parent, std::string_view name);
// parentRefs of a spec; "core" is the same group as "".
std::vector<ParentRef> read_parent_refs(const Node& spec, const ObjectMeta& meta);
// One backendRef or backend of a mirror.
BackendRef read_backend_ref(const Node& ref, const ObjectMeta& meta);

}  // namespace weft::control
