// DNS: any bytes may arrive on the port. What parses must survive being built and parsed again, and an
// answer of the zone must always parse and keep to its limit.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "wire/dns.h"
#include "wire/dns_zone.h"

namespace {

using namespace weft;

void require(bool holds) {
  if (!holds) std::abort();
}

wire::DnsZoneView view(bool complete) {
  wire::DnsZoneView view{.default_namespace = "default", .search = {"corp.example"}};
  view.index_complete = complete;
  view.find = [](const model::ServiceName& name) -> std::optional<model::NameEntry> {
    if (name.name != "cart" && name.name != "db") return std::nullopt;
    return model::NameEntry{
        .service = name, .vip4 = IpAddress::v4(0xf0f00009), .headless = name.name == "db"};
  };
  view.endpoints = [](const model::ServiceName&) {
    auto set = std::make_shared<model::EndpointSet>();
    set->endpoints.resize(100);
    for (auto& endpoint : set->endpoints) {
      endpoint.workload = "db-1";
      endpoint.mesh4 = IpAddress::v4(0xf0f10001);
      endpoint.target_ports = {{80, 8080}};
    }
    return set;
  };
  view.service = [](const model::ServiceName&) {
    auto service = std::make_shared<model::Service>();
    service->ports = {{.port = 80, .name = "http"}};
    return service;
  };
  view.is_mesh_address = [](const IpAddress& address) { return address.is_v4(); };
  view.reverse = [](const IpAddress&) {
    return std::optional<std::string>("cart.default.svc.mesh");
  };
  return view;
}

void check_zone(const wire::DnsMessage& query, bool complete) {
  const wire::DnsOutcome outcome = wire::dns_answer(query, view(complete));
  if (outcome.kind == wire::DnsOutcome::kForward) return;
  const size_t limit = wire::dns_udp_limit(query);
  const std::string reply = wire::build_dns(outcome.reply, limit);
  require(reply.size() <= limit);
  require(wire::parse_dns(reply).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (auto message = wire::parse_dns(bytes)) {
    const std::string built = wire::build_dns(*message, SIZE_MAX);
    const auto again = wire::parse_dns(built);
    require(again.has_value());
    require(wire::build_dns(*again, SIZE_MAX) == built);
  }
  if (auto query = wire::parse_dns_query(bytes)) {
    check_zone(*query, true);
    check_zone(*query, false);
  }
  wire::dns_answers(bytes, bytes);
  const std::string refusal = wire::dns_refusal(bytes, wire::DnsCode::kFormErr);
  require(refusal.empty() || wire::parse_dns(refusal).has_value());
  Buffer stream(bytes);
  while (wire::take_dns_frame(stream)) {
  }
  return 0;
}
