// A Gateway's part of compiling: which routes its listeners take, what is wrong with a listener, and what
// an edge proxy gets. Reasons and messages are the Gateway API's (GatewaySpec, ListenerConditionReason,
// RouteConditionReason). Pure functions of the compiler's state.
//
// A Gateway is Weft's if its class is the built-in `weft`, or a GatewayClass with controllerName
// weft.dev/gateway. It is carried out by instances whose identity says so (model/gateway.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/compile_listeners.h"
#include "control/compile_state.h"
#include "model/gateway.h"

namespace weft::control {

inline constexpr std::string_view kGatewayController = "weft.dev/gateway";

// Hosts that both let in: "" is any, "*.example.com" any below it. Nothing: none.
std::optional<std::string> common_host(std::string_view a, std::string_view b);

// The Gateway a route's parent is, or is a ListenerSet for.
std::optional<model::GatewayName> gateway_behind(const Compiler::State& state,
                                                 const ParentRef& parent);
const Object* find_gateway(const Compiler::State& state, const model::GatewayName& name);
// Why the Gateway as a whole is not carried out.
BackendProblem gateway_problem(const Compiler::State& state, const Object& gateway);
std::vector<const Instance*> serving(const Compiler::State& state, const model::GatewayName& name);
// What it is called where it is carried out: unique among those of a Gateway and of its ListenerSets.
std::string listener_name(const JudgedListener& listener);
size_t attached_routes(const Compiler::State& state, const JudgedListener& listener);

// Why the route is not attached through this reference to a Gateway or a ListenerSet; no reason = it is.
BackendProblem gateway_parent_problem(const Compiler::State& state, const Object& route,
                                      const ParentRef& parent);

std::vector<Condition> gateway_conditions(const Compiler::State& state, const Object& gateway);
std::vector<Condition> listener_set_conditions(const Compiler::State& state, const Object& set);
std::vector<Condition> gateway_class_conditions(const Object& object);

// Marks the Gateways whose compile_gateway() may differ after a change of this object; before it is taken out,
// and after it was put in.
void mark_gateways(Compiler::State& state, const Object& object);
// The same after a change of what a Service is: Gateways whose routes send to it.
void mark_gateways_of_backend(Compiler::State& state, const model::ServiceName& service);

}  // namespace weft::control
