// TLSRoutes and TCPRoutes into rules for opaque connections. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "control/compile_routes.h"

namespace weft::control {

// Does the reference name this port of this Service, and may the port be opaque: tcp, tls or undeclared?
bool attaches_opaque(const ParentRef& parent, const model::ServiceName& service,
                     const model::ServicePort& port);

// Fills port.tcp_rules: the oldest route first, because of two for the same connections the first counts.
void compile_tcp_rules(const model::ServiceName& service, const std::vector<const Object*>& routes,
                       const BackendUsable& usable, model::ServicePort& port);

// Fills port.tcp_rules of a listener of a Gateway. `routes`: the oldest first.
void compile_hosted_tcp_rules(const std::vector<HostedRoute>& routes, const BackendUsable& usable,
                              model::ServicePort& port);

// The older route that takes all that `route` could get through this parent; null when something is left
// for it. `routes`: of the parent.
const Object* all_taken_by(const Object& route, const ParentRef& parent,
                           const std::vector<model::ServicePort>& ports,
                           const std::vector<const Object*>& routes);

}  // namespace weft::control
