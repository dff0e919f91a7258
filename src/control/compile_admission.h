// How many rules a port of a Service and a listener of a Gateway take, and which routes are left out because there
// would be more. What a proxy would refuse, or look through one by one, is bounded here, where somebody can be
// told: all rules, and those that headers, queries or regular expressions tell apart under one host and path.
//
// Older routes come first, then NAMESPACE/NAME, as everywhere. A route that would go beyond a bound is left
// out whole, on that port or listener, and says so (Accepted=False, TooManyRules).
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "control/compile_routes.h"
#include "control/compile_state.h"
#include "xds/convert.h"

namespace weft::control {

inline constexpr size_t kPortRules = xds::kPortRules;  // one per match and host name
inline constexpr size_t kPlaceRules = 64;  // told apart one by one under one host and path
inline constexpr size_t kListenerRules = xds::kRulesInOne;  // of a listener
inline constexpr size_t kOpaqueRules = xds::kRulesInOne;  // of a port; one per TLSRoute or TCPRoute

// Which of `routes` the port has no room for, and why.
RoutesLeftOut left_out(const model::ServiceName& service, const std::vector<const Object*>& routes,
                       const model::ServicePort& port);

// The same of a Service in the compiler's state; kept there until something of the Service changes.
const RoutesLeftOut& left_out(const Compiler::State& state, const model::ServiceName& service,
                              const model::ServicePort& port);

// Which routes a listener has no room for. `routes`: all that fit, the oldest first; `where`: "listener web of
// default/edge".
RoutesLeftOut left_out_of_listener(const std::string& where,
                                   const std::vector<HostedRoute>& routes);

}  // namespace weft::control
