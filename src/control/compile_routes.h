// Routes into rules: which HTTPRoutes concern a port of a Service, and in which order their matches are
// tried (Gateway API v1, HTTPRouteRule "precedence"). Pure functions.
#pragma once

#include <functional>
#include <vector>

#include "control/object.h"
#include "model/service.h"

namespace weft::control {

// Does the route apply to this port of this Service? Without a port in the parentRef: to every port but
// those declared to speak opaque TCP.
bool attaches(const HttpRouteSpec& route, const model::ServiceName& service,
              const model::ServicePort& port);

// Is there such a port of such a Service?
using BackendExists = std::function<bool(const model::ServiceName&, uint16_t port)>;

// Fills port.rules and port.routed from the routes that attach to it.
void compile_rules(const model::ServiceName& service, const std::vector<const Object*>& routes,
                   const BackendExists& exists, model::ServicePort& port);

}  // namespace weft::control
