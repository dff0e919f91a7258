// ReferenceGrant, BackendTLSPolicy and UDPRoute (gateway.networking.k8s.io/v1), and core/v1 Namespace.
#include <fmt/format.h>

#include "control/kinds.h"
#include "control/kinds_refs.h"

namespace weft::control {
namespace {

// --- ReferenceGrant ---

constexpr Field kGrantFromFields[] = {
    group_field(nullptr), kind_field(nullptr),
    namespace_field("Namespace of the objects that may refer.", true)};
const Schema kGrantFrom{"a from", "Who may refer.", kGrantFromFields};
constexpr Field kGrantToFields[] = {group_field(nullptr), kind_field(nullptr), name_field(false)};
const Schema kGrantTo{"a to", "To what.", kGrantToFields};
constexpr Field kGrantSpecFields[] = {
    {.name = "from",
     .type = FieldType::kObjectList,
     .description = "Kinds of objects of other namespaces that may refer to objects of this one.",
     .required = true,
     .min = 1,
     .max = 16,
     .object = &kGrantFrom},
    {.name = "to",
     .type = FieldType::kObjectList,
     .description = "What they may refer to.",
     .required = true,
     .min = 1,
     .max = 16,
     .object = &kGrantTo},
};
constexpr Schema kGrantSpec{"a ReferenceGrant's spec",
                            "Who of other namespaces may refer to objects of this one.",
                            kGrantSpecFields};

// --- BackendTLSPolicy ---

constexpr Field kTargetFields[] = {group_field(nullptr), kind_field(nullptr), name_field(),
                                   section_name_field("Only this named port of the Service.")};
const Schema kTarget{"a targetRef", "What the policy is for.", kTargetFields};

void targets_differ(const Node& list, const Report& report) {
  for (size_t i = 1; i < list.items.size(); ++i) {
    const Node& one = list.items[i];
    for (size_t j = 0; j < i; ++j) {
      const Node& before = list.items[j];
      const auto same = [&](const char* f) { return one.text_of(f) == before.text_of(f); };
      if (!same("group") || !same("kind") || !same("name")) continue;
      if (same("sectionName")) {
        report(one.at, fmt::format("[{}]", i), "the same target twice", "each target once");
        break;
      }
      if (one.text_of("sectionName").empty() || before.text_of("sectionName").empty()) {
        report(one.at, fmt::format("[{}]", i),
               fmt::format("{} is a target with and without a sectionName", one.text_of("name")),
               "give each a sectionName, or only one without");
        break;
      }
    }
  }
}
constexpr Rule kTargetRules[] = {
    {"No target is there twice; of several sections of one, each is named.", targets_differ}};

constexpr const char* kSanTypes[] = {"Hostname", "URI"};
void alternative_fits_its_type(const Node& node, const Report& report) {
  const std::string_view type = node.text_of("type");
  for (const auto& [of, field] : {std::pair("Hostname", "hostname"), std::pair("URI", "uri")}) {
    const Node* value = node.find(field);
    if (value && type != of) {
      report(value->at, field, fmt::format("does not belong to type {}", type));
    } else if (!value && type == of) {
      report(node.at, field, fmt::format("required by type {}", type));
    }
  }
}
constexpr Rule kSanRules[] = {
    {"The field of the type is there, and no other.", alternative_fits_its_type}};
constexpr Field kSanFields[] = {
    {.name = "type",
     .type = FieldType::kEnum,
     .description = "What the certificate must carry.",
     .required = true,
     .values = kSanTypes},
    {.name = "hostname",
     .type = FieldType::kString,
     .description = "A DNS name.",
     .min = 1,
     .max = 253,
     .format = &kHostname},
    {.name = "uri",
     .type = FieldType::kString,
     .description = "A URI, for example a SPIFFE ID.",
     .min = 1,
     .max = 253,
     .format = &kUri},
};
const Schema kSan{"a subject alternative name", "A name in the backend's certificate.", kSanFields,
                  kSanRules};

void one_source_of_authorities(const Node& node, const Report& report) {
  const bool refs = !items_of(node, "caCertificateRefs").empty();
  const Node* known = node.find("wellKnownCACertificates");
  if (refs && known) {
    report(known->at, "wellKnownCACertificates", "beside caCertificateRefs: only one of the two",
           "keep one");
  } else if (!refs && !known) {
    report(node.at, "caCertificateRefs", "required, or wellKnownCACertificates in its place",
           "who signs the backend's certificate?");
  }
}
constexpr Rule kValidationRules[] = {
    {"Exactly one of caCertificateRefs and wellKnownCACertificates.", one_source_of_authorities}};
constexpr Field kValidationFields[] = {
    {.name = "caCertificateRefs",
     .type = FieldType::kObjectList,
     .description = "Authorities that sign the backend's certificate.",
     .max = 8,
     .object = &kLocalRefSchema},
    {.name = "wellKnownCACertificates",
     .type = FieldType::kString,
     .description = "`System`: the authorities the host trusts.",
     .min = 1,
     .max = 253,
     .format = &kWellKnownCa},
    {.name = "hostname",
     .type = FieldType::kString,
     .description = "Name sent as SNI, and to be in the certificate.",
     .required = true,
     .min = 1,
     .max = 253,
     .format = &kPreciseHostname},
    {.name = "subjectAltNames",
     .type = FieldType::kObjectList,
     .description = "Names one of which must be in the certificate, in place of `hostname`.",
     .max = 5,
     .object = &kSan},
};
const Schema kValidation{"validation", "How the backend is checked.", kValidationFields,
                         kValidationRules};
constexpr Field kPolicySpecFields[] = {
    {.name = "targetRefs",
     .type = FieldType::kObjectList,
     .description = "Services the policy is for.",
     .required = true,
     .min = 1,
     .max = 16,
     .object = &kTarget,
     .rules = kTargetRules},
    {.name = "validation",
     .type = FieldType::kObject,
     .description = "How the backend's certificate is checked.",
     .required = true,
     .object = &kValidation},
    {.name = "options",
     .type = FieldType::kStringMap,
     .description = "Settings of the implementation.",
     .max = 16},
};
constexpr Schema kPolicySpec{"a BackendTLSPolicy's spec", "TLS to a backend outside the mesh.",
                             kPolicySpecFields};

// --- UDPRoute ---

constexpr Field kUdpRuleFields[] = {
    rule_name_field(),
    {.name = "backendRefs",
     .type = FieldType::kObjectList,
     .description = "Services that share the traffic by weight.",
     .required = true,
     .min = 1,
     .max = 16,
     .object = &kBackendRefSchema},
};
const Schema kUdpRule{"a rule", "Where datagrams go.", kUdpRuleFields};
constexpr Field kUdpSpecFields[] = {
    parent_refs_field(),
    {.name = "rules",
     .type = FieldType::kObjectList,
     .description = "Where datagrams go.",
     .required = true,
     .min = 1,
     .max = 1,
     .object = &kUdpRule},
    use_default_gateways_field(),
};
constexpr Schema kUdpSpec{"a UDPRoute's spec", "Where datagrams go.", kUdpSpecFields};

// --- Namespace ---

constexpr Field kNamespaceSpecFields[] = {
    {.name = "finalizers", .type = FieldType::kIgnored, .description = "Set by the server."}};
const Schema kNamespaceSpec{"a Namespace's spec", "Nothing.", kNamespaceSpecFields};
constexpr Field kNamespaceFields[] = {
    {.name = "apiVersion", .type = FieldType::kString, .description = "v1", .required = true},
    {.name = "kind", .type = FieldType::kString, .description = "Namespace", .required = true},
    {.name = "metadata",
     .type = FieldType::kObject,
     .description = "Who the object is.",
     .required = true,
     .object = &kClusterMetadata},
    {.name = "spec",
     .type = FieldType::kObject,
     .description = "Nothing to set.",
     .object = &kNamespaceSpec},
    {.name = "status", .type = FieldType::kIgnored, .description = "Written by the server."},
};

constexpr auto kGrantFields =
    document_fields("gateway.networking.k8s.io/v1", "ReferenceGrant", kNamedMetadata, kGrantSpec);
constexpr auto kPolicyFields = document_fields("gateway.networking.k8s.io/v1", "BackendTLSPolicy",
                                               kNamedMetadata, kPolicySpec);
constexpr auto kUdpFields =
    document_fields("gateway.networking.k8s.io/v1", "UDPRoute", kNamedMetadata, kUdpSpec);

}  // namespace

const Schema kReferenceGrantDocument{
    "ReferenceGrant", "Who of other namespaces may refer to objects of this one.", kGrantFields};
const Schema kBackendTlsPolicyDocument{"BackendTLSPolicy", "TLS to a backend outside the mesh.",
                                       kPolicyFields};
const Schema kUdpRouteDocument{"UDPRoute", "Where datagrams go.", kUdpFields};
const Schema kNamespaceDocument{
    "Namespace", "A namespace and its labels. Namespaces need not be declared.", kNamespaceFields};

void read_reference_grant(const Node& document, std::string_view, Object& object, Problems&) {
  const Node& spec = *document.find("spec");
  ReferenceGrantSpec out;
  const auto text = [](const Node& node, const char* field) {
    return std::string(node.text_of(field));
  };
  for (const Node& from : items_of(spec, "from")) {
    out.from.push_back({text(from, "group"), text(from, "kind"), text(from, "namespace")});
  }
  for (const Node& to : items_of(spec, "to")) {
    out.to.push_back({text(to, "group"), text(to, "kind"), text(to, "name")});
  }
  object.spec = std::move(out);
}

void read_backend_tls_policy(const Node& document, std::string_view, Object& object, Problems&) {
  const Node& spec = *document.find("spec");
  const Node& validation = *spec.find("validation");
  const auto text = [](const Node& node, const char* field) {
    return std::string(node.text_of(field));
  };
  const auto group = [&](const Node& ref) {
    const std::string name = text(ref, "group");
    return name == "core" ? std::string() : name;
  };
  BackendTlsSpec out;
  for (const Node& ref : items_of(spec, "targetRefs")) {
    out.targets.push_back(
        {group(ref), text(ref, "kind"), text(ref, "name"), text(ref, "sectionName")});
  }
  for (const Node& ref : items_of(validation, "caCertificateRefs"))
    out.authorities.push_back({group(ref), text(ref, "kind"), text(ref, "name")});
  out.well_known = text(validation, "wellKnownCACertificates");
  out.hostname = text(validation, "hostname");
  for (const Node& name : items_of(validation, "subjectAltNames")) {
    const bool uri = name.text_of("type") == "URI";
    out.names.push_back({uri, text(name, uri ? "uri" : "hostname")});
  }
  if (const Node* options = spec.find("options"); options && !options->entries.empty()) {
    object.unsupported.push_back(
        fmt::format("spec.options: Weft knows no option {}", options->entries.front().name));
  }
  object.spec = std::move(out);
}

void read_udp_route(const Node& document, std::string_view, Object& object, Problems&) {
  object.spec = StoredSpec{.not_carried_out = "kind UDPRoute: Weft carries no UDP",
                           .parents = read_parent_refs(*document.find("spec"), object.meta)};
}

void read_namespace(const Node&, std::string_view, Object& object, Problems&) {
  object.spec = StoredSpec{};
}

}  // namespace weft::control
