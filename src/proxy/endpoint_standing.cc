// The same questions in the same order as the balancer's.
#include "proxy/endpoint_standing.h"

#include <algorithm>

namespace weft::proxy {

std::shared_ptr<const EndpointGroup> group_of_one(const Destination& destination) {
  auto group = std::make_shared<EndpointGroup>();
  group->endpoints.push_back(destination.workload->endpoint);
  group->endpoints.back().endpoint.target_ports[destination.port] = destination.port;
  return group;
}

std::vector<EndpointStanding> standings_in(const EndpointGroup& group, uint16_t service_port,
                                           Instant now) {
  std::vector<EndpointStanding> all;
  bool resting = false;
  for (const LiveEndpoint& live : group.endpoints) {
    EndpointStanding one;
    if (!live.endpoint.target_ports.contains(service_port)) {
      one.state = "does not serve port " + std::to_string(service_port);
    } else if (!live.endpoint.ready) {
      one.state = "not ready";
    } else if (live.health->resting(now)) {
      one.state = "rests after a failure";
      resting = true;
    } else {
      one = {true,
             live.endpoint.stale ? "ready when last heard of: its sidecar is silent" : "ready"};
    }
    all.push_back(std::move(one));
  }
  const bool some = std::ranges::any_of(all, &EndpointStanding::candidate);
  if (some || !resting) return all;
  // Passive health never turns the last choice into none.
  for (size_t i = 0; i < all.size(); ++i) {
    const LiveEndpoint& live = group.endpoints[i];
    if (!live.endpoint.ready || !live.endpoint.target_ports.contains(service_port)) continue;
    all[i] = {true, "rests after a failure, but nobody else is left"};
  }
  return all;
}

}  // namespace weft::proxy
