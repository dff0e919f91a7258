// Slow start: the part of its share that a new or returning endpoint gets (Envoy's curve):
//   max(min_percent, (max(up, 1 s) / window) ^ (1 / aggression)), and all of it after the window.
#pragma once

#include "base/time.h"
#include "model/policy.h"

namespace weft::steer {

// Above 0, at most 1. `up`: for how long it has been in use.
double slow_start_share(const model::SlowStart& policy, Duration up);

}  // namespace weft::steer
