// Where instances are, which of them are near, and how much traffic each distance gets. Instances at one
// distance are a tier; nearer tiers come first, as priorities do in Envoy.
//
// Zone and region are an instance's labels topology.kubernetes.io/zone and .../region. Who has neither
// sees everyone at the same distance.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "model/policy.h"

namespace weft::steer {

inline constexpr const char* kZoneLabel = "topology.kubernetes.io/zone";
inline constexpr const char* kRegionLabel = "topology.kubernetes.io/region";

struct Place {
  std::string zone, region;
  friend bool operator==(const Place&, const Place&) = default;
};
Place place_of(const std::map<std::string, std::string>& labels);

// 0: the own zone (or all, when the own place is not known or zones do not matter); 1: elsewhere in the own
// region, or in another zone when no regions are told; 2 and more: the regions to fail over to, in order;
// then the rest.
uint32_t distance(const model::Locality& policy, const Place& own, const Place& other);

struct TierHealth {
  uint32_t in = 0;   // may be picked
  uint32_t all = 0;  // is there at all, also if it is not ready
};

struct TierShare {
  double part = 0;     // of the traffic; all 0 when nobody is in
  bool panic = false;  // too few are in: health is not asked
};

// A tier's capacity is its healthy share times the overprovisioning, at most 1; each takes what nearer ones
// could not. If all together have less than 1, each gets its part of what there is.
std::vector<TierShare> spread(const model::Locality& policy, std::span<const TierHealth> tiers);

}  // namespace weft::steer
