// Durations as Gateway API writes them (GEP-2257): 1 to 4 of NUMBER and unit, numbers of at most five
// digits, units h, m, s, ms: "10s", "1h30m", "0s".
#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"

namespace weft::control {

std::optional<Duration> parse_gateway_duration(std::string_view text);

// "2026-12-01T10:00:00Z", "2026-12-01T11:00:00.5+01:00" (RFC 3339), years 1970 to 2261; nothing for
// anything else.
std::optional<WallTime> parse_rfc3339(std::string_view text);

}  // namespace weft::control
