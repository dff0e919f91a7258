// One formula; the second at the start keeps 0 to a power out of it, as Envoy does.
#include "steer/slow_start.h"

#include <algorithm>
#include <cmath>

namespace weft::steer {

double slow_start_share(const model::SlowStart& policy, Duration up) {
  if (up >= policy.window) return 1;
  const double part =
      std::max(up, Duration::seconds(1)).to_seconds_f() / policy.window.to_seconds_f();
  const double share = std::pow(std::min(part, 1.0), 1 / std::max(policy.aggression, 0.01));
  return std::clamp(share, std::max(policy.min_percent, 1u) / 100.0, 1.0);
}

}  // namespace weft::steer
