// Durations as Gateway API writes them (GEP-2257): 1 to 4 of NUMBER and unit, numbers of at most five
// digits, units h, m, s, ms: "10s", "1h30m", "0s".
#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"

namespace weft::control {

std::optional<Duration> parse_gateway_duration(std::string_view text);

}  // namespace weft::control
