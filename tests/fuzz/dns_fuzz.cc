// DNS: any bytes may arrive on the port. What parses must survive being built and parsed again, and an
// answer of the zone must always parse and keep to its limit.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "wire/dns.h"
#include "wire/dns_zone.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

weft::wire::DnsZoneView view(bool complete) {
  weft::wire::DnsZoneView view{.default_namespace = "default", .search = {"corp.example"}};
  view.index_complete = complete;
  view.find = [](const weft::model::ServiceName& name) -> std::optional<weft::model::NameEntry> {
    if (name.name != "cart" && name.name != "db") return std::nullopt;
    return weft::model::NameEntry{
        .service = name, .vip4 = weft::IpAddress::v4(0xf0f00009), .headless = name.name == "db"};
  };
  view.endpoints = [](const weft::model::ServiceName&) {
    auto set = std::make_shared<weft::model::EndpointSet>();
    set->endpoints.resize(100);
    for (auto& endpoint : set->endpoints) {
      endpoint.workload = "db-1";
      endpoint.mesh4 = weft::IpAddress::v4(0xf0f10001);
      endpoint.target_ports = {{80, 8080}};
    }
    return set;
  };
  view.service = [](const weft::model::ServiceName&) {
    auto service = std::make_shared<weft::model::Service>();
    service->ports = {{.port = 80, .name = "http"}};
    return service;
  };
  view.is_mesh_address = [](const weft::IpAddress& address) { return address.is_v4(); };
  view.reverse = [](const weft::IpAddress&) {
    return std::optional<std::string>("cart.default.svc.mesh");
  };
  return view;
}

void check_zone(const weft::wire::DnsMessage& query, bool complete) {
  const weft::wire::DnsOutcome outcome = weft::wire::dns_answer(query, view(complete));
  if (outcome.kind == weft::wire::DnsOutcome::kForward) return;
  const size_t limit = weft::wire::dns_udp_limit(query);
  const std::string reply = weft::wire::build_dns(outcome.reply, limit);
  require(reply.size() <= limit);
  require(weft::wire::parse_dns(reply).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (auto message = weft::wire::parse_dns(bytes)) {
    const std::string built = weft::wire::build_dns(*message, SIZE_MAX);
    const auto again = weft::wire::parse_dns(built);
    require(again.has_value());
    require(weft::wire::build_dns(*again, SIZE_MAX) == built);
  }
  if (auto query = weft::wire::parse_dns_query(bytes)) {
    check_zone(*query, true);
    check_zone(*query, false);
  }
  weft::wire::dns_answers(bytes, bytes);
  const std::string refusal = weft::wire::dns_refusal(bytes, weft::wire::DnsCode::kFormErr);
  require(refusal.empty() || weft::wire::parse_dns(refusal).has_value());
  weft::Buffer stream(bytes);
  while (weft::wire::take_dns_frame(stream)) {
  }
  return 0;
}
