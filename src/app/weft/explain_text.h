// An explanation (the answer of POST /v1/explain) as a person reads it: one paragraph for each thing that decides, in
// the order in which they act, and at the end what would happen.
#pragma once

#include <string>

#include "control/yaml.h"

namespace weft::app {

std::string explanation_text(const control::Node& explanation);

}  // namespace weft::app
