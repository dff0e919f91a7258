// The table of resource types: one row each, so that a new type is one line here and one
// enumerator.
#include "xds/resource_type.h"

namespace weft::xds {
namespace {

constexpr std::string_view kPrefix = "type.googleapis.com/weft.v1.";
constexpr std::array<std::string_view, kResourceTypes> kUrls{
    "type.googleapis.com/weft.v1.Endpoints",
    "type.googleapis.com/weft.v1.Service",
    "type.googleapis.com/weft.v1.WorkloadAddress",
    "type.googleapis.com/weft.v1.Name",
    "type.googleapis.com/weft.v1.Inbound",
    "type.googleapis.com/weft.v1.Gateway",
    "type.googleapis.com/weft.v1.Rules"};

}  // namespace

std::string_view type_url(ResourceType type) { return kUrls[static_cast<size_t>(type)]; }

std::optional<ResourceType> parse_type_url(std::string_view url) {
  for (ResourceType type : kAllResourceTypes) {
    if (type_url(type) == url) return type;
  }
  return std::nullopt;
}

std::string_view short_name(ResourceType type) { return type_url(type).substr(kPrefix.size()); }

}  // namespace weft::xds
