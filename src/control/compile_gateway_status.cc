// What a Gateway and a ListenerSet say of themselves: conditions in the Gateway API's words (GatewayConditionReason,
// ListenerSetConditionReason, ListenerConditionReason). Everything is judged anew for each question.
#include <fmt/format.h>

#include <algorithm>

#include "control/compile_gateway.h"
#include "control/compile_listener_sets.h"

namespace weft::control {
namespace {

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

model::GatewayName name_of(const Object& gateway) { return {gateway.meta.ns, gateway.meta.name}; }

BackendProblem programmed_problem(const Compiler::State& state, const Object& gateway,
                                  const JudgedListener& judged) {
  if (!judged.usable()) {
    return {"Invalid", !judged.unaccepted.message.empty() ? judged.unaccepted.message
                       : !judged.conflict.message.empty() ? judged.conflict.message
                                                          : judged.unresolved.message};
  }
  const auto instances = serving(state, name_of(gateway));
  if (instances.empty()) return not_served(name_of(gateway));
  const uint16_t port = judged.spec->port;
  for (const Instance* instance : instances) {
    const auto it = instance->ready.find(port);
    if (it == instance->ready.end() || it->second) return {};
  }
  return {"Pending", fmt::format("{} cannot listen on port {}: its notes say why",
                                 instances.front()->id, port)};
}

// Of those of one object: Accepted and Programmed of the whole.
std::vector<Condition> whole_conditions(const Compiler::State& state, const Object& gateway,
                                        const Object& owner) {
  BackendProblem invalid, unprogrammed;
  bool some = false;
  for (const JudgedListener& judged : judge_listeners(state, gateway)) {
    if (judged.owner != &owner) continue;
    some = some || judged.usable();
    BackendProblem one = programmed_problem(state, gateway, judged);
    if (one.reason.empty()) continue;
    BackendProblem& of = one.reason == "Invalid" ? invalid : unprogrammed;
    if (of.reason.empty())
      of = {one.reason, fmt::format("listener {}: {}", judged.spec->name, one.message)};
  }
  if (serving(state, name_of(gateway)).empty()) {
    unprogrammed = not_served(name_of(gateway));
  } else if (!unprogrammed.reason.empty() &&
             !std::get<GatewaySpec>(gateway.spec).addresses.empty()) {
    // The address is what was asked for: what could not be opened there was not.
    unprogrammed.reason = "AddressNotUsable";
  }
  Condition accepted = condition("Accepted", {}, "Accepted");
  if (!invalid.reason.empty()) {
    accepted.ok = some;
    accepted.reason = "ListenersNotValid";
    accepted.message = invalid.message;
  }
  if (!some) unprogrammed = {"Invalid", invalid.message};
  return {accepted, condition("Programmed", unprogrammed, "Programmed")};
}

bool has_fallback(const GatewaySpec& spec) {
  return spec.clients.fallback || std::ranges::any_of(spec.clients_of_port, [](const auto& one) {
           return one.second.fallback;
         });
}

GatewayState::Listener state_of(const Compiler::State& state, const Object& gateway,
                                const JudgedListener& judged) {
  GatewayState::Listener one;
  one.name = judged.spec->name;
  one.kinds = judged.kinds;
  one.attached_routes = attached_routes(state, judged);
  BackendProblem accepted = judged.unaccepted;
  if (accepted.reason.empty()) accepted = judged.conflict;
  one.conditions = {
      condition("Accepted", accepted, "Accepted"),
      condition("ResolvedRefs", judged.unresolved, "ResolvedRefs"),
      condition("Programmed", programmed_problem(state, gateway, judged), "Programmed"),
      {.type = "Conflicted",
       .ok = !judged.conflict.reason.empty(),
       .reason = judged.conflict.reason.empty() ? "NoConflicts" : judged.conflict.reason,
       .message = judged.conflict.message}};
  for (Condition& each : one.conditions) each.generation = judged.owner->meta.generation;
  return one;
}

}  // namespace

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
  std::vector<Condition> out = whole_conditions(state, gateway, gateway);
  if (std::get<GatewaySpec>(gateway.spec).client_certificate) {
    model::GatewayCertificate shown;
    out.push_back(condition("ResolvedRefs", client_certificate_problem(state, gateway, shown),
                            "ResolvedRefs"));
  }
  if (has_fallback(std::get<GatewaySpec>(gateway.spec))) {
    out.push_back({.type = "InsecureFrontendValidationMode",
                   .ok = true,
                   .reason = "ConfigurationChanged",
                   .message = "clients without a valid certificate are let in "
                              "(tls.frontend, mode AllowInsecureFallback)"});
  }
  return out;
}

std::vector<Condition> listener_set_conditions(const Compiler::State& state, const Object& set) {
  const BackendProblem problem = set_problem(state, set);
  if (!problem.reason.empty()) {
    return {condition("Accepted", problem, "Accepted"),
            condition("Programmed", problem, "Programmed")};
  }
  return whole_conditions(state, *find_gateway(state, gateway_of_set(set)), set);
}

GatewayState Compiler::gateway_state(const Object& object) const {
  GatewayState out;
  const bool whole = std::holds_alternative<GatewaySpec>(object.spec);
  if (!whole && !set_problem(*state_, object).reason.empty()) return out;
  const Object& gateway = whole ? object : *find_gateway(*state_, gateway_of_set(object));
  const auto instances = serving(*state_, name_of(gateway));
  const auto add_address = [&](const IpAddress& ip) {
    if (std::ranges::find(out.addresses, ip) == out.addresses.end()) out.addresses.push_back(ip);
  };
  if (!instances.empty()) {
    for (const GatewaySpec::Address& address : std::get<GatewaySpec>(gateway.spec).addresses) {
      if (const auto ip = IpAddress::parse(address.value)) add_address(*ip);
    }
  }
  const bool asked_for = !out.addresses.empty();
  for (const Instance* instance : instances) {
    if (!asked_for) add_address(instance->address.ip);
  }
  if (whole && !gateway_problem(*state_, gateway).reason.empty()) return out;
  std::set<const Object*> attached;
  for (const JudgedListener& judged : judge_listeners(*state_, gateway)) {
    if (judged.owner != &gateway && judged.usable()) attached.insert(judged.owner);
    if (judged.owner == &object) out.listeners.push_back(state_of(*state_, gateway, judged));
  }
  out.attached_sets = attached.size();
  return out;
}

}  // namespace weft::control
