// What needs which proxy level (kProxyLevel): one row for each thing that an older proxy would leave out and
// then do something else. A resource needs the highest level of what is in it, and an older proxy refuses it.
// Rows are only added; a new one that the present level does not have yet raises kProxyLevel.
#pragma once

#include <algorithm>
#include <cstdint>

#include "xds/resource_type.h"

namespace weft::xds {

enum class Needs : uint8_t {
  kTcpRules,  // rules for opaque connections
  kSteering,  // of a rule: hosts, gRPC matches, redirects, rewrites
  kFilters,   // of a rule: mirrors, CORS, session persistence; rewrites and mirrors of a backend
  kPolicies,  // backend policies and faults
  kInbound,   // health checks and rate limits of an instance
  kGateway,   // listeners at the edge
  kTrafficPolicy,  // retry constraints and sessions of a Service
  kNarrowFault,    // faults of opaque connections by route, and of a route beside its rule's
  kParts,          // rules that travel apart from their service
  kOutside,        // endpoints outside the mesh, and what a Gateway shows them
  kGatewayFront,   // of a Gateway: addresses, who may connect, more than 64 listeners
};
inline constexpr Needs kLastNeed = Needs::kGatewayFront;

constexpr uint32_t level_of(Needs what) {
  switch (what) {
    case Needs::kTcpRules: return 2;
    case Needs::kSteering: return 3;
    case Needs::kFilters:
    case Needs::kPolicies:
    case Needs::kInbound:
    case Needs::kGateway: return 4;
    case Needs::kTrafficPolicy:
    case Needs::kNarrowFault:
    case Needs::kParts:
    case Needs::kOutside:
    case Needs::kGatewayFront: return 5;
  }
  return kProxyLevel;
}
static_assert(level_of(kLastNeed) == kProxyLevel);

// Of one resource: any proxy understands it until something in it needs more.
class Level {
 public:
  void needs(Needs what) { level_ = std::max(level_, level_of(what)); }
  uint32_t value() const { return level_; }

 private:
  uint32_t level_ = 1;
};

}  // namespace weft::xds
