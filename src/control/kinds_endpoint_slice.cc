// discovery.k8s.io/v1 EndpointSlice: where a Service without a selector is served outside the mesh
// (docs/design/outside.md). Addresses that could only be meant to lead somewhere else are refused.
#include <fmt/format.h>

#include "control/kinds.h"
#include "control/kinds_refs.h"

namespace weft::control {
namespace {

constexpr const char* kServiceLabel = "kubernetes.io/service-name";

constexpr const char* kAddressTypes[] = {"IPv4", "IPv6"};
constexpr const char* kOtherAddressTypes[] = {"FQDN"};
constexpr const char* kProtocols[] = {"TCP"};
constexpr const char* kOtherProtocols[] = {"UDP", "SCTP"};

constexpr Field kConditionFields[] = {
    {.name = "ready",
     .type = FieldType::kBoolean,
     .description = "Whether it gets traffic; left out: it does."},
    {.name = "serving",
     .type = FieldType::kBoolean,
     .description = "Kept; `ready` and `terminating` decide."},
    {.name = "terminating", .type = FieldType::kBoolean, .description = "It ends: no new traffic."},
};
const Schema kConditions{"conditions", "The state of an endpoint.", kConditionFields};

constexpr Field kEndpointFields[] = {
    {.name = "addresses",
     .type = FieldType::kStringList,
     .description = "Its addresses, each an endpoint to Weft. Addresses of the host's loopback are "
                    "for callers whose `--host-port` opens the port.",
     .required = true,
     .min = 1,
     .max = 100,
     .format = &kAnyText},
    {.name = "conditions",
     .type = FieldType::kObject,
     .description = "Its state.",
     .object = &kConditions},
    {.name = "hostname",
     .type = FieldType::kString,
     .description = "A name of this endpoint alone.",
     .unsupported = "single endpoints have no names; leave it out"},
    {.name = "nodeName", .type = FieldType::kString, .description = "Kept."},
    {.name = "zone",
     .type = FieldType::kString,
     .description = "Where it is, as the label topology.kubernetes.io/zone says of a workload.",
     .format = &kLabelValue},
    {.name = "targetRef", .type = FieldType::kIgnored, .description = "Without meaning here."},
    {.name = "hints",
     .type = FieldType::kIgnored,
     .description = "Without effect: a BackendPolicy's locality decides."},
    {.name = "deprecatedTopology", .type = FieldType::kIgnored, .description = "Without effect."},
};
const Schema kEndpoint{"an endpoint", "One place where the Service is served.", kEndpointFields};

constexpr Field kPortFields[] = {
    {.name = "name",
     .type = FieldType::kString,
     .description = "Name of the Service's port; left out where that has none.",
     .default_value = "\"\"",
     .max = 63},
    {.name = "port",
     .type = FieldType::kInteger,
     .description = "Port of the endpoints.",
     .required = true,
     .min = 1,
     .max = 65535},
    {.name = "protocol",
     .type = FieldType::kEnum,
     .description = "Transport protocol.",
     .default_value = "\"TCP\"",
     .values = kProtocols,
     .unsupported_values = kOtherProtocols},
    {.name = "appProtocol",
     .type = FieldType::kString,
     .description = "Kept; the Service's own decides."},
};
const Schema kPort{"a port", "A port of the endpoints.", kPortFields};
constexpr const char* kPortKey[] = {"name"};

constexpr Field kFields[] = {
    {.name = "apiVersion",
     .type = FieldType::kString,
     .description = "discovery.k8s.io/v1",
     .required = true},
    {.name = "kind", .type = FieldType::kString, .description = "EndpointSlice", .required = true},
    {.name = "metadata",
     .type = FieldType::kObject,
     .description = "Who the object is. The label `kubernetes.io/service-name` names the Service.",
     .required = true,
     .object = &kNamedMetadata},
    {.name = "addressType",
     .type = FieldType::kEnum,
     .description = "What the addresses are.",
     .required = true,
     .values = kAddressTypes,
     .unsupported_values = kOtherAddressTypes},
    {.name = "endpoints",
     .type = FieldType::kObjectList,
     .description = "Where the Service is served.",
     .required = true,
     .max = 1000,
     .object = &kEndpoint},
    {.name = "ports",
     .type = FieldType::kObjectList,
     .description = "The ports of all these endpoints.",
     .max = 100,
     .object = &kPort,
     .keys = kPortKey},
    {.name = "status", .type = FieldType::kIgnored, .description = "Written by the server."},
};

// Why no traffic may be sent to an address; null = it may.
const char* forbidden(const IpAddress& ip) {
  if (ip.is_unspecified()) return "is no address of anybody";
  const auto& bytes = ip.raw();
  if (!ip.is_v4()) {
    if (bytes[0] == 0xff) return "is a multicast address";
    if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) return "is a link-local address";
    return nullptr;
  }
  if (bytes[0] == 169 && bytes[1] == 254) return "is a link-local address";
  if (bytes[0] >= 224 && bytes[0] < 240) return "is a multicast address";
  return bytes[0] >= 240 ? "is an address of the mesh itself, or of nobody" : nullptr;
}

class Reader {
 public:
  Reader(std::string_view file, Problems& problems) : file_(file), problems_(problems) {}

  EndpointSliceSpec::Endpoint endpoint(const Node& node, size_t at, bool v4) {
    EndpointSliceSpec::Endpoint out;
    const std::vector<Node>& addresses = items_of(node, "addresses");
    for (size_t i = 0; i < addresses.size(); ++i) {
      const auto wrong = [&](std::string what, std::string hint) {
        problems_.push_back({std::string(file_), addresses[i].at,
                             fmt::format("endpoints[{}].addresses[{}]", at, i), std::move(what),
                             std::move(hint)});
      };
      const std::string& text = addresses[i].text;
      const auto ip = IpAddress::parse(text);
      if (!ip || ip->is_v4() != v4) {
        wrong(fmt::format("'{}' is no {} address", text, v4 ? "IPv4" : "IPv6"),
              v4 ? "for example 10.0.0.7" : "for example 2001:db8::7");
      } else if (const char* why = forbidden(*ip)) {
        wrong(fmt::format("{} {}", text, why), "endpoints have addresses that hosts have");
      } else {
        out.addresses.push_back(*ip);
      }
    }
    if (const Node* conditions = node.find("conditions")) {
      const auto is = [&](const char* name, bool otherwise) {
        const Node* one = conditions->find(name);
        return one ? one->number != 0 : otherwise;
      };
      out.ready = is("ready", true) && !is("terminating", false);
    }
    out.zone = node.text_of("zone");
    return out;
  }

 private:
  std::string_view file_;
  Problems& problems_;
};

}  // namespace

const Schema kEndpointSliceDocument{
    "EndpointSlice", "Where a Service without a selector is served outside the mesh.", kFields};

void read_endpoint_slice(const Node& document, std::string_view file, Object& object,
                         Problems& problems) {
  EndpointSliceSpec out;
  if (const auto it = object.meta.labels.find(kServiceLabel); it != object.meta.labels.end())
    out.service = it->second;
  const std::string_view type = document.text_of("addressType");
  if (type == "IPv4" || type == "IPv6") {
    Reader reader(file, problems);
    const std::vector<Node>& endpoints = items_of(document, "endpoints");
    for (size_t i = 0; i < endpoints.size(); ++i)
      out.endpoints.push_back(reader.endpoint(endpoints[i], i, type == "IPv4"));
  }
  for (const Node& port : items_of(document, "ports")) {
    out.ports.push_back(
        {std::string(port.text_of("name")), static_cast<uint16_t>(number_of(port, "port"))});
  }
  object.spec = std::move(out);
}

}  // namespace weft::control
