// The kinds of resources that discovery carries, in the order one push sends them: endpoints before
// the services that name them, both before the index that leads callers there (make before break), and
// what an instance must know of itself before the index too, whose arrival makes it ready. A Gateway, like a
// service, comes behind what its rules name, and a service behind rules of its own that travel apart.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace weft::xds {

// The numbers stand in files (proxy/last_good.h): new ones come last.
enum class ResourceType : uint8_t {
  kEndpoints,
  kService,
  kWorkloadAddress,
  kName,
  kInbound,
  kGateway,
  kRules
};
inline constexpr size_t kResourceTypes = 7;
inline constexpr std::array<ResourceType, kResourceTypes> kAllResourceTypes{
    ResourceType::kEndpoints, ResourceType::kRules,           ResourceType::kService,
    ResourceType::kGateway,   ResourceType::kWorkloadAddress, ResourceType::kInbound,
    ResourceType::kName};

// "type.googleapis.com/weft.v1.Endpoints" and so on.
std::string_view type_url(ResourceType type);
// Nothing for a type that is none of ours.
std::optional<ResourceType> parse_type_url(std::string_view url);
// What is subscribed to get a resource: its name, but of Rules ("cart.default/0123456789abcdef") the
// service, whose parts come and go together.
constexpr std::string_view subscription_of(ResourceType type, std::string_view name) {
  return type == ResourceType::kRules ? name.substr(0, name.find('/')) : name;
}
// "Endpoints", for messages to people.
std::string_view short_name(ResourceType type);

// What a proxy of this build understands. A resource says the lowest level it needs (`min_proxy`); what needs
// which is in proxy_level.h.
inline constexpr uint32_t kProxyLevel = 5;

// The gRPC methods of the control plane.
inline constexpr std::string_view kDeltaPath =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
inline constexpr std::string_view kJoinPath = "/weft.v1.Control/Join";
inline constexpr std::string_view kRenewMachinePath = "/weft.v1.Control/RenewMachine";
inline constexpr std::string_view kRegisterPath = "/weft.v1.Control/Register";
inline constexpr std::string_view kIssueSvidPath = "/weft.v1.Control/IssueSvid";
inline constexpr std::string_view kReportPath = "/weft.v1.Control/Report";
inline constexpr std::string_view kLeavePath = "/weft.v1.Control/Leave";
inline constexpr std::string_view kQuestionsPath = "/weft.v1.Control/Questions";

}  // namespace weft::xds
