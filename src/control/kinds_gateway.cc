// Gateway, GatewayClass and ListenerSet (gateway.networking.k8s.io/v1). A Gateway is carried out by whoever
// runs `weft gateway NAME` (compile_gateway.h), with the listeners of its ListenerSets.
#include <fmt/format.h>

#include <algorithm>

#include "base/ip.h"
#include "control/kinds.h"
#include "control/kinds_listeners.h"
#include "model/gateway.h"

namespace weft::control {
namespace {

// --- Gateway ---

void address_fits_its_type(const Node& address, const Report& report) {
  const std::string_view type = address.text_of("type");
  const Node* value = address.find("value");
  if (!value || value->text.empty()) return;
  if (type == "IPAddress" && !IpAddress::parse(value->text)) {
    report(value->at, "value", fmt::format("'{}' is not an IP address", value->text),
           "for example 203.0.113.7 or 2001:db8::7");
  } else if (type == "Hostname" && !kHostname.matches(value->text)) {
    report(value->at, "value", fmt::format("'{}' is not {}", value->text, kHostname.expected));
  }
}
constexpr Rule kAddressRules[] = {{"The value is an address of its type.", address_fits_its_type}};

void addresses_differ(const Node& list, const Report& report) {
  for (size_t i = 1; i < list.items.size(); ++i) {
    const Node* value = list.items[i].find("value");
    const std::string_view type = list.items[i].text_of("type");
    if (!value || (type != "IPAddress" && type != "Hostname")) continue;
    for (size_t j = 0; j < i; ++j) {
      const Node* before = list.items[j].find("value");
      if (!before || before->text != value->text || list.items[j].text_of("type") != type) continue;
      report(value->at, fmt::format("[{}].value", i),
             fmt::format("'{}' is addresses[{}] already", value->text, j), "each address once");
      break;
    }
  }
}
constexpr Rule kAddressesRules[] = {{"Addresses and host names are there once.", addresses_differ}};
constexpr Field kAddressFields[] = {
    {.name = "type",
     .type = FieldType::kString,
     .description = "What `value` is.",
     .default_value = "\"IPAddress\"",
     .min = 1,
     .max = 253,
     .format = &kAddressType},
    {.name = "value",
     .type = FieldType::kString,
     .description = "The address; left out: any of the type.",
     .max = 253},
};
const Schema kAddress{"an address", "Where the Gateway is to be reached.", kAddressFields,
                      kAddressRules};

constexpr const char* kValidationModes[] = {"AllowValidOnly", "AllowInsecureFallback"};
constexpr Field kFrontendValidationFields[] = {
    {.name = "caCertificateRefs",
     .type = FieldType::kObjectList,
     .description = "Authorities whose clients are let in.",
     .required = true,
     .min = 1,
     .max = 16,
     .object = &kCaRefSchema},
    {.name = "mode",
     .type = FieldType::kEnum,
     .description = "Whether clients without a valid certificate are let in all the same.",
     .default_value = "\"AllowValidOnly\"",
     .values = kValidationModes},
};
const Schema kFrontendValidation{"validation", "How clients are checked.",
                                 kFrontendValidationFields};
constexpr Field kFrontendTlsFields[] = {
    {.name = "validation",
     .type = FieldType::kObject,
     .description = "Ask clients for certificates, and check them so.",
     .object = &kFrontendValidation},
};
const Schema kFrontendTls{"tls", "TLS towards clients.", kFrontendTlsFields};
constexpr Field kPerPortFields[] = {
    {.name = "port",
     .type = FieldType::kInteger,
     .description = "Port this is for.",
     .required = true,
     .min = 1,
     .max = 65535},
    {.name = "tls",
     .type = FieldType::kObject,
     .description = "TLS towards clients of that port.",
     .required = true,
     .object = &kFrontendTls},
};
const Schema kPerPort{"a port's TLS", "TLS towards clients of a port.", kPerPortFields};
constexpr const char* kPort[] = {"port"};
constexpr Field kFrontendFields[] = {
    {.name = "default",
     .type = FieldType::kObject,
     .description = "For every port that `perPort` does not name.",
     .required = true,
     .object = &kFrontendTls},
    {.name = "perPort",
     .type = FieldType::kObjectList,
     .description = "For single ports.",
     .max = 64,
     .object = &kPerPort,
     .keys = kPort},
};
const Schema kFrontend{"frontend", "TLS towards clients.", kFrontendFields};
constexpr Field kBackendTlsFields[] = {
    {.name = "clientCertificateRef",
     .type = FieldType::kObject,
     .description = "Certificate the Gateway shows to backends.",
     .object = &kSecretRefSchema},
};
const Schema kBackendTls{"backend", "TLS towards backends.", kBackendTlsFields};
constexpr Field kGatewayTlsFields[] = {
    {.name = "frontend",
     .type = FieldType::kObject,
     .description = "Towards clients.",
     .object = &kFrontend},
    {.name = "backend",
     .type = FieldType::kObject,
     .description = "Towards backends.",
     .object = &kBackendTls},
};
const Schema kGatewayTls{"tls", "TLS of the whole Gateway.", kGatewayTlsFields};

bool is_long_text(std::string_view text) { return text.size() <= 4096; }
const Format kLongText{"text of at most 4096 characters", "anything", is_long_text};

constexpr Field kInfrastructureFields[] = {
    {.name = "labels",
     .type = FieldType::kStringMap,
     .description = "Labels for what is made for the Gateway.",
     .max = 8,
     .format = &kLabelValue,
     .key_format = &kLabelName},
    {.name = "annotations",
     .type = FieldType::kStringMap,
     .description = "Annotations for the same.",
     .max = 16,
     .format = &kLongText,
     .key_format = &kLabelName},
    {.name = "parametersRef",
     .type = FieldType::kObject,
     .description = "An object with settings of the implementation.",
     .object = &kParametersSchema},
};
const Schema kInfrastructure{"infrastructure", "What is made for the Gateway.",
                             kInfrastructureFields};

constexpr const char* kListenerSetsFrom[] = {"All", "Selector", "Same", "None"};
constexpr Field kSetNamespacesFields[] = {
    {.name = "from",
     .type = FieldType::kEnum,
     .description = "Namespaces whose ListenerSets may attach.",
     .default_value = "\"None\"",
     .values = kListenerSetsFrom},
    {.name = "selector",
     .type = FieldType::kObject,
     .description = "For `Selector`: labels of those namespaces.",
     .object = &kNamespaceSelectorSchema},
};
const Schema kSetNamespaces{"namespaces", "Whose ListenerSets may attach.", kSetNamespacesFields};
constexpr Field kAllowedListenersFields[] = {
    {.name = "namespaces",
     .type = FieldType::kObject,
     .description = "Whose ListenerSets may attach.",
     .default_value = R"({"from": "None"})",
     .object = &kSetNamespaces},
};
const Schema kAllowedListeners{"allowedListeners", "Which ListenerSets may attach.",
                               kAllowedListenersFields};
constexpr const char* kScopes[] = {"All", "None"};

constexpr Field kGatewaySpecFields[] = {
    {.name = "gatewayClassName",
     .type = FieldType::kString,
     .description = "Name of the GatewayClass, which says who carries the Gateway out.",
     .required = true,
     .min = 1,
     .max = 253},
    listeners_field(),
    {.name = "addresses",
     .type = FieldType::kObjectList,
     .description = "Addresses asked for; left out: the implementation's choice.",
     .max = 16,
     .object = &kAddress,
     .rules = kAddressesRules},
    {.name = "infrastructure",
     .type = FieldType::kObject,
     .description = "Labels and the like for what is made for the Gateway.",
     .object = &kInfrastructure,
     .unsupported = "Weft makes no objects for a Gateway"},
    {.name = "allowedListeners",
     .type = FieldType::kObject,
     .description = "Which ListenerSets may attach.",
     .object = &kAllowedListeners},
    {.name = "tls",
     .type = FieldType::kObject,
     .description = "TLS of the whole Gateway.",
     .object = &kGatewayTls},
    {.name = "defaultScope",
     .type = FieldType::kEnum,
     .description = "Whether routes that want default Gateways attach here.",
     .values = kScopes,
     .unsupported = "Weft has no default Gateways",
     .experimental = true},
};
constexpr Schema kGatewaySpec{"a Gateway's spec", "Where traffic from outside comes in.",
                              kGatewaySpecFields};

// --- GatewayClass ---

constexpr Field kClassParameterFields[] = {
    group_field(nullptr), kind_field(nullptr), name_field(),
    namespace_field("Namespace of the object, when it has one.")};
const Schema kClassParameters{"parametersRef", "An object with settings of the implementation.",
                              kClassParameterFields};
constexpr Field kClassSpecFields[] = {
    {.name = "controllerName",
     .type = FieldType::kString,
     .description = "Who carries out the Gateways of this class.",
     .required = true,
     .min = 1,
     .max = 253,
     .format = &kControllerName},
    {.name = "parametersRef",
     .type = FieldType::kObject,
     .description = "An object with settings of the implementation.",
     .object = &kClassParameters},
    {.name = "description",
     .type = FieldType::kString,
     .description = "What the class is for.",
     .max = 64},
};
constexpr Schema kClassSpec{"a GatewayClass's spec", "Who carries out Gateways.", kClassSpecFields};

// --- ListenerSet ---

constexpr Field kSetParentFields[] = {
    group_field("\"gateway.networking.k8s.io\""), kind_field("\"Gateway\""), name_field(),
    namespace_field("Namespace of the Gateway; the object's own when left out.")};
const Schema kSetParent{"parentRef", "The Gateway the listeners are for.", kSetParentFields};
constexpr Field kSetSpecFields[] = {
    {.name = "parentRef",
     .type = FieldType::kObject,
     .description = "The Gateway the listeners are for.",
     .required = true,
     .object = &kSetParent},
    listeners_field(),
};
constexpr Schema kSetSpec{"a ListenerSet's spec", "More listeners for a Gateway.", kSetSpecFields};

constexpr auto kGatewayFields =
    document_fields("gateway.networking.k8s.io/v1", "Gateway", kNamedMetadata, kGatewaySpec);
constexpr auto kClassFields =
    document_fields("gateway.networking.k8s.io/v1", "GatewayClass", kClusterMetadata, kClassSpec);
constexpr auto kSetFields =
    document_fields("gateway.networking.k8s.io/v1", "ListenerSet", kNamedMetadata, kSetSpec);

}  // namespace

const Schema kGatewayDocument{"Gateway", "Where traffic from outside comes in.", kGatewayFields};
const Schema kGatewayClassDocument{"GatewayClass", "Who carries out Gateways.", kClassFields};
const Schema kListenerSetDocument{"ListenerSet", "More listeners for a Gateway.", kSetFields};

namespace {

ClientsSpec read_clients(const Node& tls, const ObjectMeta& meta) {
  ClientsSpec out;
  const Node* validation = tls.find("validation");
  if (!validation) return out;
  for (const Node& ref : items_of(*validation, "caCertificateRefs"))
    out.authorities.push_back(read_object_ref(ref, meta));
  out.fallback = validation->text_of("mode") == "AllowInsecureFallback";
  return out;
}

void read_frontend(const Node& frontend, const ObjectMeta& meta, GatewaySpec& out) {
  out.clients = read_clients(*frontend.find("default"), meta);
  for (const Node& port : items_of(frontend, "perPort")) {
    out.clients_of_port[static_cast<uint16_t>(number_of(port, "port"))] =
        read_clients(*port.find("tls"), meta);
  }
}

}  // namespace

void read_gateway(const Node& document, std::string_view, Object& object, Problems&) {
  const Node& spec = *document.find("spec");
  GatewaySpec out;
  out.class_name = spec.text_of("gatewayClassName");
  for (const Node& listener : items_of(spec, "listeners")) {
    out.listeners.push_back(read_listener(listener, object.meta));
  }
  for (const Node& address : items_of(spec, "addresses")) {
    out.addresses.push_back(
        {std::string(address.text_of("type")), std::string(address.text_of("value"))});
  }
  if (const Node* sets = spec.find_path({"allowedListeners", "namespaces"}))
    out.sets = read_namespaces(*sets);
  if (const Node* frontend = spec.find_path({"tls", "frontend"}))
    read_frontend(*frontend, object.meta, out);
  if (const Node* ref = spec.find_path({"tls", "backend", "clientCertificateRef"}))
    out.client_certificate = read_object_ref(*ref, object.meta);
  if (!model::is_dns_label(object.meta.name) ||
      object.meta.name.size() > model::kLongestGatewayName) {
    object.unsupported.push_back(fmt::format(
        "metadata.name: Weft carries out Gateways whose name is a DNS label of at most {} "
        "characters",
        model::kLongestGatewayName));
  }
  object.spec = std::move(out);
}

void read_gateway_class(const Node& document, std::string_view, Object& object, Problems&) {
  object.spec = GatewayClassSpec{std::string(document.find("spec")->text_of("controllerName"))};
}

void read_listener_set(const Node& document, std::string_view, Object& object, Problems&) {
  const Node& spec = *document.find("spec");
  ListenerSetSpec out;
  out.gateway = read_object_ref(*spec.find("parentRef"), object.meta);
  for (const Node& listener : items_of(spec, "listeners"))
    out.listeners.push_back(read_listener(listener, object.meta));
  object.spec = std::move(out);
}

}  // namespace weft::control
