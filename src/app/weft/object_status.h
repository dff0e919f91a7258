// The conditions in the status of a whole object, wherever its kind keeps them.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "app/weft/table.h"
#include "control/yaml.h"

namespace weft::app {

// Calls `see` with every condition and with what it is of: "" for the object itself, "listener https" of a
// Gateway or ListenerSet, "Service cart.shop:80" for the parent of a route or the target of a policy.
void each_condition(
    const control::Node& object,
    const std::function<void(std::string_view of, const control::Node& condition)>& see);

// Is this how things should be? Of a listener's Conflicted "False" is, of all others "True".
bool is_well(const control::Node& condition);

// OF, CONDITION, HOLDS, REASON, MESSAGE.
Table conditions_table(const control::Node& object);

}  // namespace weft::app
