// What `weft run` and `weft gateway` have in common: from a command line that was read to the end of the
// instance.
#pragma once

#include "app/weft/run_options.h"
#include "capture/inside.h"

namespace weft::app {

// The exit status.
int run_instance(const RunOptions& options, const capture::CallerSignals& signals);

}  // namespace weft::app
