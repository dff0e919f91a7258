// Which endpoint of a group takes the next exchange: the less busy of two drawn at random ("power of two
// choices", Mitzenmacher 2001) among those that are ready and not left out. The load is shared by all
// workers of the sidecar. A pure decision: randomness and time are arguments.
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "proxy/snapshot.h"

namespace weft::proxy {

// Endpoints a request has tried before (instance ids); short by nature.
using Tried = std::vector<std::string>;

// Null when the group has no endpoint that could serve `service_port` at all. Endpoints in `tried` are
// chosen only when no other is left and `again` allows it. When every candidate is left out, one of
// them is tried all the same: passive health never turns the last choice into none.
const LiveEndpoint* pick_endpoint(const EndpointGroup& group, uint16_t service_port, Instant now,
                                  Random& random, const Tried& tried, bool again);

}  // namespace weft::proxy
