// The kinds of objects as the manuals and errors of the verbs name them: from the tables that decode them, so
// that no manual forgets one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft::app {

// One line a kind: kind, apiVersion, and the first sentence of what it is for.
std::string kinds_manual();

// What `weft get`, `describe` and `delete` call the kinds, plural.
std::vector<std::string_view> kind_plurals();

}  // namespace weft::app
