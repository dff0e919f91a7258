// A listener is judged by itself first (compile_listeners.h), then routes are held against it. Everything is
// found by looking: a Gateway has at most 64 listeners, and compiling one costs its own routes.
#include "control/compile_gateway.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "control/compile_admission.h"
#include "control/compile_listener_sets.h"
#include "control/compile_listeners.h"
#include "control/compile_policies.h"
#include "control/compile_routes.h"
#include "control/compile_tcp_routes.h"

namespace weft::control {
namespace {

using model::GatewayListener;

constexpr std::string_view kBuiltInClass = "weft";

// --- the Gateway ---

bool is_ours(const Compiler::State& state, const GatewaySpec& spec) {
  const auto it = state.objects.find({"GatewayClass", "", spec.class_name});
  if (it == state.objects.end()) return spec.class_name == kBuiltInClass;
  return std::get<GatewayClassSpec>(it->second.spec).controller == kGatewayController;
}

// --- routes ---

const std::vector<std::string>& hostnames_of(const Object& route) {
  if (const auto* http = std::get_if<HttpRouteSpec>(&route.spec)) return http->hostnames;
  return std::get<TcpRouteSpec>(route.spec).hostnames;
}

// The hosts for which a listener takes the route; none: it does not.
std::vector<std::string> common_hosts(const ListenerSpec& listener, const Object& route) {
  const std::vector<std::string>& hostnames = hostnames_of(route);
  if (hostnames.empty()) return {""};  // those of the listener, which was asked already
  std::vector<std::string> out;
  for (const std::string& name : hostnames) {
    if (auto both = common_host(listener.hostname, name)) out.push_back(std::move(*both));
  }
  return out;
}

struct Fit {
  std::vector<std::string> hosts;  // none: it does not fit
  BackendProblem problem;
};

Fit fit(const Compiler::State& state, const JudgedListener& judged, const Object& route) {
  const ListenerSpec& listener = *judged.spec;
  if (!judged.accepted())
    return {{}, {"NoMatchingParent", fmt::format("listener {} is not accepted", listener.name)}};
  if (std::ranges::find(judged.kinds, route.kind()) == judged.kinds.end()) {
    return {{},
            {"NotAllowedByListeners",
             fmt::format("listener {} takes no {}", listener.name, route.kind())}};
  }
  if (!is_chosen(state, listener.routes, judged.owner->meta.ns, route.meta.ns)) {
    return {{},
            {"NotAllowedByListeners", fmt::format("listener {} takes no routes of namespace {}",
                                                  listener.name, route.meta.ns)}};
  }
  Fit out{common_hosts(listener, route), {}};
  if (out.hosts.empty()) {
    out.problem = {"NoMatchingListenerHostname",
                   fmt::format("listener {} is for {}", listener.name, listener.hostname)};
  }
  return out;
}

// A reference to a Gateway means the Gateway's own listeners, one to a ListenerSet that set's.
bool names_listener(const ParentRef& parent, const JudgedListener& listener) {
  return parent.kind == listener.owner->kind() && parent.group == kGatewayGroup &&
         parent.service == model::ServiceName{listener.owner->meta.ns, listener.owner->meta.name} &&
         (parent.port == 0 || parent.port == listener.spec->port) &&
         (parent.section.empty() || parent.section == listener.spec->name);
}

// Routes that the listener would take if it had room: the oldest first, each once.
std::vector<HostedRoute> fitting(const Compiler::State& state, const JudgedListener& listener) {
  std::vector<HostedRoute> out;
  const Object& owner = *listener.owner;
  const auto& index =
      owner.kind() == "Gateway" ? state.routes_of_gateway : state.routes_of_listener_set;
  const auto it = index.find({owner.meta.ns, owner.meta.name});
  if (it == index.end()) return out;
  for (const ObjectKey& key : it->second) {
    const Object& route = state.objects.at(key);
    if (!route.unsupported.empty()) continue;
    const bool named = std::ranges::any_of(*parents_of(route), [&](const ParentRef& parent) {
      return names_listener(parent, listener);
    });
    if (!named) continue;
    Fit one = fit(state, listener, route);
    if (!one.hosts.empty()) out.push_back({&route, std::move(one.hosts)});
  }
  std::ranges::sort(out, {}, [](const HostedRoute& one) {
    return std::tuple(one.route->meta.created.unix_ns,
                      one.route->meta.ns + "/" + one.route->meta.name);
  });
  return out;
}

// Of those, the ones that it has no room for.
const RoutesLeftOut& left_out(const Compiler::State& state, const JudgedListener& listener) {
  const Object& owner = *listener.owner;
  const model::GatewayName gateway = owner.kind() == "Gateway"
                                         ? model::GatewayName{owner.meta.ns, owner.meta.name}
                                         : gateway_of_set(owner);
  const auto [it, fresh] =
      state.left_out_of_listener.try_emplace({gateway, listener_name(listener)});
  if (fresh) {
    it->second = left_out_of_listener(
        fmt::format("listener {} of {}/{}", listener.spec->name, owner.meta.ns, owner.meta.name),
        fitting(state, listener));
  }
  return it->second;
}

std::vector<HostedRoute> attached(const Compiler::State& state, const JudgedListener& listener) {
  std::vector<HostedRoute> out = fitting(state, listener);
  const RoutesLeftOut& without = left_out(state, listener);
  if (!without.empty()) {
    std::erase_if(out, [&](const HostedRoute& one) { return without.contains(one.route->key()); });
  }
  return out;
}

// The older route that takes all connections of the listener that `route` could get; null: some are left.
const Object* taken_by(const std::vector<HostedRoute>& attached, const Object& route) {
  const Object* taker = nullptr;
  std::set<std::string> left;
  for (const HostedRoute& one : attached) {
    if (one.route->key() == route.key()) left.insert(one.hosts.begin(), one.hosts.end());
  }
  for (const HostedRoute& one : attached) {
    if (one.route->key() == route.key()) break;
    for (const std::string& host : one.hosts) {
      if (left.erase(host) > 0) taker = one.route;
    }
  }
  return left.empty() ? taker : nullptr;
}

GatewayListener compile_listener(const Compiler::State& state, JudgedListener judged) {
  GatewayListener out;
  out.name = listener_name(judged);
  out.protocol = *judged.protocol;
  out.hostname = judged.spec->hostname;
  out.port.port = judged.spec->port;
  const bool http =
      out.protocol == GatewayListener::kHttp || out.protocol == GatewayListener::kHttps;
  out.port.protocol = http ? model::Protocol::kHttp : model::Protocol::kTcp;
  out.port.routed = http;
  const std::vector<HostedRoute> routes = attached(state, judged);
  const auto usable = [&](const Object& route, const model::ServiceName&, const BackendRef& ref) {
    return resolve_backend(state, route, {}, ref).reason.empty();
  };
  if (http) {
    compile_hosted_rules(routes, usable, out.port);
  } else {
    compile_hosted_tcp_rules(routes, usable, out.port);
  }
  PolicyLookup(state).give(out.port);
  out.certificates = std::move(judged.certificates);
  return out;
}

}  // namespace

std::optional<std::string> common_host(std::string_view a, std::string_view b) {
  if (a.empty() || a == b) return std::string(b);
  if (b.empty()) return std::string(a);
  const auto within = [](std::string_view host, std::string_view pattern) {
    return pattern.starts_with("*.") && host.size() > pattern.size() - 1 &&
           host.ends_with(pattern.substr(1));
  };
  // "*.b.example" is within "*.example": what its wildcard stands for is below it, too.
  if (within(b, a)) return std::string(b);
  if (within(a, b)) return std::string(a);
  return std::nullopt;
}

size_t attached_routes(const Compiler::State& state, const JudgedListener& listener) {
  return attached(state, listener).size();
}

std::string listener_name(const JudgedListener& listener) {
  const Object& owner = *listener.owner;
  if (owner.kind() == "Gateway") return listener.spec->name;
  return owner.meta.ns + "/" + owner.meta.name + "/" + listener.spec->name;
}

BackendProblem gateway_problem(const Compiler::State& state, const Object& gateway) {
  const auto& spec = std::get<GatewaySpec>(gateway.spec);
  if (!is_ours(state, spec)) {
    return {"Pending", fmt::format("class {} is not carried out by Weft, whose own is {}",
                                   spec.class_name, kBuiltInClass)};
  }
  if (!gateway.unsupported.empty())
    return {"UnsupportedValue", fmt::format("{}", fmt::join(gateway.unsupported, "; "))};
  for (const GatewaySpec::Address& address : spec.addresses) {
    if (address.type == "IPAddress") continue;
    return {"UnsupportedAddress",
            fmt::format("spec.addresses: Weft listens at addresses of type IPAddress, not {}",
                        address.type)};
  }
  return {};
}

const Object* find_gateway(const Compiler::State& state, const model::GatewayName& name) {
  const auto it = state.objects.find({"Gateway", name.ns, name.name});
  return it == state.objects.end() ? nullptr : &it->second;
}

std::optional<model::GatewayName> gateway_behind(const Compiler::State& state,
                                                 const ParentRef& parent) {
  if (parent.is_gateway()) return parent.service;
  if (!parent.is_listener_set()) return std::nullopt;
  const auto it = state.objects.find({"ListenerSet", parent.service.ns, parent.service.name});
  if (it == state.objects.end()) return std::nullopt;
  return gateway_of_set(it->second);
}

std::optional<model::GatewayName> gateway_served(const Instance& instance) {
  const bool offers = std::ranges::any_of(
      instance.claims, [](const Instance::Claim& claim) { return claim.port != 0; });
  return offers ? std::nullopt : model::gateway_of(instance.identity);
}

std::vector<const Instance*> serving(const Compiler::State& state, const model::GatewayName& name) {
  std::vector<const Instance*> out;
  const auto it = state.instances_of_namespace.find(name.ns);
  if (it == state.instances_of_namespace.end()) return out;
  for (const std::string& id : it->second) {
    const Instance& instance = state.instances.at(id);
    if (!instance.leaving && gateway_served(instance) == name) out.push_back(&instance);
  }
  return out;
}

BackendProblem gateway_parent_problem(const Compiler::State& state, const Object& route,
                                      const ParentRef& parent) {
  const std::string name = fmt::format("{} {}", parent.kind, model::resource_name(parent.service));
  const auto behind = gateway_behind(state, parent);
  const Object* gateway = behind ? find_gateway(state, *behind) : nullptr;
  if (!behind || (parent.is_gateway() && !gateway))
    return {"NoMatchingParent", fmt::format("there is no {}", name)};
  if (parent.is_listener_set()) {
    const Object& set = state.objects.at({"ListenerSet", parent.service.ns, parent.service.name});
    if (auto problem = set_problem(state, set); !problem.reason.empty())
      return {"NoMatchingParent", fmt::format("{} is not accepted: {}", name, problem.message)};
  } else if (auto problem = gateway_problem(state, *gateway); !problem.reason.empty()) {
    return {"NoMatchingParent", fmt::format("{} is not carried out: {}", name, problem.message)};
  }
  BackendProblem first;
  const Object* taker = nullptr;
  bool taken = false;
  for (const JudgedListener& listener : judge_listeners(state, *gateway)) {
    if (!names_listener(parent, listener)) continue;
    Fit one = fit(state, listener, route);
    if (one.problem.reason.empty()) {
      const RoutesLeftOut& without = left_out(state, listener);
      if (const auto why = without.find(route.key()); why != without.end())
        return {"TooManyRules", why->second};
      const Object* older = std::holds_alternative<TcpRouteSpec>(route.spec)
                                ? taken_by(attached(state, listener), route)
                                : nullptr;
      taken = taken || !older;
      if (older) taker = older;
    } else if (first.reason.empty()) {
      first = std::move(one.problem);
    }
  }
  if (taken) return {};
  const std::string resource = model::resource_name(parent.service);
  if (taker) {
    return {"Conflicted", fmt::format("{} {}/{} is older and takes the same connections of {}",
                                      taker->kind(), taker->meta.ns, taker->meta.name, resource)};
  }
  if (!first.reason.empty()) return {first.reason, fmt::format("{}: {}", resource, first.message)};
  if (!parent.section.empty()) {
    return {"NoMatchingParent", fmt::format("{} has no listener '{}'{}", resource, parent.section,
                                            parent.port ? " of that port" : "")};
  }
  return {"NoMatchingParent",
          fmt::format("{} has no listener with port {}", resource, parent.port)};
}

void mark_gateways(Compiler::State& state, const Object& object) {
  state.left_out_of_listener.clear();
  const std::string& kind = object.kind();
  if (kind == "Gateway") {
    state.changed_gateways.insert({object.meta.ns, object.meta.name});
  } else if (kind == "ListenerSet") {
    state.changed_gateways.insert(gateway_of_set(object));
  } else if (kind == "GatewayClass" || kind == "Secret" || kind == "ConfigMap" ||
             kind == "Namespace" || kind == "ReferenceGrant") {
    const ObjectKey first{"Gateway", "", ""};
    for (auto it = state.objects.lower_bound(first);
         it != state.objects.end() && it->first.kind == first.kind; ++it) {
      state.changed_gateways.insert({it->first.ns, it->first.name});
    }
  } else if (const std::vector<ParentRef>* parents = parents_of(object)) {
    for (const ParentRef& parent : *parents) {
      if (auto gateway = gateway_behind(state, parent)) state.changed_gateways.insert(*gateway);
    }
  } else if (const PolicyTargets* targets = targets_of(object)) {
    for (const PolicyTarget& target : *targets) {
      const auto route = state.objects.find(place_of(object, target).target);
      if (route != state.objects.end() && target.kind != "Service") {
        mark_gateways(state, route->second);
      }
    }
  } else if (kind == "Service") {
    mark_gateways_of_backend(state, object.service_name());
  }
}

void mark_gateways_of_backend(Compiler::State& state, const model::ServiceName& service) {
  const auto it = state.routes_to_backend.find(service);
  if (it == state.routes_to_backend.end()) return;
  for (const ObjectKey& key : it->second) mark_gateways(state, state.objects.at(key));
}

std::set<model::GatewayName> Compiler::take_changed_gateways() {
  return std::exchange(state_->changed_gateways, {});
}

std::optional<model::Gateway> Compiler::compile_gateway(const model::GatewayName& name) const {
  const Object* gateway = find_gateway(*state_, name);
  if (!gateway || !gateway_problem(*state_, *gateway).reason.empty()) return std::nullopt;
  model::Gateway out;
  out.name = name;
  if (model::GatewayCertificate shown;
      std::get<GatewaySpec>(gateway->spec).client_certificate &&
      client_certificate_problem(*state_, *gateway, shown).reason.empty()) {
    out.backend_certificate = std::make_shared<const model::GatewayCertificate>(std::move(shown));
  }
  for (const GatewaySpec::Address& address : std::get<GatewaySpec>(gateway->spec).addresses) {
    if (const auto ip = IpAddress::parse(address.value)) out.addresses.push_back(*ip);
  }
  for (JudgedListener& listener : judge_listeners(*state_, *gateway)) {
    if (!listener.usable()) continue;
    if (listener.clients) out.clients[listener.spec->port] = *listener.clients;
    out.listeners.push_back(compile_listener(*state_, std::move(listener)));
  }
  return out;
}

}  // namespace weft::control
