// Loads a ruleset with the nft program (nftables), which must be installed; it is run, not linked.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::capture {

// Runs `nft -f -` in the calling process's network namespace. The error carries what nft said, and says
// how to install it when it is missing.
Result<void> load_ruleset(std::string_view ruleset);

}  // namespace weft::capture
