// How Secrets are shown: certificates as they are, everything else hidden.
#pragma once

#include <string_view>

#include "control/yaml.h"

namespace weft::control {

// In place of a value that is not shown. No base64, so it cannot be applied by mistake.
inline constexpr std::string_view kHidden = "(hidden)";

// In the tree of a Secret.
void hide_secrets(Node& document);

}  // namespace weft::control
