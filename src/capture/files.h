// Small files as whole texts: settings under /proc, /etc/resolv.conf and the like.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::capture {

// At most 1 MiB.
Result<std::string> read_small_file(const std::string& path);
// One write(2) to an existing file, or to a new one (mode 0644) when `create`.
Result<void> write_file(const std::string& path, std::string_view text, bool create = false);

}  // namespace weft::capture
