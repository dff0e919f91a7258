// How many rules a port of a Service takes, and which routes are left out because there would be more. What
// a sidecar looks through one by one is bounded here, where somebody can be told: the rules that headers,
// queries or regular expressions tell apart under one host and path.
//
// Older routes come first, then NAMESPACE/NAME, as everywhere. A route that would go beyond a bound is left
// out whole, on that port, and says so (Accepted=False, TooManyRules).
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "control/compile_state.h"

namespace weft::control {

inline constexpr size_t kPortRules = 8192;  // one per match and host name
inline constexpr size_t kPlaceRules = 64;   // told apart one by one under one host and path

// Which of `routes` (HTTPRoute, GRPCRoute) the port has no room for, and why.
RoutesLeftOut left_out(const model::ServiceName& service, const std::vector<const Object*>& routes,
                       const model::ServicePort& port);

// The same of a Service in the compiler's state; kept there until something of the Service changes.
const RoutesLeftOut& left_out(const Compiler::State& state, const model::ServiceName& service,
                              const model::ServicePort& port);

}  // namespace weft::control
