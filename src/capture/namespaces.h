// Entering the instance's namespaces, and saying precisely why where the kernel will not have it.
#pragma once

#include <string>

#include "base/result.h"

namespace weft::capture {

// Puts the calling process (one thread) into new network and mount namespaces. As root in earnest
// (`as_root`) that is all; otherwise a new user namespace comes first, with the process's own uid and
// gid mapped to themselves and nothing else. The mount tree then receives what the host mounts and
// unmounts later but sends nothing back. The error names the call that failed, the setting that is the
// likely cause and what to do about it.
Result<void> enter_namespaces(bool as_root);

// The likely cause of a refusal, read from the kernel's settings; "" when nothing is known.
std::string why_namespaces_are_refused();

}  // namespace weft::capture
