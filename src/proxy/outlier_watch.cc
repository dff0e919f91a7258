// The list of instances is made only when something is to be judged.
#include "proxy/outlier_watch.h"

namespace weft::proxy {

int http_status_of_grpc(int grpc_status) {
  switch (grpc_status) {
    case 14: return 503;
    case 4: return 504;
    case 8: return 429;
    case 2:
    case 13:
    case 15: return 500;
    default: return 200;
  }
}

steer::Outliers::Outcome outcome_of(int http_status) {
  if (http_status >= 502 && http_status <= 504) return steer::Outliers::kGatewayError;
  return http_status >= 500 ? steer::Outliers::kError : steer::Outliers::kSuccess;
}

void note_outcome(Worker& worker, const EndpointGroup& group, const LiveEndpoint& endpoint,
                  steer::Outliers::Outcome outcome, const model::OutlierDetection& policy) {
  const auto members = [&group] {
    steer::Outliers::Members all;
    for (const LiveEndpoint& live : group.endpoints) {
      if (live.endpoint.ready) all.push_back({&live.health->ejection, live.endpoint.workload});
    }
    return all;
  };
  for (const steer::Outliers::Event& event : group.state->outliers.report(
           endpoint.health->ejection, outcome, policy, worker.loop.now(), members)) {
    if (event.ejected) {
      worker.log.warn("instance ejected", {{"instance", event.name},
                                           {"service", group.service.to_string()},
                                           {"why", to_string(event.reason)},
                                           {"milliseconds", event.length.to_millis()},
                                           {"times", event.times}});
    } else {
      worker.log.info("instance is back",
                      {{"instance", event.name}, {"service", group.service.to_string()}});
    }
  }
}

}  // namespace weft::proxy
