// bytes → model, checked field by field. The control plane is no more trusted here than any peer: a
// proxy that accepts a resource can rely on every count, length and name in it.
#include <fmt/format.h>

#include "policies.pb.h"
#include "resources.pb.h"
#include "xds/convert.h"
#include "xds/decode_checks.h"
#include "xds/decode_policies.h"
#include "xds/decode_rules.h"

namespace weft::xds {
namespace {

constexpr int kEndpoints = static_cast<int>(kMostEndpoints);
constexpr int kPorts = 256;
constexpr int kInlineAtMost = static_cast<int>(kRulesInOne);
constexpr int kParts = static_cast<int>(kPortRules);
constexpr size_t kLabels = 128;
constexpr int kNames = 16;

Result<IpAddress> optional_ip(const std::string& bytes, std::string_view field, bool want_v4) {
  if (bytes.empty()) return want_v4 ? IpAddress::v4(0) : IpAddress::v6({});
  auto ip = IpAddress::from_bytes(bytes);
  if (!ip) return std::unexpected(std::move(ip.error()).context(field));
  if (ip->is_v4() != want_v4) {
    return invalid(fmt::format("{}: {} is of the wrong family", field, ip->to_string()));
  }
  return *ip;
}

Result<model::Protocol> from_wire(int protocol) {
  switch (protocol) {
    case v1::AUTO: return model::Protocol::kAuto;
    case v1::HTTP: return model::Protocol::kHttp;
    case v1::H2C: return model::Protocol::kH2c;
    case v1::GRPC: return model::Protocol::kGrpc;
    case v1::TCP: return model::Protocol::kTcp;
    default: return invalid(fmt::format("protocol: unknown value {}", protocol));
  }
}

Result<void> check_level(uint32_t min_proxy, uint32_t level) {
  if (min_proxy <= level) return {};
  return fail(ErrorKind::kUnsupported,
              fmt::format("needs proxy level {}, this proxy has level {}: update weft-proxy",
                          min_proxy, level));
}

template <typename Message>
Result<Message> parse(std::string_view bytes, uint32_t level) {
  if (bytes.size() > kResourceBytes) {
    return invalid(fmt::format("{} bytes, at most {} allowed", bytes.size(), kResourceBytes));
  }
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return invalid("not a well-formed message");
  }
  if (auto ok = check_level(message.min_proxy(), level); !ok) return std::unexpected(ok.error());
  return message;
}

Result<model::ServicePort> decode(const v1::ServicePort& in, const PolicyTables& policies) {
  model::ServicePort out;
  auto port = port_number(in.port(), "port");
  if (!port) return std::unexpected(port.error());
  out.port = *port;
  auto name = text(in.name(), "port name", 64);
  if (!name) return std::unexpected(name.error());
  out.name = std::move(*name);
  auto protocol = from_wire(in.protocol());
  if (!protocol) return std::unexpected(protocol.error());
  out.protocol = *protocol;
  out.routed = in.routed();
  if (auto ok = within(in.rules_size(), kInlineAtMost, "rules"); !ok) {
    return std::unexpected(ok.error());
  }
  for (const auto& entry : in.rules()) {
    auto rule = decode_rule(entry, policies);
    if (!rule) return std::unexpected(std::move(rule.error()));
    out.rules.push_back(std::move(*rule));
  }
  if (auto ok = within(in.parts_size(), kParts, "parts"); !ok) return std::unexpected(ok.error());
  out.parts.assign(in.parts().begin(), in.parts().end());
  if (!out.parts.empty() && !out.rules.empty()) return invalid("rules: both here and in parts");
  if (auto ok = within(in.tcp_rules_size(), kInlineAtMost, "tcp_rules"); !ok) {
    return std::unexpected(ok.error());
  }
  for (const auto& entry : in.tcp_rules()) {
    auto rule = decode_rule(entry, policies);
    if (!rule) return std::unexpected(std::move(rule.error()));
    out.tcp_rules.push_back(std::move(*rule));
  }
  return out;
}

Result<void> decode_labels(const google::protobuf::Map<std::string, std::string>& in,
                           std::map<std::string, std::string>& out) {
  if (in.size() > kLabels) return invalid(fmt::format("labels: {} entries", in.size()));
  for (const auto& [key, value] : in) {
    auto k = text(key, "label", 512);
    if (!k) return std::unexpected(k.error());
    auto v = text(value, "label", 512);
    if (!v) return std::unexpected(v.error());
    out.emplace(std::move(*k), std::move(*v));
  }
  return {};
}

Result<model::Endpoint> decode(const v1::Endpoint& in) {
  model::Endpoint out;
  auto workload = field_name(in.workload(), "endpoint.workload");
  if (!workload) return std::unexpected(workload.error());
  out.workload = std::move(*workload);
  auto ip = IpAddress::from_bytes(in.ip());
  if (!ip) return std::unexpected(std::move(ip.error()).context("endpoint.ip"));
  auto port = port_number(in.port(), "endpoint.port");
  if (!port) return std::unexpected(port.error());
  out.address = {*ip, *port};
  out.outside = in.outside();
  if (!out.outside) {
    auto identity = model::SpiffeId::parse(in.identity());
    if (!identity) return std::unexpected(std::move(identity.error()).context("endpoint.identity"));
    out.identity = std::move(*identity);
  } else if (!in.identity().empty()) {
    return invalid("endpoint.identity: what is outside the mesh has none");
  }
  auto mesh4 = optional_ip(in.mesh4(), "endpoint.mesh4", true);
  if (!mesh4) return std::unexpected(mesh4.error());
  auto mesh6 = optional_ip(in.mesh6(), "endpoint.mesh6", false);
  if (!mesh6) return std::unexpected(mesh6.error());
  out.mesh4 = *mesh4;
  out.mesh6 = *mesh6;
  if (in.target_ports().size() > kPorts) return invalid("endpoint.target_ports: too many");
  for (const auto& [from, to] : in.target_ports()) {
    auto service_port = port_number(from, "endpoint.target_ports");
    if (!service_port) return std::unexpected(service_port.error());
    auto target = port_number(to, "endpoint.target_ports");
    if (!target) return std::unexpected(target.error());
    out.target_ports.emplace(*service_port, *target);
  }
  if (auto ok = decode_labels(in.labels(), out.labels); !ok) return std::unexpected(ok.error());
  out.ready = in.ready();
  out.stale = in.stale();
  return out;
}

Result<model::OutsideTls> decode(const v1::OutsideTls& in) {
  model::OutsideTls out;
  auto origin = field_name(in.origin(), "outside_tls.origin");
  if (!origin) return std::unexpected(origin.error());
  out.origin = std::move(*origin);
  auto problem = text(in.problem(), "outside_tls.problem");
  if (!problem) return std::unexpected(problem.error());
  out.problem = std::move(*problem);
  auto server_name = field_name(in.server_name(), "outside_tls.server_name");
  if (!server_name) return std::unexpected(server_name.error());
  out.server_name = std::move(*server_name);
  out.authorities = in.authorities();
  auto from = text(in.authorities_origin(), "outside_tls.authorities_origin");
  if (!from) return std::unexpected(from.error());
  out.authorities_origin = std::move(*from);
  if (auto ok = within(in.names_size(), kNames, "outside_tls.names"); !ok)
    return std::unexpected(ok.error());
  for (const auto& entry : in.names()) {
    auto value = field_name(entry.value(), "outside_tls.names");
    if (!value) return std::unexpected(value.error());
    out.names.push_back({entry.uri(), std::move(*value)});
  }
  return out;
}

Result<void> decode_outside(const v1::Endpoints& in, model::EndpointSet& out) {
  if (auto ok = within(in.outside_tls_size(), kPorts, "outside_tls"); !ok)
    return std::unexpected(ok.error());
  for (const auto& entry : in.outside_tls()) {
    auto tls = decode(entry);
    if (!tls) return std::unexpected(tls.error());
    const auto shared = std::make_shared<const model::OutsideTls>(std::move(*tls));
    for (uint32_t number : entry.ports()) {
      auto port = port_number(number, "outside_tls.ports");
      if (!port) return std::unexpected(port.error());
      if (!out.outside_tls.emplace(*port, shared).second)
        return invalid(fmt::format("outside_tls.ports: {} twice", *port));
    }
  }
  return {};
}

}  // namespace

Result<model::NameEntry> decode_name(std::string_view bytes, uint32_t level) {
  auto in = parse<v1::Name>(bytes, level);
  if (!in) return std::unexpected(in.error());
  auto name = service_name(in->service(), "service");
  if (!name) return std::unexpected(name.error());
  auto vip4 = optional_ip(in->vip4(), "vip4", true);
  if (!vip4) return std::unexpected(vip4.error());
  auto vip6 = optional_ip(in->vip6(), "vip6", false);
  if (!vip6) return std::unexpected(vip6.error());
  model::NameEntry out{std::move(*name), *vip4, *vip6, in->headless()};
  if (in->ports_size() > kPorts) return invalid("ports: too many");
  for (uint32_t number : in->ports()) {
    auto port = port_number(number, "ports");
    if (!port) return std::unexpected(port.error());
    out.ports.push_back(*port);
  }
  return out;
}

Result<model::Service> decode_service(std::string_view bytes, uint32_t level) {
  auto in = parse<v1::Service>(bytes, level);
  if (!in) return std::unexpected(in.error());
  model::Service out;
  auto name = service_name(in->service(), "service");
  if (!name) return std::unexpected(name.error());
  auto vip4 = optional_ip(in->vip4(), "vip4", true);
  if (!vip4) return std::unexpected(vip4.error());
  auto vip6 = optional_ip(in->vip6(), "vip6", false);
  if (!vip6) return std::unexpected(vip6.error());
  out.name = std::move(*name);
  out.vip4 = *vip4;
  out.vip6 = *vip6;
  out.headless = in->headless();
  auto policies = PolicyTables::decode(in->policies(), in->faults());
  if (!policies) return std::unexpected(std::move(policies.error()));
  auto fault = policies->fault(in->fault());
  if (!fault) return std::unexpected(std::move(fault.error()));
  out.fault = std::move(*fault);
  if (auto ok = within(in->ports_size(), kPorts, "ports"); !ok) return std::unexpected(ok.error());
  for (const auto& entry : in->ports()) {
    auto port = decode(entry, *policies);
    if (!port) return std::unexpected(port.error());
    for (const auto& other : out.ports) {
      if (other.port == port->port) return invalid(fmt::format("ports: {} twice", port->port));
    }
    out.ports.push_back(std::move(*port));
  }
  return out;
}

Result<std::vector<model::RouteRule>> decode_rules(std::string_view bytes, uint32_t level) {
  auto in = parse<v1::Rules>(bytes, level);
  if (!in) return std::unexpected(in.error());
  auto policies = PolicyTables::decode(in->policies(), in->faults());
  if (!policies) return std::unexpected(std::move(policies.error()));
  if (auto ok = within(in->rules_size(), static_cast<int>(kPartRules), "rules"); !ok) {
    return std::unexpected(ok.error());
  }
  std::vector<model::RouteRule> out;
  for (const auto& entry : in->rules()) {
    auto rule = decode_rule(entry, *policies);
    if (!rule) return std::unexpected(std::move(rule.error()));
    out.push_back(std::move(*rule));
  }
  return out;
}

Result<model::EndpointSet> decode_endpoints(std::string_view bytes, uint32_t level) {
  auto in = parse<v1::Endpoints>(bytes, level);
  if (!in) return std::unexpected(in.error());
  model::EndpointSet out;
  auto name = service_name(in->service(), "service");
  if (!name) return std::unexpected(name.error());
  out.service = std::move(*name);
  if (auto ok = within(in->endpoints_size(), kEndpoints, "endpoints"); !ok) {
    return std::unexpected(ok.error());
  }
  for (const auto& entry : in->endpoints()) {
    auto endpoint = decode(entry);
    if (!endpoint) return std::unexpected(endpoint.error());
    out.endpoints.push_back(std::move(*endpoint));
  }
  if (in->has_policy()) {
    auto policy = decode_policy(in->policy());
    if (!policy) return std::unexpected(policy.error());
    out.policy = std::make_shared<const model::BackendPolicy>(std::move(*policy));
  }
  if (auto ok = decode_outside(*in, out); !ok) return std::unexpected(ok.error());
  return out;
}

Result<model::Inbound> decode_inbound(std::string_view bytes, uint32_t level) {
  auto in = parse<v1::Inbound>(bytes, level);
  if (!in) return std::unexpected(in.error());
  return decode_inbound(*in);
}

Result<model::WorkloadAddress> decode_workload_address(std::string_view bytes, uint32_t level) {
  auto in = parse<v1::WorkloadAddress>(bytes, level);
  if (!in) return std::unexpected(in.error());
  model::WorkloadAddress out;
  auto endpoint = decode(in->endpoint());
  if (!endpoint) return std::unexpected(endpoint.error());
  out.endpoint = std::move(*endpoint);
  if (in->ports().size() > kPorts) return invalid("ports: too many");
  for (const auto& [number, value] : in->ports()) {
    auto port = port_number(number, "ports");
    if (!port) return std::unexpected(port.error());
    auto protocol = from_wire(value);
    if (!protocol) return std::unexpected(protocol.error());
    out.ports.emplace(*port, *protocol);
  }
  return out;
}

}  // namespace weft::xds
