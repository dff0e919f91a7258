// core/v1 Service: the fields Weft carries out, and by name those it does not. A Service selects
// workloads by label; without a selector it is served by the workloads that claimed its name.
#include <fmt/format.h>

#include <map>
#include <set>

#include "control/kinds.h"

namespace weft::control {
namespace {

constexpr const char* kProtocols[] = {"TCP"};
constexpr const char* kOtherProtocols[] = {"UDP", "SCTP"};
constexpr const char* kClusterIps[] = {"None"};
constexpr const char* kTypes[] = {"ClusterIP"};
constexpr const char* kOtherTypes[] = {"NodePort", "LoadBalancer", "ExternalName"};
constexpr const char* kAffinities[] = {"None"};
constexpr const char* kOtherAffinities[] = {"ClientIP"};
constexpr const char* kAppProtocols[] = {"http",
                                         "h2c",
                                         "grpc",
                                         "tcp",
                                         "tls",
                                         "https",
                                         "kubernetes.io/h2c",
                                         "kubernetes.io/ws",
                                         "kubernetes.io/wss"};
constexpr const char* kOtherAppProtocols[] = {"http2", "redis", "mysql", "mongo", "udp"};

constexpr Field kPortFields[] = {
    {.name = "name",
     .type = FieldType::kString,
     .description = "Name of the port; required when there are several.",
     .min = 1,
     .max = 15,
     .format = &kPortName},
    {.name = "port",
     .type = FieldType::kInteger,
     .description = "Port that clients connect to.",
     .required = true,
     .min = 1,
     .max = 65535},
    {.name = "targetPort",
     .type = FieldType::kIntegerOrName,
     .description =
         "Port the workload listens on: a number, or the name of a service or protocol it "
         "claimed. Without it: the claimed app port, else the same as `port`.",
     .min = 1,
     .max = 65535,
     .format = &kPortName},
    {.name = "protocol",
     .type = FieldType::kEnum,
     .description = "Transport protocol.",
     .default_value = "\"TCP\"",
     .values = kProtocols,
     .unsupported_values = kOtherProtocols},
    {.name = "appProtocol",
     .type = FieldType::kEnum,
     .description = "What is spoken on the port. Without it the sidecars find out: whoever speaks "
                    "first decides.",
     .values = kAppProtocols,
     .unsupported_values = kOtherAppProtocols},
    {.name = "nodePort",
     .type = FieldType::kInteger,
     .description = "Port on every host.",
     .unsupported = "to open a door on a host use `weft run --publish`"},
};
const Schema kPort{"a Service port", "One port of a Service.", kPortFields};

constexpr Field kSpecFields[] = {
    {.name = "selector",
     .type = FieldType::kStringMap,
     .description =
         "Workloads that carry all of these labels serve this Service. Without a selector: "
         "those started with `weft run --service NAME`, and the endpoints of its EndpointSlices.",
     .format = &kLabelValue,
     .key_format = &kLabelName},
    {.name = "clusterIP",
     .type = FieldType::kEnum,
     .description =
         "`None` makes the Service headless: its name resolves to the mesh addresses of its "
         "instances. Otherwise leave it out; Weft assigns the address.",
     .values = kClusterIps},
    {.name = "ports",
     .type = FieldType::kObjectList,
     .description = "Ports of the Service.",
     .required = true,
     .min = 1,
     .max = 100,
     .object = &kPort},
    {.name = "type",
     .type = FieldType::kEnum,
     .description = "How the Service is reached.",
     .values = kTypes,
     .unsupported_values = kOtherTypes},
    {.name = "sessionAffinity",
     .type = FieldType::kEnum,
     .description = "Keep a client on an instance.",
     .values = kAffinities,
     .unsupported_values = kOtherAffinities},
    {.name = "clusterIPs",
     .type = FieldType::kStringList,
     .description = "Addresses by family.",
     .unsupported = "leave it out: Weft assigns an IPv4 and an IPv6 address"},
    {.name = "ipFamilies",
     .type = FieldType::kStringList,
     .description = "Address families.",
     .unsupported = "leave it out: every Service has both families"},
    {.name = "ipFamilyPolicy",
     .type = FieldType::kString,
     .description = "Address families.",
     .unsupported = "leave it out: every Service has both families"},
    {.name = "externalIPs",
     .type = FieldType::kStringList,
     .description = "Addresses outside.",
     .unsupported = "leave it out"},
    {.name = "externalName",
     .type = FieldType::kString,
     .description = "An alias for a DNS name.",
     .unsupported = "connect to the name itself: it is carried unchanged"},
    {.name = "externalTrafficPolicy",
     .type = FieldType::kString,
     .description = "Routing of traffic from outside.",
     .unsupported = "leave it out"},
    {.name = "internalTrafficPolicy",
     .type = FieldType::kString,
     .description = "Routing of traffic from inside.",
     .unsupported = "leave it out"},
    {.name = "trafficDistribution",
     .type = FieldType::kString,
     .description = "Preference for near endpoints.",
     .unsupported = "leave it out"},
    {.name = "publishNotReadyAddresses",
     .type = FieldType::kBoolean,
     .description = "Show instances that are not ready.",
     .unsupported = "leave it out"},
    {.name = "sessionAffinityConfig",
     .type = FieldType::kString,
     .description = "Details of session affinity.",
     .unsupported = "leave it out"},
    {.name = "loadBalancerIP",
     .type = FieldType::kString,
     .description = "Address of a load balancer.",
     .unsupported = "leave it out"},
    {.name = "loadBalancerClass",
     .type = FieldType::kString,
     .description = "Kind of load balancer.",
     .unsupported = "leave it out"},
    {.name = "loadBalancerSourceRanges",
     .type = FieldType::kStringList,
     .description = "Who may use a load balancer.",
     .unsupported = "leave it out"},
    {.name = "allocateLoadBalancerNodePorts",
     .type = FieldType::kBoolean,
     .description = "Open ports on hosts.",
     .unsupported = "leave it out"},
    {.name = "healthCheckNodePort",
     .type = FieldType::kInteger,
     .description = "Port of health checks.",
     .unsupported = "leave it out"},
};
const Schema kSpec{"a Service's spec", "What the Service is.", kSpecFields};

constexpr Field kDocumentFields[] = {
    {.name = "apiVersion", .type = FieldType::kString, .description = "v1", .required = true},
    {.name = "kind", .type = FieldType::kString, .description = "Service", .required = true},
    {.name = "metadata",
     .type = FieldType::kObject,
     .description = "Who the object is.",
     .required = true,
     .object = &kServiceMetadata},
    {.name = "spec",
     .type = FieldType::kObject,
     .description = "What the Service is.",
     .required = true,
     .object = &kSpec},
    {.name = "status", .type = FieldType::kIgnored, .description = "Written by the server."},
};

ServicePortSpec read_port(const Node& node) {
  ServicePortSpec port;
  port.name = node.text_of("name");
  port.port = static_cast<uint16_t>(node.find("port")->number);
  if (const Node* target = node.find("targetPort")) {
    if (target->is(Node::Kind::kInteger)) {
      port.target.number = static_cast<uint16_t>(target->number);
    } else {
      port.target.name = target->text;
    }
  }
  const std::string_view protocol = node.text_of("appProtocol");
  if (protocol == "kubernetes.io/ws") {
    port.protocol = model::Protocol::kHttp;
  } else if (protocol == "tls" || protocol == "https" || protocol == "kubernetes.io/wss") {
    // The app's own TLS: carried unopened, and a TLSRoute may steer it.
    port.protocol = model::Protocol::kTcp;
    port.https = protocol != "tls";
  } else if (!protocol.empty()) {
    port.protocol = model::parse_protocol(protocol).value_or(model::Protocol::kAuto);
  }
  return port;
}

}  // namespace

const Schema kServiceDocument{"Service", "A stable name and address for interchangeable workloads.",
                              kDocumentFields};

void read_service(const Node& document, std::string_view file, Object& object, Problems& problems) {
  const Node& spec_node = *document.find("spec");
  ServiceSpec spec;
  spec.headless = spec_node.text_of("clusterIP") == "None";
  if (const Node* selector = spec_node.find("selector")) {
    for (const Node::Entry& entry : selector->entries) spec.selector[entry.name] = entry.value.text;
  }
  const auto report = [&](Position at, size_t index, std::string_view field, std::string what,
                          std::string hint) {
    problems.push_back({std::string(file), at, fmt::format("spec.ports[{}].{}", index, field),
                        std::move(what), std::move(hint)});
  };
  const std::vector<Node>& ports = spec_node.find("ports")->items;
  std::map<int64_t, size_t> numbers;
  std::map<std::string, size_t, std::less<>> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    const Node& number = *ports[i].find("port");
    if (const auto [it, fresh] = numbers.try_emplace(number.number, i); !fresh) {
      report(number.at, i, "port",
             fmt::format("port {} is already spec.ports[{}]", number.number, it->second),
             "each port once");
    }
    const Node* name = ports[i].find("name");
    if (!name && ports.size() > 1) {
      report(ports[i].at, i, "name", "required when a Service has several ports",
             "for example http");
    } else if (name) {
      if (const auto [it, fresh] = names.try_emplace(name->text, i); !fresh) {
        report(name->at, i, "name",
               fmt::format("the name '{}' is already spec.ports[{}]", name->text, it->second),
               "each name once");
      }
    }
    spec.ports.push_back(read_port(ports[i]));
  }
  object.spec = std::move(spec);
}

}  // namespace weft::control
