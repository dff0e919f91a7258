// The parts of reading YAML that know no parser: which characters a text may hold, and what a scalar
// means (YAML 1.2 core schema, section 10.3.2).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "control/yaml.h"

namespace weft::control {

struct UncleanText {
  Position at;
  std::string what;
};
// The first character a YAML stream may not hold: bytes that are not UTF-8, NUL and other controls.
std::optional<UncleanText> find_unclean_text(std::string_view text);

// Gives a plain scalar its kind.
void resolve_plain(Node& scalar);
// The same for an explicit core tag (tag:yaml.org,2002:str …). False: it does not fit.
bool resolve_tagged(Node& scalar, std::string_view tag);

}  // namespace weft::control
