// What people look at, as rows of plain values: services and routes as `weft status`, `weft get` and the
// status page show them. Made from the compiler's state and the proxies' acknowledgements.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "control/compile.h"

namespace weft::control {

using ServedFn = std::function<Served(const Carriers&)>;

struct ServiceRow {
  struct Port {
    uint16_t port = 0;
    std::string name;
    std::string protocol;  // "auto" when nobody declared it
    size_t rules = 0;
  };
  model::ServiceName name;
  bool headless = false;
  bool implicit = false;   // made from claims, there is no Service object
  std::string vip4, vip6;  // "" when headless
  std::vector<Port> ports;
  size_t ready = 0;      // endpoints that may be picked
  size_t instances = 0;  // all behind it, leaving ones excepted
  Served served;
  std::vector<Condition> conditions;  // of the object, when there is one
  std::vector<std::string> policies;  // in force on it
};
std::vector<ServiceRow> service_rows(const Compiler& compiler, const ServedFn& served);

// Of HTTPRoutes and GRPCRoutes.
struct RouteRow {
  ObjectKey key;
  std::vector<std::string> parents;  // "cart.default:80", "cart.default"
  std::vector<std::string> rules;  // "GET /api → cart-v1.default:80 90 %, cart-v2.default:80 10 %"
  Served served;                   // by the proxies that use any of its parents
  std::vector<Condition> conditions;
  std::vector<ParentState> parent_states;  // weft.dev/Served among the conditions
  std::vector<std::string> policies;       // in force on it or on one of its rules
};
std::vector<RouteRow> route_rows(const Compiler& compiler, const ServedFn& served);

// The object's conditions with what the proxies say added: a refusal makes Programmed false.
std::vector<Condition> full_conditions(const Compiler& compiler, const Object& object,
                                       const ServedFn& served);
Served served_of(const Compiler& compiler, const Object& object, const ServedFn& served);
// Of a Service who holds its rules; what is wrong with its endpoints is told here as well.
Served served_of(const model::ServiceName& service, const ServedFn& served);
// Weft's own condition of `object` beside the standard ones, "weft.dev/Served": "served by 41 of 42 sidecars".
// What proxies refuse is False: Refused where it is this object's, or nobody knows whose; HeldBack at what must
// wait for it, since one change is in force as a whole or not at all; NotSent when no proxy could use it.
Condition served_condition(const Object& object, const Served& served);
// The states of a route's parents with that condition added to each.
std::vector<ParentState> parent_states(const Compiler& compiler, const Object& route,
                                       const ServedFn& served);
// The states of a policy's targets, the same added to each.
std::vector<AncestorState> ancestor_states(const Compiler& compiler, const Object& policy,
                                           const ServedFn& served);

}  // namespace weft::control
