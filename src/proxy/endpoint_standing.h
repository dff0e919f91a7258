// How each endpoint of a group stands towards a request that comes now: what pick_endpoint() draws from, with what
// share, and why it leaves the others out. For reports; claims nothing.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "proxy/destination.h"
#include "proxy/snapshot.h"

namespace weft::proxy {

struct EndpointStanding {
  bool candidate = false;
  double share = 0;   // of the group's requests, as far as tiers and slow start decide
  std::string state;  // "ready", or why it is left out
};

// Beside the group's endpoints. `rule`: what the request's rule says of balancing; may be null.
std::vector<EndpointStanding> standings_in(const EndpointGroup& group, uint16_t service_port,
                                           const model::BackendPolicy* rule, Instant now);

}  // namespace weft::proxy
