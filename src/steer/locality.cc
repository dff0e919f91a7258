// Envoy's arithmetic of priorities (architecture overview, "Priority levels" and "Panic threshold"), with
// fractions in place of rounded percents.
#include "steer/locality.h"

#include <algorithm>

namespace weft::steer {
namespace {

std::string label(const std::map<std::string, std::string>& labels, const char* name) {
  auto found = labels.find(name);
  return found == labels.end() ? "" : found->second;
}

}  // namespace

Place place_of(const std::map<std::string, std::string>& labels) {
  return {label(labels, kZoneLabel), label(labels, kRegionLabel)};
}

uint32_t distance(const model::Locality& policy, const Place& own, const Place& other) {
  if (own == Place{}) return 0;
  const bool region = own.region == other.region;
  if (region && (!policy.same_zone_first || own.zone.empty() || own.zone == other.zone)) return 0;
  if (region) return 1;
  for (uint32_t i = 0; i < policy.failover.size(); ++i) {
    if (policy.failover[i] == other.region) return 2 + i;
  }
  return 2 + static_cast<uint32_t>(policy.failover.size());
}

std::vector<TierShare> spread(const model::Locality& policy, std::span<const TierHealth> tiers) {
  std::vector<TierShare> shares(tiers.size());
  double left = 1;
  for (size_t i = 0; i < tiers.size(); ++i) {
    if (tiers[i].all == 0) continue;
    const double healthy = static_cast<double>(tiers[i].in) / tiers[i].all;
    shares[i].part = std::min({left, 1.0, healthy * policy.overprovisioning_percent / 100});
    left -= shares[i].part;
  }
  if (left <= 1e-9) return shares;
  const double taken = 1 - left;
  for (size_t i = 0; i < tiers.size(); ++i) {
    if (taken > 0) shares[i].part /= taken;
    shares[i].panic = uint64_t{tiers[i].in} * 100 < uint64_t{tiers[i].all} * policy.panic_percent;
  }
  return shares;
}

}  // namespace weft::steer
