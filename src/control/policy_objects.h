// The specs of policies as the compiler needs them: what object.h is for routes. Plain
// values; callers are SPIFFE IDs, or NAMESPACE/NAME of the mesh's own trust domain until they are compiled.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/policy.h"

namespace weft::control {

// What a policy is for: an object of its own namespace, or one named rule of a route.
struct PolicyTarget {
  std::string group;  // "" = core
  std::string
      kind;  // Service, HTTPRoute, GRPCRoute, TCPRoute, TLSRoute; of others only their status
  std::string name;
  std::string section;  // of a route: the rule of this name; "" = all
  friend bool operator==(const PolicyTarget&, const PolicyTarget&) = default;
};
using PolicyTargets = std::vector<PolicyTarget>;

struct BackendPolicySpec {
  PolicyTargets targets;
  model::BackendPolicyPtr policy;  // origins filled in
};

struct FaultPolicySpec {
  PolicyTargets targets;
  model::Fault fault;  // `expires` 0: so long after the policy was made
  Duration lasts{};

  // Of a policy made at `made`.
  WallTime ends(WallTime made) const {
    return fault.expires.unix_ns != 0 ? fault.expires : made + lasts;
  }
};

// XBackendTrafficPolicy.
struct TrafficPolicySpec {
  PolicyTargets targets;
  std::optional<model::RetryConstraint> constraint;
  std::optional<model::SessionPersistence>
      sessions;  // a cookie without name gets one for each target
};

struct RateLimitPolicySpec {
  PolicyTargets targets;
  std::vector<model::RateLimit> limits;  // without what they count
};

}  // namespace weft::control
