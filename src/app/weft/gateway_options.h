// The command line of `weft gateway`, read into what `weft run` runs on: an instance whose program only waits.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "app/weft/run_options.h"

namespace weft::app {

// `self`: this program; what runs in the instance is its verb `hold`. One line for each thing that is wrong.
Result<RunOptions> parse_gateway_options(std::span<char* const> args, const std::string& self);

// The manual page.
std::string_view gateway_help();

}  // namespace weft::app
