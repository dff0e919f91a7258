// Two draws and a comparison in the common case. Only when a draw hits an endpoint that must not be used
// is the list walked, from a random place, so the cost is O(n) exactly when something is wrong.
#include "proxy/balancer.h"

#include <algorithm>

namespace weft::proxy {
namespace {

bool serves(const LiveEndpoint& candidate, uint16_t service_port, const Tried& tried) {
  if (!candidate.endpoint.ready || !candidate.endpoint.target_ports.contains(service_port))
    return false;
  return std::find(tried.begin(), tried.end(), candidate.endpoint.workload) == tried.end();
}

// Less busy first; of equals the first, which was drawn at random.
const LiveEndpoint* less_busy(const LiveEndpoint* a, const LiveEndpoint* b) {
  return b->health->active() < a->health->active() ? b : a;
}

const LiveEndpoint* draw_two(const std::vector<LiveEndpoint>& all, uint16_t service_port,
                             Instant now, Random& random, const Tried& tried) {
  const LiveEndpoint& first = all[random.below(all.size())];
  if (!serves(first, service_port, tried) || first.health->resting(now)) return nullptr;
  size_t at = static_cast<size_t>(&first - all.data());
  size_t other = all.size() == 1 ? at : (at + 1 + random.below(all.size() - 1)) % all.size();
  const LiveEndpoint& second = all[other];
  if (!serves(second, service_port, tried) || second.health->resting(now)) return nullptr;
  const LiveEndpoint* chosen = less_busy(&first, &second);
  return chosen->health->claim(now) ? chosen : nullptr;
}

const LiveEndpoint* walk(const std::vector<LiveEndpoint>& all, uint16_t service_port, Instant now,
                         Random& random, const Tried& tried) {
  const LiveEndpoint* best = nullptr;
  const LiveEndpoint* resting = nullptr;
  size_t start = random.below(all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    const LiveEndpoint& candidate = all[(start + i) % all.size()];
    if (!serves(candidate, service_port, tried)) continue;
    if (candidate.health->resting(now)) {
      resting = resting ? less_busy(resting, &candidate) : &candidate;
    } else {
      best = best ? less_busy(best, &candidate) : &candidate;
    }
  }
  // A rest that is over gives the trial to one request; who loses that race against another thread
  // makes a second trial, which does no harm.
  if (best) best->health->claim(now);
  return best ? best : resting;
}

}  // namespace

const LiveEndpoint* pick_endpoint(const EndpointGroup& group, uint16_t service_port, Instant now,
                                  Random& random, const Tried& tried, bool again) {
  if (group.endpoints.empty()) return nullptr;
  const LiveEndpoint* chosen = draw_two(group.endpoints, service_port, now, random, tried);
  if (!chosen) chosen = walk(group.endpoints, service_port, now, random, tried);
  if (!chosen && again && !tried.empty()) {
    chosen = walk(group.endpoints, service_port, now, random, {});
  }
  return chosen;
}

}  // namespace weft::proxy
