// The mount side of names: what would answer host names past DNS is out of sight inside.
#pragma once

#include <string>

#include "base/result.h"

namespace weft::capture {

// Within the calling process's own mount namespace: puts the files of resolver_files.h over the host's
// where they differ, and hides the sockets of nscd and systemd-resolved. `scratch` is an existing
// directory that is covered for a moment while the files are made. Nothing on the host changes.
Result<void> cover_resolver_files(const std::string& scratch);

}  // namespace weft::capture
