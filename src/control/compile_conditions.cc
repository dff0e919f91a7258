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
std::string parent_problem(const Compiler::State& state, const HttpRouteSpec& spec,
                           const ParentRef& parent) {
  const std::string name = parent.service.to_string();
  const auto ports = state.ports(parent.service);
  if (ports.empty()) return fmt::format("there is no Service {}", name);
  const ServiceSpec* service = state.service(parent.service);
  if (service && service->headless) {
    return fmt::format("{} is headless: a route needs a Service with an address", name);
  }
  if (std::ranges::any_of(ports,
                          [&](const auto& p) { return attaches(spec, parent.service, p); })) {
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

std::vector<Condition> route_conditions(const Compiler::State& state, const HttpRouteSpec& spec) {
  std::string parents, backends;
  bool addressed = false;
  for (const ParentRef& parent : spec.parents) {
    append(parents, parent_problem(state, spec, parent));
    addressed = addressed || state.addresses.contains(parent.service);
  }
  for (const HttpRouteRule& rule : spec.rules) {
    for (const model::Backend& backend : rule.backends) {
      append(backends, backend_problem(state, backend));
    }
  }
  const bool accepted = parents.empty();
  std::vector<Condition> out;
  out.push_back({.type = "Accepted",
                 .ok = accepted,
                 .reason = accepted ? "Accepted" : "NoMatchingParent",
                 .message = parents});
  out.push_back({.type = "ResolvedRefs",
                 .ok = backends.empty(),
                 .reason = backends.empty() ? "ResolvedRefs" : "BackendNotFound",
                 .message = backends.empty() ? "" : backends + ": its share of requests gets 500"});
  const bool programmed = accepted && addressed;
  out.push_back({.type = "Programmed",
                 .ok = programmed,
                 .reason = programmed ? "Programmed" : "Pending",
                 .message = programmed ? "" : "no parent carries it out yet"});
  return out;
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

Affected Compiler::carriers(const Object& object) const {
  Affected out;
  if (const auto* route = std::get_if<HttpRouteSpec>(&object.spec)) {
    for (const ParentRef& parent : route->parents) out.insert(parent.service);
  } else {
    out.insert(object.service_name());
  }
  return out;
}

}  // namespace weft::control
