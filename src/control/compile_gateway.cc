// A listener is judged by itself first (compile_listeners.h), then routes are held against it. Everything is
// found by looking: a Gateway has at most 64 listeners, and compiling one costs its own routes.
#include "control/compile_gateway.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "control/compile_listeners.h"
#include "control/compile_policies.h"
#include "control/compile_routes.h"
#include "control/compile_tcp_routes.h"

namespace weft::control {
namespace {

using model::GatewayListener;

constexpr std::string_view kBuiltInClass = "weft";
constexpr std::string_view kNamespaceLabel = "kubernetes.io/metadata.name";

// --- the Gateway ---

bool is_ours(const Compiler::State& state, const GatewaySpec& spec) {
  const auto it = state.objects.find({"GatewayClass", "", spec.class_name});
  if (it == state.objects.end()) return spec.class_name == kBuiltInClass;
  return std::get<GatewayClassSpec>(it->second.spec).controller == kGatewayController;
}

// Why the Gateway as a whole is not carried out.
BackendProblem gateway_problem(const Compiler::State& state, const Object& gateway) {
  const auto& spec = std::get<GatewaySpec>(gateway.spec);
  if (!is_ours(state, spec)) {
    return {"Pending", fmt::format("class {} is not carried out by Weft, whose own is {}",
                                   spec.class_name, kBuiltInClass)};
  }
  if (gateway.unsupported.empty()) return {};
  return {"UnsupportedValue", fmt::format("{}", fmt::join(gateway.unsupported, "; "))};
}

const Object* find_gateway(const Compiler::State& state, const model::GatewayName& name) {
  const auto it = state.objects.find({"Gateway", name.ns, name.name});
  return it == state.objects.end() ? nullptr : &it->second;
}

std::vector<const Instance*> serving(const Compiler::State& state, const model::GatewayName& name) {
  std::vector<const Instance*> out;
  const auto it = state.instances_of_namespace.find(name.ns);
  if (it == state.instances_of_namespace.end()) return out;
  for (const std::string& id : it->second) {
    const Instance& instance = state.instances.at(id);
    const bool offers = std::ranges::any_of(
        instance.claims, [](const Instance::Claim& claim) { return claim.port != 0; });
    if (!offers && !instance.leaving && model::gateway_of(instance.identity) == name)
      out.push_back(&instance);
  }
  return out;
}

// --- routes ---

bool namespace_allowed(const Compiler::State& state, const Object& gateway,
                       const ListenerSpec& listener, const Object& route) {
  switch (listener.from) {
    case ListenerSpec::kAll: return true;
    case ListenerSpec::kSame: return route.meta.ns == gateway.meta.ns;
    case ListenerSpec::kSelector: break;
  }
  Labels labels;
  const auto it = state.objects.find({"Namespace", "", route.meta.ns});
  if (it != state.objects.end()) labels = it->second.meta.labels;
  labels.insert_or_assign(std::string(kNamespaceLabel), route.meta.ns);
  return listener.selector.matches(labels);
}

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

Fit fit(const Compiler::State& state, const Object& gateway, const ListenerSpec& listener,
        const JudgedListener& judged, const Object& route) {
  if (!judged.unaccepted.reason.empty() || !judged.conflict.reason.empty()) {
    return {{}, {"NoMatchingParent", fmt::format("listener {} is not accepted", listener.name)}};
  }
  if (std::ranges::find(judged.kinds, route.kind()) == judged.kinds.end()) {
    return {{},
            {"NotAllowedByListeners",
             fmt::format("listener {} takes no {}", listener.name, route.kind())}};
  }
  if (!namespace_allowed(state, gateway, listener, route)) {
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

bool names_listener(const ParentRef& parent, const ListenerSpec& listener) {
  return (parent.port == 0 || parent.port == listener.port) &&
         (parent.section.empty() || parent.section == listener.name);
}

bool names_gateway(const ParentRef& parent, const Object& gateway) {
  return parent.is_gateway() && parent.service.ns == gateway.meta.ns &&
         parent.service.name == gateway.meta.name;
}

struct Attached {
  const Object* route;
  std::vector<std::string> hosts;
};

// Oldest first, each once.
std::vector<Attached> attached_routes(const Compiler::State& state, const Object& gateway,
                                      const ListenerSpec& listener, const JudgedListener& judged) {
  std::vector<Attached> out;
  const auto it = state.routes_of_gateway.find({gateway.meta.ns, gateway.meta.name});
  if (it == state.routes_of_gateway.end()) return out;
  for (const ObjectKey& key : it->second) {
    const Object& route = state.objects.at(key);
    if (!route.unsupported.empty()) continue;
    const bool named = std::ranges::any_of(*parents_of(route), [&](const ParentRef& parent) {
      return names_gateway(parent, gateway) && names_listener(parent, listener);
    });
    if (!named) continue;
    Fit one = fit(state, gateway, listener, judged, route);
    if (!one.hosts.empty()) out.push_back({&route, std::move(one.hosts)});
  }
  std::ranges::sort(out, {}, [](const Attached& one) {
    return std::tuple(one.route->meta.created.unix_ns,
                      one.route->meta.ns + "/" + one.route->meta.name);
  });
  return out;
}

// The older route that takes all connections of the listener that `route` could get; null: some are left.
const Object* taken_by(const std::vector<Attached>& attached, const Object& route) {
  const Object* taker = nullptr;
  std::set<std::string> left;
  for (const Attached& one : attached) {
    if (one.route->key() == route.key()) left.insert(one.hosts.begin(), one.hosts.end());
  }
  for (const Attached& one : attached) {
    if (one.route->key() == route.key()) break;
    for (const std::string& host : one.hosts) {
      if (left.erase(host) > 0) taker = one.route;
    }
  }
  return left.empty() ? taker : nullptr;
}

GatewayListener compile_listener(const Compiler::State& state, const Object& gateway,
                                 const ListenerSpec& listener, JudgedListener judged) {
  GatewayListener out;
  out.name = listener.name;
  out.protocol = *judged.protocol;
  out.hostname = listener.hostname;
  out.port.port = listener.port;
  const bool http =
      out.protocol == GatewayListener::kHttp || out.protocol == GatewayListener::kHttps;
  out.port.protocol = http ? model::Protocol::kHttp : model::Protocol::kTcp;
  out.port.routed = http;
  std::vector<HostedRoute> routes;
  for (Attached& one : attached_routes(state, gateway, listener, judged))
    routes.push_back({one.route, std::move(one.hosts)});
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

// --- status ---

Condition condition(const char* type, const BackendProblem& problem, const char* good) {
  return {.type = type,
          .ok = problem.reason.empty(),
          .reason = problem.reason.empty() ? good : problem.reason,
          .message = problem.message};
}

BackendProblem not_served(const model::GatewayName& name) {
  return {"Pending", fmt::format("nobody serves it: run `weft gateway {}{}`", name.name,
                                 name.ns == "default" ? "" : " --namespace " + name.ns)};
}

BackendProblem programmed_problem(const Compiler::State& state, const Object& gateway,
                                  const ListenerSpec& listener, const JudgedListener& judged) {
  if (!judged.usable()) {
    return {"Invalid", !judged.unaccepted.message.empty() ? judged.unaccepted.message
                       : !judged.conflict.message.empty() ? judged.conflict.message
                                                          : judged.unresolved.message};
  }
  const model::GatewayName name{gateway.meta.ns, gateway.meta.name};
  const auto instances = serving(state, name);
  if (instances.empty()) return not_served(name);
  for (const Instance* instance : instances) {
    const auto it = instance->ready.find(listener.port);
    if (it == instance->ready.end() || it->second) return {};
  }
  return {"Pending", fmt::format("{} cannot listen on port {}: its notes say why",
                                 instances.front()->id, listener.port)};
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

bool gateway_served(const Compiler::State& state, const model::GatewayName& name) {
  return !serving(state, name).empty();
}

BackendProblem gateway_parent_problem(const Compiler::State& state, const Object& route,
                                      const ParentRef& parent) {
  const std::string name = model::resource_name(parent.service);
  const Object* gateway = find_gateway(state, parent.service);
  if (!gateway) return {"NoMatchingParent", fmt::format("there is no Gateway {}", name)};
  if (auto problem = gateway_problem(state, *gateway); !problem.reason.empty()) {
    return {"NoMatchingParent",
            fmt::format("Gateway {} is not carried out: {}", name, problem.message)};
  }
  BackendProblem first;
  const Object* taker = nullptr;
  for (const ListenerSpec& listener : std::get<GatewaySpec>(gateway->spec).listeners) {
    if (!names_listener(parent, listener)) continue;
    const JudgedListener judged = judge_listener(state, *gateway, listener);
    Fit one = fit(state, *gateway, listener, judged, route);
    if (one.problem.reason.empty()) {
      if (!std::holds_alternative<TcpRouteSpec>(route.spec)) return {};
      taker = taken_by(attached_routes(state, *gateway, listener, judged), route);
      if (!taker) return {};
    } else if (first.reason.empty()) {
      first = std::move(one.problem);
    }
  }
  if (taker) {
    return {"Conflicted", fmt::format("{} {}/{} is older and takes the same connections of {}",
                                      taker->kind(), taker->meta.ns, taker->meta.name, name)};
  }
  if (!first.reason.empty()) return {first.reason, fmt::format("{}: {}", name, first.message)};
  if (!parent.section.empty()) {
    return {"NoMatchingParent", fmt::format("{} has no listener '{}'{}", name, parent.section,
                                            parent.port ? " of that port" : "")};
  }
  return {"NoMatchingParent", fmt::format("{} has no listener with port {}", name, parent.port)};
}

std::vector<Condition> gateway_class_conditions(const Object& object) {
  const auto& spec = std::get<GatewayClassSpec>(object.spec);
  BackendProblem problem;
  if (spec.controller != kGatewayController) {
    problem = {"Pending", fmt::format("its controller is {}, Weft's is {}", spec.controller,
                                      kGatewayController)};
  } else if (!object.unsupported.empty()) {
    problem = {"UnsupportedValue", fmt::format("{}", fmt::join(object.unsupported, "; "))};
  }
  return {condition("Accepted", problem, "Accepted")};
}

std::vector<Condition> gateway_conditions(const Compiler::State& state, const Object& gateway) {
  BackendProblem problem = gateway_problem(state, gateway);
  if (!problem.reason.empty()) {
    return {condition("Accepted", problem, "Accepted"),
            condition("Programmed", {"Invalid", problem.message}, "Programmed")};
  }
  const auto& listeners = std::get<GatewaySpec>(gateway.spec).listeners;
  BackendProblem invalid, unprogrammed;
  bool some = false;
  for (const ListenerSpec& listener : listeners) {
    const JudgedListener judged = judge_listener(state, gateway, listener);
    some = some || judged.usable();
    BackendProblem one = programmed_problem(state, gateway, listener, judged);
    if (one.reason.empty()) continue;
    BackendProblem& of = one.reason == "Invalid" ? invalid : unprogrammed;
    if (of.reason.empty())
      of = {one.reason, fmt::format("listener {}: {}", listener.name, one.message)};
  }
  const model::GatewayName name{gateway.meta.ns, gateway.meta.name};
  if (serving(state, name).empty()) unprogrammed = not_served(name);
  Condition accepted = condition("Accepted", {}, "Accepted");
  if (!invalid.reason.empty()) {
    accepted.ok = some;
    accepted.reason = "ListenersNotValid";
    accepted.message = invalid.message;
  }
  if (!some) unprogrammed = {"Invalid", invalid.message};
  return {accepted, condition("Programmed", unprogrammed, "Programmed")};
}

void mark_gateways(Compiler::State& state, const Object& object) {
  const std::string& kind = object.kind();
  if (kind == "Gateway") {
    state.changed_gateways.insert({object.meta.ns, object.meta.name});
  } else if (kind == "GatewayClass" || kind == "Secret" || kind == "Namespace" ||
             kind == "ReferenceGrant") {
    const ObjectKey first{"Gateway", "", ""};
    for (auto it = state.objects.lower_bound(first);
         it != state.objects.end() && it->first.kind == first.kind; ++it) {
      state.changed_gateways.insert({it->first.ns, it->first.name});
    }
  } else if (const std::vector<ParentRef>* parents = parents_of(object)) {
    for (const ParentRef& parent : *parents) {
      if (parent.is_gateway()) state.changed_gateways.insert(parent.service);
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
  for (const ListenerSpec& listener : std::get<GatewaySpec>(gateway->spec).listeners) {
    JudgedListener judged = judge_listener(*state_, *gateway, listener);
    if (judged.usable())
      out.listeners.push_back(compile_listener(*state_, *gateway, listener, std::move(judged)));
  }
  return out;
}

GatewayState Compiler::gateway_state(const Object& gateway) const {
  GatewayState out;
  for (const Instance* instance : serving(*state_, {gateway.meta.ns, gateway.meta.name})) {
    if (std::ranges::find(out.addresses, instance->address.ip) == out.addresses.end())
      out.addresses.push_back(instance->address.ip);
  }
  if (!gateway_problem(*state_, gateway).reason.empty()) return out;
  for (const ListenerSpec& listener : std::get<GatewaySpec>(gateway.spec).listeners) {
    const JudgedListener judged = judge_listener(*state_, gateway, listener);
    GatewayState::Listener one;
    one.name = listener.name;
    one.kinds = judged.kinds;
    one.attached_routes = attached_routes(*state_, gateway, listener, judged).size();
    BackendProblem accepted = judged.unaccepted;
    if (accepted.reason.empty()) accepted = judged.conflict;
    one.conditions = {
        condition("Accepted", accepted, "Accepted"),
        condition("ResolvedRefs", judged.unresolved, "ResolvedRefs"),
        condition("Programmed", programmed_problem(*state_, gateway, listener, judged),
                  "Programmed"),
        {.type = "Conflicted",
         .ok = !judged.conflict.reason.empty(),
         .reason = judged.conflict.reason.empty() ? "NoConflicts" : judged.conflict.reason,
         .message = judged.conflict.message}};
    for (Condition& each : one.conditions) each.generation = gateway.meta.generation;
    out.listeners.push_back(std::move(one));
  }
  return out;
}

}  // namespace weft::control
