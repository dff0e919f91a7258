// Routes are put in order once; which of them a connection takes is the sidecar's to find (proxy/tcp_rules.h).
#include "control/compile_tcp_routes.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace weft::control {
namespace {

// The oldest, then by NAMESPACE/NAME (Gateway API v1, the rule for conflicts).
bool older(const Object* a, const Object* b) {
  const auto order = [](const Object* route) {
    return std::tuple(route->meta.created.unix_ns, route->meta.ns + "/" + route->meta.name);
  };
  return order(a) < order(b);
}

const TcpRouteSpec* in_force(const Object& route) {
  return route.unsupported.empty() ? std::get_if<TcpRouteSpec>(&route.spec) : nullptr;
}

bool attached(const TcpRouteSpec& spec, const model::ServiceName& service,
              const model::ServicePort& port) {
  return std::ranges::any_of(spec.parents,
                             [&](const ParentRef& p) { return attaches_opaque(p, service, port); });
}

// In order of age, those attached to the port.
std::vector<const Object*> attached_routes(const model::ServiceName& service,
                                           const std::vector<const Object*>& routes,
                                           const model::ServicePort& port) {
  std::vector<const Object*> out;
  for (const Object* route : routes) {
    const TcpRouteSpec* spec = in_force(*route);
    if (spec && attached(*spec, service, port)) out.push_back(route);
  }
  std::ranges::sort(out, older);
  return out;
}

bool takes_name(const TcpRouteSpec& other, const std::string& name) {
  return std::ranges::find(other.hostnames, name) != other.hostnames.end();
}

// Without its hostnames.
model::TcpRule make_rule(const model::ServiceName& parent, const Object& route,
                         const BackendUsable& usable) {
  const auto& spec = std::get<TcpRouteSpec>(route.spec);
  model::TcpRule rule;
  rule.route = route.meta.ns + "/" + route.meta.name;
  rule.rule = spec.rule;
  for (const BackendRef& ref : spec.backends) {
    rule.backends.push_back(compiled_backend(ref, usable(route, parent, ref)));
  }
  return rule;
}

}  // namespace

bool attaches_opaque(const ParentRef& parent, const model::ServiceName& service,
                     const model::ServicePort& port) {
  return names_port(parent, service, port) &&
         (port.protocol == model::Protocol::kTcp || port.protocol == model::Protocol::kAuto);
}

void compile_tcp_rules(const model::ServiceName& service, const std::vector<const Object*>& routes,
                       const BackendUsable& usable, model::ServicePort& port) {
  for (const Object* route : attached_routes(service, routes, port)) {
    model::TcpRule rule = make_rule(service, *route, usable);
    rule.hostnames = std::get<TcpRouteSpec>(route->spec).hostnames;
    if (route->meta.ns != service.ns) rule.consumer_namespace = route->meta.ns;
    port.tcp_rules.push_back(std::move(rule));
  }
}

void compile_hosted_tcp_rules(const std::vector<HostedRoute>& routes, const BackendUsable& usable,
                              model::ServicePort& port) {
  for (const HostedRoute& one : routes) {
    model::TcpRule rule = make_rule({}, *one.route, usable);
    if (one.route->kind() == "TLSRoute") rule.hostnames = one.hosts;
    port.tcp_rules.push_back(std::move(rule));
  }
}

const Object* all_taken_by(const Object& route, const ParentRef& parent,
                           const std::vector<model::ServicePort>& ports,
                           const std::vector<const Object*>& routes) {
  const auto& spec = std::get<TcpRouteSpec>(route.spec);
  const Object* taker = nullptr;
  for (const model::ServicePort& port : ports) {
    if (!attaches_opaque(parent, parent.service, port)) continue;
    std::set<std::string> left(spec.hostnames.begin(), spec.hostnames.end());
    bool any_left = spec.hostnames.empty();  // a TCPRoute takes all or nothing
    for (const Object* other : attached_routes(parent.service, routes, port)) {
      if (other == &route || other->key() == route.key()) break;
      // Of one namespace: both for all callers, or both for the same ones.
      if (other->kind() != route.kind() || other->meta.ns != route.meta.ns) continue;
      const auto& theirs = std::get<TcpRouteSpec>(other->spec);
      std::erase_if(left, [&](const std::string& name) { return takes_name(theirs, name); });
      any_left = false;
      taker = other;
      if (left.empty()) break;
    }
    if (any_left || !left.empty()) return nullptr;
  }
  return taker;
}

}  // namespace weft::control
