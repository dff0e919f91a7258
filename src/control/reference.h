// The reference pages of docs/reference, made from the tables that decode: what a page says is what the
// server does. `weft reference DIR` writes them; a test compares them with what is committed.
#pragma once

#include <string>
#include <string_view>

#include "control/kinds.h"

namespace weft::control {

// Markdown: every field with its type, default, unit and origin, the rules between fields, an example.
std::string reference_page(const Kind& kind);
// "httproute.md"
std::string reference_file(const Kind& kind);
// A valid object of the kind, as YAML.
std::string_view reference_example(std::string_view kind);

}  // namespace weft::control
