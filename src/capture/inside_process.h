// What runs in the forked child: see inside.h.
#pragma once

#include "base/fd.h"
#include "capture/inside.h"

namespace weft::capture {

// Enters the namespaces, serves the keeper on `socket` and returns when the instance has ended: the exit
// status of this process, which nobody reads. Never returns into the keeper's code: call _exit() with it.
int run_inside(const InsideOptions& options, Fd socket);

}  // namespace weft::capture
