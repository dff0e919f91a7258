// Why an object is or is not in force, in Kubernetes' words (Gateway API v1, RouteConditionType and
// RouteConditionReason; Services use the same types so that every kind reads alike).
#include <fmt/format.h>

#include <algorithm>

#include "control/compile_admission.h"
#include "control/compile_gateway.h"
#include "control/compile_listener_sets.h"
#include "control/compile_outside.h"
#include "control/compile_policies.h"
#include "control/compile_state.h"
#include "control/compile_tcp_routes.h"

namespace weft::control {
namespace {

// Why something is not in force: the reason of Accepted=False and its message; no reason = it is.
struct Refusal {
  std::string reason;
  std::string message;
};

// Why the route cannot be attached to this parent.
Refusal parent_problem(const Compiler::State& state, const Object& route, const ParentRef& parent) {
  if (!route.unsupported.empty()) {
    return {"UnsupportedValue", fmt::format("{}", fmt::join(route.unsupported, "; "))};
  }
  if (parent.is_gateway() || parent.is_listener_set()) {
    BackendProblem problem = gateway_parent_problem(state, route, parent);
    return {std::move(problem.reason), std::move(problem.message)};
  }
  const std::string name = parent.service.to_string();
  if (!parent.is_service()) {
    return {
        "UnsupportedValue",
        fmt::format("parent {} {}: Weft carries routes out for Services, Gateways and ListenerSets",
                    parent.kind, name)};
  }
  const auto refused = [](std::string message) {
    return Refusal{"NoMatchingParent", std::move(message)};
  };
  const auto ports = state.ports(parent.service);
  if (ports.empty()) return refused(fmt::format("there is no Service {}", name));
  const ServiceSpec* service = state.service(parent.service);
  if (service && service->headless) {
    return refused(fmt::format("{} is headless: a route needs a Service with an address", name));
  }
  // This reference alone: another of the route's may name another port of the same Service.
  const bool tcp = std::holds_alternative<TcpRouteSpec>(route.spec);
  if (std::ranges::any_of(ports, [&](const auto& p) {
        return tcp ? attaches_opaque(parent, parent.service, p)
                   : attaches(parent, parent.service, p);
      })) {
    for (const model::ServicePort& port : ports) {
      if (tcp ? !attaches_opaque(parent, parent.service, port)
              : !attaches(parent, parent.service, port)) {
        continue;
      }
      const RoutesLeftOut& without = left_out(state, parent.service, port);
      if (const auto why = without.find(route.key()); why != without.end()) {
        return {"TooManyRules", why->second};
      }
    }
    const Object* taker =
        tcp ? all_taken_by(route, parent, ports, state.routes(parent.service)) : nullptr;
    if (!taker) return {};
    return {"Conflicted", fmt::format("{} {}/{} is older and takes the same connections of {}",
                                      taker->kind(), taker->meta.ns, taker->meta.name, name)};
  }
  if (parent.port != 0 && !state.has_port(parent.service, parent.port)) {
    return refused(
        fmt::format("{} has no port {} (ports: {})", name, parent.port, port_list(ports)));
  }
  if (!parent.section.empty() &&
      std::ranges::none_of(ports, [&](const auto& p) { return p.name == parent.section; })) {
    return refused(fmt::format("{} has no port named '{}'", name, parent.section));
  }
  if (tcp) {
    return refused(fmt::format("{} speaks HTTP there: a {} needs tcp, tls or an undeclared port",
                               name, route.kind()));
  }
  return refused(
      fmt::format("{} speaks opaque TCP there: an {} needs http, h2c or grpc", name, route.kind()));
}

void append(std::string& text, const std::string& more) {
  if (more.empty() || text.find(more) != std::string::npos) return;
  text += (text.empty() ? "" : "; ") + more;
}

Condition accepted_condition(const Refusal& problem) {
  return {.type = "Accepted",
          .ok = problem.reason.empty(),
          .reason = problem.reason.empty() ? "Accepted" : problem.reason,
          .message = problem.message};
}

// Of the route as attached to `parents`; the first problem's reason is the condition's.
Condition resolved_condition(const Compiler::State& state, const Object& route,
                             const std::vector<model::ServiceName>& parents) {
  BackendProblem first;
  std::string shares, copies;
  const auto look = [&](const BackendRef& ref, std::string& messages) {
    BackendProblem problem = resolve_backend(state, route, parents, ref);
    append(messages, problem.message);
    if (first.reason.empty()) first = std::move(problem);
  };
  const char* fate = ": its share of requests gets 500";
  if (const auto* tcp = std::get_if<TcpRouteSpec>(&route.spec)) {
    for (const BackendRef& ref : tcp->backends) look(ref, shares);
    fate = ": its share of connections is reset";
  } else {
    for (const HttpRouteRule& rule : std::get<HttpRouteSpec>(route.spec).rules) {
      for (const BackendRef& ref : rule.backends) {
        look(ref, shares);
        for (const MirrorRef& mirror : ref.mirrors) look(mirror.to, copies);
      }
      for (const MirrorRef& mirror : rule.mirrors) look(mirror.to, copies);
    }
  }
  std::string message = shares.empty() ? "" : shares + fate;
  if (!copies.empty()) append(message, copies + ": it gets no copies");
  return {.type = "ResolvedRefs",
          .ok = first.reason.empty(),
          .reason = first.reason.empty() ? "ResolvedRefs" : first.reason,
          .message = message};
}

std::vector<Condition> route_conditions(const Compiler::State& state, const Object& route) {
  Refusal problems;
  bool addressed = false;
  std::vector<model::ServiceName> services;
  for (const ParentRef& parent : *parents_of(route)) {
    const Refusal one = parent_problem(state, route, parent);
    if (problems.reason.empty()) problems.reason = one.reason;
    append(problems.message, one.message);
    const auto gateway = gateway_behind(state, parent);
    addressed = addressed || (gateway ? !serving(state, *gateway).empty()
                                      : state.addresses.contains(parent.service));
    if (parent.is_service()) services.push_back(parent.service);
  }
  const bool programmed = problems.reason.empty() && addressed;
  return {accepted_condition(problems),
          resolved_condition(state, route, services),
          {.type = "Programmed",
           .ok = programmed,
           .reason = programmed ? "Programmed" : "Pending",
           .message = programmed ? "" : "no parent carries it out yet"}};
}

// Kinds that are stored only.
Condition stored_condition(const Object& object) {
  const auto* stored = std::get_if<StoredSpec>(&object.spec);
  std::string message = stored ? stored->not_carried_out : "";
  append(message, fmt::format("{}", fmt::join(object.unsupported, "; ")));
  return accepted_condition({message.empty() ? "" : "UnsupportedValue", message});
}

std::vector<Condition> service_conditions(const Compiler::State& state,
                                          const model::ServiceName& name, const ServiceSpec& spec) {
  std::vector<Condition> out;
  out.push_back({.type = "Accepted", .ok = true, .reason = "Accepted"});
  std::string problem;
  const auto members = state.members(name);
  for (const Instance* instance : members) {
    for (const ServicePortSpec& port : spec.ports) {
      if (state.target_port(name, port.port, *instance) != 0) continue;
      append(problem, fmt::format("{} has no port named '{}'", instance->id, port.target.name));
    }
  }
  const char* reason = problem.empty() ? "ResolvedRefs" : "PortNotFound";
  if (members.empty() && !has_slices(state, name)) {
    reason = "NoWorkloads";
    problem = spec.selector.empty()
                  ? fmt::format("no workload runs with --service {}", name.name)
                  : "no workload of the namespace carries the labels of the selector";
  }
  out.push_back(
      {.type = "ResolvedRefs", .ok = problem.empty(), .reason = reason, .message = problem});
  const bool programmed = spec.headless || state.addresses.contains(name);
  out.push_back({.type = "Programmed",
                 .ok = programmed,
                 .reason = programmed ? "Programmed" : "AddressNotAssigned",
                 .message = programmed ? "" : "no virtual address is free"});
  return out;
}

}  // namespace

std::vector<Condition> Compiler::conditions(const Object& object) const {
  std::vector<Condition> out;
  if (parents_of(object)) {
    out = route_conditions(*state_, object);
  } else if (const auto* service = std::get_if<ServiceSpec>(&object.spec)) {
    out = service_conditions(*state_, object.service_name(), *service);
  } else if (targets_of(object)) {
    out = policy_conditions(*state_, object);
  } else if (std::holds_alternative<GatewaySpec>(object.spec)) {
    out = gateway_conditions(*state_, object);
  } else if (std::holds_alternative<ListenerSetSpec>(object.spec)) {
    out = listener_set_conditions(*state_, object);
  } else if (std::holds_alternative<GatewayClassSpec>(object.spec)) {
    out = gateway_class_conditions(object);
  } else if (std::holds_alternative<EndpointSliceSpec>(object.spec)) {
    out = slice_conditions(*state_, object);
  } else if (std::holds_alternative<ConfigMapSpec>(object.spec)) {
    out.push_back(accepted_condition({}));
  } else if (const auto* secret = std::get_if<SecretSpec>(&object.spec)) {
    out.push_back(accepted_condition({secret->problem.empty() ? "" : "Invalid", secret->problem}));
  } else {
    out.push_back(stored_condition(object));
  }
  for (Condition& condition : out) condition.generation = object.meta.generation;
  return out;
}

std::vector<ParentState> Compiler::parents(const Object& route) const {
  std::vector<ParentState> out;
  const auto add = [&](const ParentRef& ref, std::vector<Condition> conditions) {
    for (Condition& condition : conditions) condition.generation = route.meta.generation;
    out.push_back({.ref = ref, .conditions = std::move(conditions), .carriers = {}});
  };
  if (const auto* stored = std::get_if<StoredSpec>(&route.spec)) {
    for (const ParentRef& ref : stored->parents) add(ref, {stored_condition(route)});
  }
  const std::vector<ParentRef>* carried = parents_of(route);
  if (!carried) return out;
  for (const ParentRef& ref : *carried) {
    const Refusal problem = parent_problem(*state_, route, ref);
    std::vector<model::ServiceName> parents;
    if (ref.is_service()) parents.push_back(ref.service);
    add(ref, {accepted_condition(problem), resolved_condition(*state_, route, parents)});
    const bool consumer = ref.is_service() && ref.service.ns != route.meta.ns;
    if (!problem.reason.empty()) continue;
    const auto gateway = gateway_behind(*state_, ref);
    out.back().carriers = {{gateway.value_or(ref.service), consumer ? route.meta.ns : "",
                            gateway ? Carrier::kGateway : Carrier::kRules}};
  }
  return out;
}

Carriers Compiler::carriers(const Object& object) const {
  if (std::holds_alternative<ServiceSpec>(object.spec)) return {{object.service_name(), ""}};
  if (std::holds_alternative<GatewaySpec>(object.spec))
    return {{object.service_name(), "", Carrier::kGateway}};
  if (std::holds_alternative<ListenerSetSpec>(object.spec)) {
    if (!set_problem(*state_, object).reason.empty()) return {};
    return {{gateway_of_set(object), "", Carrier::kGateway}};
  }
  std::set<Carrier> out;
  for (const AncestorState& ancestor : ancestors(object)) {
    out.insert(ancestor.carriers.begin(), ancestor.carriers.end());
  }
  for (const ParentState& parent : parents(object)) {
    out.insert(parent.carriers.begin(), parent.carriers.end());
  }
  return {out.begin(), out.end()};
}

}  // namespace weft::control
