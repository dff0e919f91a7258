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

namespace {

steer::Outliers::Members members_of(const EndpointGroup& group) {
  steer::Outliers::Members all;
  for (const LiveEndpoint& live : group.endpoints) {
    if (live.endpoint.ready) all.push_back({live.ejection.get(), live.endpoint.workload});
  }
  return all;
}

void tell(Worker& worker, const EndpointGroup& group,
          const std::vector<steer::Outliers::Event>& events) {
  for (const steer::Outliers::Event& event : events) {
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

}  // namespace

void settle_outliers(Worker& worker, const EndpointGroup& group,
                     const model::OutlierDetection& policy) {
  steer::Outliers& outliers = group.state->outliers;
  const Instant now = worker.loop.now();
  if (!outliers.due(now)) return;
  tell(worker, group, outliers.settle(policy, now, [&group] { return members_of(group); }));
}

void note_outcome(Worker& worker, const EndpointGroup& group, const LiveEndpoint& endpoint,
                  steer::Outliers::Outcome outcome, const model::OutlierDetection& policy) {
  tell(worker, group,
       group.state->outliers.report(*endpoint.ejection, outcome, policy, worker.loop.now(),
                                    [&group] { return members_of(group); }));
}

}  // namespace weft::proxy
