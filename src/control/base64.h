// Base64 as objects carry it (RFC 4648 section 4): padded or not, in lines or in one.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::control {

Result<std::string> decode_base64(std::string_view text);

}  // namespace weft::control
