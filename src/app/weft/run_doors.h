// The listeners on the host that the command line asks for: --publish and --upstream. The keeper makes and
// holds them, so that a sidecar that is replaced leaves no gap.
#pragma once

#include <vector>

#include "app/weft/run_options.h"
#include "base/fd.h"

namespace weft::app {

struct RunDoors {
  // In the order of the options: none where the port is taken; the sidecar tries later and says so.
  std::vector<Fd> publishes, upstreams;
};

RunDoors open_doors(const RunOptions& options);

}  // namespace weft::app
