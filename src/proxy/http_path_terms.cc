// What a BackendPolicy says about this request's tries beyond the choice of an endpoint: retries, the circuit
// breaker, connections, outlier detection. Looked up once, for all tries. Without a policy it costs two
// pointers that are null.
#include "model/policy_section.h"
#include "proxy/http_request.h"
#include "proxy/outlier_watch.h"

namespace weft::proxy {

using model::BackendPolicy;

void HttpPath::set_terms(Request& request) {
  find_group(request);
  const model::RouteRule* rule = request.rule ? &request.rule->rule() : nullptr;
  const model::RetryPolicy* route = rule && rule->retry ? &*rule->retry : nullptr;
  const BackendPolicy* narrow = rule ? rule->policy.get() : nullptr;
  const BackendPolicy* wide = request.group ? request.group->policy.get() : nullptr;
  if ((!route && !narrow && !wide) || !request.group || !request.group->state) return;
  request.terms = request.group;
  const auto* retries = model::section(narrow, wide, &BackendPolicy::retries);
  const auto* constraint = model::section(nullptr, wide, &BackendPolicy::retry_constraint);
  request.breaker = model::section(narrow, wide, &BackendPolicy::circuit_breaker);
  request.retry =
      steer::RetryState(steer::RetryRules::of(route, retries ? &retries->value : nullptr,
                                              constraint ? &constraint->value : nullptr),
                        *request.terms->state,
                        request.breaker ? request.breaker->value.max_retries : 0, request.start);
  if (const auto* outliers = model::section(narrow, wide, &BackendPolicy::outlier_detection))
    request.outliers = &outliers->value;
  request.connections =
      upstream_terms(request.breaker, model::section(narrow, wide, &BackendPolicy::connection_pool),
                     request.terms->state);
}

// Is there room for one more request to this backend?
bool HttpPath::enter(Request& request) {
  if (!request.breaker || request.breaker->value.max_requests == 0) return true;
  const uint32_t most = request.breaker->value.max_requests;
  request.in_hand = request.terms->state->breaker.take(steer::Breaker::kRequests, most);
  if (request.in_hand) return true;
  request.reply =
      LocalReply{.status = 503,
                 .text = "weft: " + std::to_string(most) + " requests to " +
                         request.terms->service.to_string() + " are in flight, as many as " +
                         request.breaker->origin + " allows",
                 .flags = "UO",
                 .later = true};
  return false;
}

// A Service's own budget says what the caller gets in place of an outcome that it does not let be tried again:
// 503 (Gateway API GEP-3388).
bool HttpPath::refuse_over_constraint(Request& request, const Result<wire::ResponseHead>& outcome) {
  if (!request.retry.refused_by_constraint()) return false;
  if (outcome) note_answer(request, outcome->status, -1);
  request.forwarder.drop();
  request.reply = LocalReply{.status = 503,
                             .text = "weft: " + request.log.service_and_port() +
                                     " failed, and its retry budget by " +
                                     request.terms->policy->retry_constraint->origin + " is spent",
                             .flags = "UO",
                             .later = true};
  return true;
}

// An answer that came whole, or of which only the head matters any more.
void HttpPath::note_answer(Request& request, int status, int grpc_status) {
  if (!request.outliers) return;
  if (status == 200 && grpc_status > 0) status = http_status_of_grpc(grpc_status);
  note_outcome(worker_, *request.group, *request.endpoint, outcome_of(status), *request.outliers);
}

// No answer came, or it was cut. Of the caller's own deadline nobody else is to blame.
void HttpPath::note_no_answer(Request& request, ErrorKind kind) {
  if (!request.outliers) return;
  if (kind == ErrorKind::kTimeout && request.callers_deadline &&
      worker_.loop.now() >= *request.callers_deadline) {
    return;
  }
  note_outcome(worker_, *request.group, *request.endpoint, steer::Outliers::kGatewayError,
               *request.outliers);
}

}  // namespace weft::proxy
