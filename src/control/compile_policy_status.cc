// What a policy's status says of its targets, and a target's of its policies (Gateway API v1, PolicyStatus).
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "control/compile_outside.h"
#include "control/compile_policies.h"

namespace weft::control {
namespace {

Condition accepted(const BackendProblem& problem) {
  return {.type = "Accepted",
          .ok = problem.reason.empty(),
          .reason = problem.reason.empty() ? "Accepted" : problem.reason,
          .message = problem.message};
}

// ResolvedRefs, of a kind that has references beside its targets.
void add_resolved(const Compiler::State& state, const Object& policy, std::vector<Condition>& out) {
  if (!std::holds_alternative<BackendTlsSpec>(policy.spec)) return;
  const BackendProblem problem = authorities_problem(state, policy);
  out.push_back({.type = "ResolvedRefs",
                 .ok = problem.reason.empty(),
                 .reason = problem.reason.empty() ? "ResolvedRefs" : problem.reason,
                 .message = problem.message});
}

void add_instances_behind(const Object& route, Carriers& out) {
  const auto* spec = std::get_if<HttpRouteSpec>(&route.spec);
  if (!spec) return;
  for (const HttpRouteRule& rule : spec->rules) {
    for (const BackendRef& ref : rule.backends) {
      if (ref.is_service()) {
        out.push_back({.service = ref.backend.service, .callers = "", .in = Carrier::kInbound});
      }
    }
  }
}

// Who carries out the policy on a Service.
Carriers service_carriers(const Compiler::State& state, const Object& policy,
                          const model::ServiceName& service) {
  Carriers out;
  const auto add = [&](Carrier::In in) {
    out.push_back({.service = service, .callers = "", .in = in});
  };
  if (const auto* backend = std::get_if<BackendPolicySpec>(&policy.spec)) {
    add(Carrier::kEndpoints);
    if (backend->policy->health_check) add(Carrier::kInbound);
  } else if (std::holds_alternative<TrafficPolicySpec>(policy.spec) ||
             std::holds_alternative<BackendTlsSpec>(policy.spec)) {
    add(Carrier::kEndpoints);
  } else if (std::holds_alternative<FaultPolicySpec>(policy.spec)) {
    add(Carrier::kRules);
  } else {
    add(Carrier::kInbound);
    for (const Object* route : state.routes(service)) add_instances_behind(*route, out);
  }
  return out;
}

Carriers route_carriers(const Object& policy, const Object& route) {
  Carriers out;
  if (std::holds_alternative<RateLimitPolicySpec>(policy.spec)) {
    add_instances_behind(route, out);
    return out;
  }
  const std::vector<ParentRef>* parents = parents_of(route);
  if (!parents) return out;
  for (const ParentRef& parent : *parents) {
    const bool consumer = parent.service.ns != route.meta.ns;
    if (parent.is_service()) out.push_back({parent.service, consumer ? route.meta.ns : ""});
  }
  return out;
}

Carriers carriers_of(const Compiler::State& state, const Object& policy,
                     const PolicyTarget& target) {
  const PolicyPlace place = place_of(policy, target);
  if (target.kind == "Service") {
    return service_carriers(state, policy, {place.target.ns, place.target.name});
  }
  const auto route = state.objects.find(place.target);
  return route == state.objects.end() ? Carriers() : route_carriers(policy, route->second);
}

}  // namespace

std::vector<Condition> policy_conditions(const Compiler::State& state, const Object& policy) {
  BackendProblem all;
  for (const PolicyTarget& target : *targets_of(policy)) {
    const BackendProblem one = target_problem(state, policy, target);
    if (one.reason.empty()) continue;
    if (all.reason.empty()) all.reason = one.reason;
    all.message += (all.message.empty() ? "" : "; ") + one.message;
  }
  std::vector<Condition> out = {accepted(all)};
  add_resolved(state, policy, out);
  return out;
}

std::vector<AncestorState> Compiler::ancestors(const Object& policy) const {
  std::vector<AncestorState> out;
  const PolicyTargets* targets = targets_of(policy);
  if (!targets) return out;
  for (const PolicyTarget& target : *targets) {
    std::vector<Condition> conditions = {accepted(target_problem(*state_, policy, target))};
    const bool ok = conditions.front().ok;
    add_resolved(*state_, policy, conditions);
    for (Condition& condition : conditions) condition.generation = policy.meta.generation;
    out.push_back({.ref = target, .conditions = std::move(conditions), .carriers = {}});
    if (ok) out.back().carriers = carriers_of(*state_, policy, target);
  }
  return out;
}

std::vector<std::string> Compiler::policies_on(const ObjectKey& target) const {
  std::vector<std::string> out;
  for (auto it = state_->policies_at.lower_bound({target, ""});
       it != state_->policies_at.end() && it->first.target == target; ++it) {
    for (const char* kind : {"BackendPolicy", "FaultPolicy", "RateLimitPolicy",
                             "XBackendTrafficPolicy", "BackendTLSPolicy"}) {
      const Object* policy = policy_in_force(*state_, kind, it->first);
      if (!policy) continue;
      const std::string& section = it->first.section;
      out.push_back(fmt::format(
          "{} {}/{}{}", kind, policy->meta.ns, policy->meta.name,
          section.empty()
              ? ""
              : fmt::format(" ({} {})", target.kind == "Service" ? "port" : "rule", section)));
    }
  }
  return out;
}

}  // namespace weft::control
