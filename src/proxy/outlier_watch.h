// How outlier detection (steer/outlier.h) is fed by the request path and by opaque connections, and how it
// is heard of: every ejection and every return is a line of the log.
#pragma once

#include "model/policy.h"
#include "proxy/snapshot.h"
#include "proxy/worker.h"
#include "steer/outlier.h"

namespace weft::proxy {

// The HTTP status that comes nearest to a gRPC status, so that one policy serves both; 200 for those that
// are no failure of the server.
int http_status_of_grpc(int grpc_status);

steer::Outliers::Outcome outcome_of(int http_status);

// Before an endpoint of `group`, which has a state, is picked: what has ended since takes effect.
void settle_outliers(Worker& worker, const EndpointGroup& group,
                     const model::OutlierDetection& policy);

// `endpoint` of `group` has answered so, or not at all.
void note_outcome(Worker& worker, const EndpointGroup& group, const LiveEndpoint& endpoint,
                  steer::Outliers::Outcome outcome, const model::OutlierDetection& policy);

}  // namespace weft::proxy
