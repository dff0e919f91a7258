// What an instance's own sidecar must know of what it serves. Requests reach an instance under the name of its
// Service, and under the name of each Service a route of which sends to its Service: the limits of all these
// names are its business, and those of the routes. Costs the services of one instance and the routes to them.
#include <algorithm>
#include <set>

#include "control/compile_policies.h"

namespace weft::control {
namespace {

// What requests may be called that arrive at a service.
struct Arrivals {
  std::set<model::ServiceName> names;
  std::set<PolicyPlace> rules;  // routes, and their named rules
};

bool sends_to(const HttpRouteRule& rule, const model::ServiceName& service) {
  return std::ranges::any_of(rule.backends, [&](const BackendRef& ref) {
    return ref.is_service() && ref.backend.service == service;
  });
}

void add_route(const Object& route, const model::ServiceName& service, Arrivals& out) {
  const auto* spec = std::get_if<HttpRouteSpec>(&route.spec);
  if (!spec) return;  // opaque connections have no rate
  bool any = false;
  for (const HttpRouteRule& rule : spec->rules) {
    if (!sends_to(rule, service)) continue;
    any = true;
    if (!rule.name.empty()) out.rules.insert({route.key(), rule.name});
  }
  if (!any) return;
  out.rules.insert({route.key(), ""});
  for (const ParentRef& parent : spec->parents) {
    if (parent.is_service()) out.names.insert(parent.service);
  }
}

void add_limits(const Compiler::State& state, const PolicyPlace& place, const model::RateLimit& of,
                std::vector<model::RateLimit>& out) {
  const Object* policy = policy_in_force(state, "RateLimitPolicy", place);
  if (!policy) return;
  for (model::RateLimit limit : std::get<RateLimitPolicySpec>(policy->spec).limits) {
    limit.service = of.service;
    limit.route = of.route;
    limit.rule = of.rule;
    for (auto& other : limit.overrides) other.caller = full_identity(state, other.caller);
    out.push_back(std::move(limit));
  }
}

void add_checks(const Compiler::State& state, const Instance& instance,
                const model::ServiceName& service, std::vector<model::Inbound::Check>& out) {
  const Object* policy = policy_in_force(state, "BackendPolicy", place_of(service));
  if (!policy) return;
  const auto& section = std::get<BackendPolicySpec>(policy->spec).policy->health_check;
  if (!section) return;
  std::set<uint16_t> checked;
  for (const model::ServicePort& port : state.ports(service)) {
    if (section->value.service_port != 0 && section->value.service_port != port.port) continue;
    const uint16_t target = state.target_port(service, port.port, instance);
    if (target == 0 || !checked.insert(target).second) continue;
    out.push_back({target, service.to_string(), *section});
  }
}

void mark_members(Compiler::State& state, const model::ServiceName& service) {
  for (const Instance* instance : state.members(service))
    state.changed_inbounds.insert(instance->id);
}

void mark_backends(Compiler::State& state, const Object& route) {
  const auto* spec = std::get_if<HttpRouteSpec>(&route.spec);
  if (!spec) return;
  std::set<model::ServiceName> backends;
  for (const HttpRouteRule& rule : spec->rules) {
    for (const BackendRef& ref : rule.backends) {
      if (ref.is_service()) backends.insert(ref.backend.service);
    }
  }
  for (const model::ServiceName& backend : backends) mark_members(state, backend);
}

}  // namespace

model::Inbound compile_inbound(const Compiler::State& state, const Instance& instance,
                               const Affected& services) {
  model::Inbound out{.instance = instance.id, .rate_limits = {}, .checks = {}};
  Arrivals arrivals;
  for (const model::ServiceName& service : services) {
    add_checks(state, instance, service, out.checks);
    arrivals.names.insert(service);
    const auto it = state.routes_to_backend.find(service);
    if (it == state.routes_to_backend.end()) continue;
    for (const ObjectKey& key : it->second) add_route(state.objects.at(key), service, arrivals);
  }
  for (const model::ServiceName& name : arrivals.names) {
    model::RateLimit of;
    of.service = name.to_string();
    add_limits(state, place_of(name), of, out.rate_limits);
  }
  for (const PolicyPlace& place : arrivals.rules) {
    model::RateLimit of;
    of.route = (place.target.kind == "GRPCRoute" ? "grpc:" : "") + place.target.ns + "/" +
               place.target.name;
    of.rule = place.section;
    add_limits(state, place, of, out.rate_limits);
  }
  return out;
}

void add_targets(const Compiler::State& state, const Object& policy, Affected& out) {
  const PolicyTargets* targets = targets_of(policy);
  if (!targets || std::holds_alternative<RateLimitPolicySpec>(policy.spec)) return;
  for (const PolicyTarget& target : *targets) {
    const PolicyPlace place = place_of(policy, target);
    if (target.kind == "Service") {
      out.insert({place.target.ns, place.target.name});
      continue;
    }
    const auto route = state.objects.find(place.target);
    const auto* parents = route == state.objects.end() ? nullptr : parents_of(route->second);
    if (!parents) continue;
    for (const ParentRef& parent : *parents) {
      if (parent.is_service()) out.insert(parent.service);
    }
  }
}

void mark_inbounds(Compiler::State& state, const Object& object) {
  if (state.policies_at.empty()) return;
  if (std::holds_alternative<ServiceSpec>(object.spec)) {
    return mark_members(state, object.service_name());
  }
  if (std::holds_alternative<HttpRouteSpec>(object.spec)) return mark_backends(state, object);
  const PolicyTargets* targets = targets_of(object);
  if (!targets || std::holds_alternative<FaultPolicySpec>(object.spec) ||
      std::holds_alternative<TrafficPolicySpec>(object.spec) ||
      std::holds_alternative<BackendTlsSpec>(object.spec)) {
    return;
  }
  for (const PolicyTarget& target : *targets) {
    const PolicyPlace place = place_of(object, target);
    if (target.kind != "Service") {
      const auto route = state.objects.find(place.target);
      if (route != state.objects.end()) mark_backends(state, route->second);
      continue;
    }
    const model::ServiceName service{place.target.ns, place.target.name};
    mark_members(state, service);
    for (const Object* route : state.routes(service)) mark_backends(state, *route);
  }
}

}  // namespace weft::control
