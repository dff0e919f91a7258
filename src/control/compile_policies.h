// Which policies are in force where (docs/design/policies.md). Functions of the compiler's state alone.
//
// Of two policies of a kind with the same target the older is in force, then the one whose name comes first;
// one that cannot act on the target does not count. Whether a target exists is for the status only: who does
// not exist is not called either.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/compile_state.h"

namespace weft::control {

inline constexpr Duration kLongestFault = Duration::hours(24);

// Of a policy; null for other objects.
const PolicyTargets* targets_of(const Object& object);
PolicyPlace place_of(const Object& policy, const PolicyTarget& target);
PolicyPlace place_of(const model::ServiceName& service);

// Why the policy is not in force on this target of its: reason and message of Accepted=False; no reason = it
// is.
BackendProblem target_problem(const Compiler::State& state, const Object& policy,
                              const PolicyTarget& target);

// The policy of this kind that is in force there; null: none.
const Object* policy_in_force(const Compiler::State& state, std::string_view kind,
                              const PolicyPlace& place);

// Policies by place for one compilation: what several rules have in common is one object in memory.
class PolicyLookup {
 public:
  explicit PolicyLookup(const Compiler::State& state) : state_(state) {}

  struct Found {
    model::BackendPolicyPtr policy;
    model::FaultPtr fault;
    model::FaultPtr route_fault = nullptr;  // where a rule has one of its own
  };
  const Found& of_service(const model::ServiceName& service);
  // Fills in what the port's rules have of their own and of their routes.
  void give(model::ServicePort& port);

 private:
  // `route`: NAMESPACE/NAME.
  const Found& of_rule(const char* kind, const std::string& route, const std::string& rule);
  Found at(const PolicyPlace& place) const;

  const Compiler::State& state_;
  std::map<PolicyPlace, Found> found_;
};

// A caller as policies name it, in full.
std::string full_identity(const Compiler::State& state, const std::string& caller);

// The rate limits and health checks for what the instance serves.
model::Inbound compile_inbound(const Compiler::State& state, const Instance& instance,
                               const Affected& services);

// Accepted, of all targets together.
std::vector<Condition> policy_conditions(const Compiler::State& state, const Object& policy);

// --- changes ---
// Services whose rules or endpoints say what the policy says.
void add_targets(const Compiler::State& state, const Object& policy, Affected& out);
// Marks the instances whose compile_inbound() may be another because of this object.
void mark_inbounds(Compiler::State& state, const Object& object);

}  // namespace weft::control
