// The parts of HTTPRoute's table that stand in files of their own.
#pragma once

#include "control/kinds_route.h"

namespace weft::control {

extern const Schema kHttpFilterSchema;         // rules[].filters[]
extern const Schema kHttpBackendFilterSchema;  // rules[].backendRefs[].filters[]
extern const Schema kHttpMatchSchema;          // rules[].matches[]
extern const Rule kHttpRuleRules[2];           // on a rule
// On rules[] of an HTTPRoute or a GRPCRoute.
extern const Rule kRouteRulesRules[2];

}  // namespace weft::control
