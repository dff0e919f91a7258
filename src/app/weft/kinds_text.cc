// One loop over the table of kinds. Descriptions are written for the reference, where they may be long: a manual
// has their first sentence, or the part of it before a colon.
#include "app/weft/kinds_text.h"

#include <fmt/format.h>

#include "control/kinds.h"

namespace weft::app {
namespace {

std::string_view opening(std::string_view description) {
  return description.substr(0, description.find_first_of(".:"));
}

}  // namespace

std::string kinds_manual() {
  std::string out;
  for (const control::Kind& kind : control::kinds()) {
    out += fmt::format("  {:<23}{:<39}{}\n", kind.kind, kind.api_version,
                       opening(kind.schema->description));
  }
  return out;
}

std::vector<std::string_view> kind_plurals() {
  std::vector<std::string_view> names;
  for (const control::Kind& kind : control::kinds()) names.emplace_back(kind.plural);
  return names;
}

}  // namespace weft::app
