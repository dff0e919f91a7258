// Which endpoint of a group takes the next exchange: steer/pick.h on the group's pools. A pure decision:
// randomness and time are arguments.
#pragma once

#include "proxy/snapshot.h"
#include "steer/pick.h"

namespace weft::proxy {

using steer::Tried;

// Null when the group has no endpoint that could serve `service_port` at all. Endpoints the request has
// tried are chosen only when no other is left and `again` allows it. When every candidate is left out, one of
// them is tried all the same: passive health never turns the last choice into none.
// `rule`: what the request's rule says of balancing; may be null.
const LiveEndpoint* pick_endpoint(const EndpointGroup& group, uint16_t service_port,
                                  const model::BackendPolicy* rule, const steer::PickQuery& query,
                                  bool again);

// Has it an endpoint that pick_endpoint() could choose?
bool could_serve(const EndpointGroup& group, uint16_t service_port);

// The requests' parts by which this policy tells them apart; null: by none.
const std::vector<model::RequestKey>* hash_keys(const EndpointGroup& group,
                                                const model::BackendPolicy* rule);

// Marks the endpoints of `after` that were not in use in `before`, of services that were known, as joined.
void mark_joined(const Snapshot& before, const Snapshot& after, Instant now);

}  // namespace weft::proxy
