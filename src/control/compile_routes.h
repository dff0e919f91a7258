// Routes into rules: which HTTPRoutes concern a port of a Service, and in which order their matches are
// tried (Gateway API v1, HTTPRouteRule "precedence"). Pure functions.
#pragma once

#include <functional>
#include <vector>

#include "control/object.h"
#include "model/service.h"

namespace weft::control {

// Does the reference name this port of this Service? Without a port or section: every port.
bool names_port(const ParentRef& parent, const model::ServiceName& service,
                const model::ServicePort& port);
// The same, and the port is not declared to speak opaque TCP: it may get requests.
bool attaches(const ParentRef& parent, const model::ServiceName& service,
              const model::ServicePort& port);

// May requests of this route, seen as attached to `parent`, go there?
using BackendUsable = std::function<bool(const Object& route, const model::ServiceName& parent,
                                         const BackendRef& backend)>;

// As sidecars know it; a name that no Service can have is not told to them.
model::Backend compiled_backend(const BackendRef& ref, bool usable);

// Fills port.rules and port.routed from the routes that attach to it.
void compile_rules(const model::ServiceName& service, const std::vector<const Object*>& routes,
                   const BackendUsable& usable, model::ServicePort& port);

// A route as a listener of a Gateway has it: for the hosts that both let in ("" = all of the listener's).
struct HostedRoute {
  const Object* route;
  std::vector<std::string> hosts;
};
// Fills port.rules of a listener; port.routed is the caller's.
void compile_hosted_rules(const std::vector<HostedRoute>& routes, const BackendUsable& usable,
                          model::ServicePort& port);

}  // namespace weft::control
