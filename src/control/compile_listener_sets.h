// ListenerSets: which are part of a Gateway, and in which order (Gateway API v1, ListenerSetSpec). Internal to
// compiling Gateways.
#pragma once

#include <string_view>
#include <vector>

#include "control/compile_state.h"

namespace weft::control {

// Is this namespace among those chosen by an object of namespace `own`?
bool is_chosen(const Compiler::State& state, const NamespaceChoice& choice, std::string_view own,
               const std::string& ns);

// The Gateway a ListenerSet is for.
model::GatewayName gateway_of_set(const Object& set);
// Why the ListenerSet as a whole is not part of its Gateway: reason and message of Accepted=False; no reason =
// it is.
BackendProblem set_problem(const Compiler::State& state, const Object& set);
// Those that are part of the Gateway: oldest first, then by NAMESPACE/NAME.
std::vector<const Object*> sets_of(const Compiler::State& state, const Object& gateway);

}  // namespace weft::control
