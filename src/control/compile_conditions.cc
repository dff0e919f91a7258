// Why an object is or is not in force, in Kubernetes' words (Gateway API v1, RouteConditionType and
// RouteConditionReason; Services use the same types so that every kind reads alike).
#include <fmt/format.h>

#include <algorithm>

#include "control/compile_routes.h"
#include "control/compile_state.h"

namespace weft::control {
namespace {

std::string port_list(const std::vector<model::ServicePort>& ports) {
  std::string out;
  for (const model::ServicePort& port : ports) {
    out += (out.empty() ? "" : ", ") + std::to_string(port.port);
  }
  return out;
}

// Why the route cannot be attached to this parent; "" when it is.
std::string parent_problem(const Compiler::State& state, const ParentRef& parent) {
  const std::string name = parent.service.to_string();
  const auto ports = state.ports(parent.service);
  if (ports.empty()) return fmt::format("there is no Service {}", name);
  const ServiceSpec* service = state.service(parent.service);
  if (service && service->headless) {
    return fmt::format("{} is headless: a route needs a Service with an address", name);
  }
  // This reference alone: another of the route's may name another port of the same Service.
  const HttpRouteSpec only{.parents = {parent}, .rules = {}};
  if (std::ranges::any_of(ports,
                          [&](const auto& p) { return attaches(only, parent.service, p); })) {
    return "";
  }
  if (parent.port != 0 && !state.has_port(parent.service, parent.port)) {
    return fmt::format("{} has no port {} (ports: {})", name, parent.port, port_list(ports));
  }
  return fmt::format("{} speaks opaque TCP there: an HTTPRoute needs http, h2c or grpc", name);
}

std::string backend_problem(const Compiler::State& state, const model::Backend& backend) {
  const auto ports = state.ports(backend.service);
  if (ports.empty()) return fmt::format("there is no Service {}", backend.service.to_string());
  if (state.has_port(backend.service, backend.port)) return "";
  return fmt::format("{} has no port {} (ports: {})", backend.service.to_string(), backend.port,
                     port_list(ports));
}

void append(std::string& text, const std::string& more) {
  if (more.empty() || text.find(more) != std::string::npos) return;
  text += (text.empty() ? "" : "; ") + more;
}

Condition accepted_condition(const std::string& problem) {
  return {.type = "Accepted",
          .ok = problem.empty(),
          .reason = problem.empty() ? "Accepted" : "NoMatchingParent",
          .message = problem};
}

Condition resolved_condition(const Compiler::State& state, const HttpRouteSpec& spec) {
  std::string problem;
  for (const HttpRouteRule& rule : spec.rules) {
    for (const model::Backend& backend : rule.backends) {
      append(problem, backend_problem(state, backend));
    }
  }
  return {.type = "ResolvedRefs",
          .ok = problem.empty(),
          .reason = problem.empty() ? "ResolvedRefs" : "BackendNotFound",
          .message = problem.empty() ? "" : problem + ": its share of requests gets 500"};
}

std::vector<Condition> route_conditions(const Compiler::State& state, const HttpRouteSpec& spec) {
  std::string problems;
  bool addressed = false;
  for (const ParentRef& parent : spec.parents) {
    append(problems, parent_problem(state, parent));
    addressed = addressed || state.addresses.contains(parent.service);
  }
  const bool programmed = problems.empty() && addressed;
  return {accepted_condition(problems),
          resolved_condition(state, spec),
          {.type = "Programmed",
           .ok = programmed,
           .reason = programmed ? "Programmed" : "Pending",
           .message = programmed ? "" : "no parent carries it out yet"}};
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
  if (members.empty()) {
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
  if (const auto* route = std::get_if<HttpRouteSpec>(&object.spec)) {
    out = route_conditions(*state_, *route);
  } else {
    out = service_conditions(*state_, object.service_name(), std::get<ServiceSpec>(object.spec));
  }
  for (Condition& condition : out) condition.generation = object.meta.generation;
  return out;
}

std::vector<ParentState> Compiler::parents(const Object& route) const {
  std::vector<ParentState> out;
  const auto* spec = std::get_if<HttpRouteSpec>(&route.spec);
  if (!spec) return out;
  for (const ParentRef& ref : spec->parents) {
    const std::string problem = parent_problem(*state_, ref);
    ParentState one{.ref = ref,
                    .conditions = {accepted_condition(problem), resolved_condition(*state_, *spec)},
                    .carriers = {}};
    for (Condition& condition : one.conditions) condition.generation = route.meta.generation;
    const bool consumer = ref.service.ns != route.meta.ns;
    if (problem.empty()) one.carriers = {{ref.service, consumer ? route.meta.ns : ""}};
    out.push_back(std::move(one));
  }
  return out;
}

Carriers Compiler::carriers(const Object& object) const {
  if (std::holds_alternative<ServiceSpec>(object.spec)) return {{object.service_name(), ""}};
  std::set<Carrier> out;
  for (const ParentState& parent : parents(object)) {
    out.insert(parent.carriers.begin(), parent.carriers.end());
  }
  return {out.begin(), out.end()};
}

}  // namespace weft::control
