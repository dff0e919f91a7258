// Whether a route may send where it says, in the Gateway API's words (RouteReasonInvalidKind,
// RefNotPermitted, BackendNotFound). Costs a look at the Service and at the grants of its namespace.
#include <fmt/format.h>

#include <algorithm>

#include "control/compile_state.h"

namespace weft::control {
namespace {

bool grants(const ReferenceGrantSpec& grant, const Object& route,
            const model::ServiceName& service) {
  const auto core = [](const std::string& group) { return group.empty() || group == "core"; };
  return std::ranges::any_of(grant.from,
                             [&](const auto& from) {
                               return from.group == "gateway.networking.k8s.io" &&
                                      from.kind == route.kind() && from.ns == route.meta.ns;
                             }) &&
         std::ranges::any_of(grant.to, [&](const auto& to) {
           return core(to.group) && to.kind == "Service" &&
                  (to.name.empty() || to.name == service.name);
         });
}

bool permitted(const Compiler::State& state, const Object& route,
               const std::vector<model::ServiceName>& parents, const model::ServiceName& service) {
  if (service.ns == route.meta.ns) return true;
  // A consumer route steers its namespace's calls to that Service; to its namespace they go anyway.
  if (std::ranges::any_of(parents, [&](const auto& p) { return p.ns == service.ns; })) return true;
  const ObjectKey first{"ReferenceGrant", service.ns, ""};
  for (auto it = state.objects.lower_bound(first);
       it != state.objects.end() && it->first.kind == first.kind && it->first.ns == first.ns;
       ++it) {
    if (grants(std::get<ReferenceGrantSpec>(it->second.spec), route, service)) return true;
  }
  return false;
}

}  // namespace

std::string port_list(const std::vector<model::ServicePort>& ports) {
  std::string out;
  for (const model::ServicePort& port : ports) {
    out += (out.empty() ? "" : ", ") + std::to_string(port.port);
  }
  return out;
}

BackendProblem resolve_backend(const Compiler::State& state, const Object& route,
                               const std::vector<model::ServiceName>& parents,
                               const BackendRef& ref) {
  const model::ServiceName& name = ref.backend.service;
  if (!ref.is_service()) {
    return {"InvalidKind", fmt::format("a {}{}{} is no backend: only a Service is", ref.kind,
                                       ref.group.empty() ? "" : " of group ", ref.group)};
  }
  if (!permitted(state, route, parents, name)) {
    return {"RefNotPermitted",
            fmt::format("no ReferenceGrant in namespace {} lets a {} of {} refer to Service {}",
                        name.ns, route.kind(), route.meta.ns, name.name)};
  }
  const auto ports = state.ports(name);
  if (ports.empty()) {
    return {"BackendNotFound", fmt::format("there is no Service {}", name.to_string())};
  }
  if (state.has_port(name, ref.backend.port)) return {};
  return {"BackendNotFound", fmt::format("{} has no port {} (ports: {})", name.to_string(),
                                         ref.backend.port, port_list(ports))};
}

}  // namespace weft::control
