// One try of a request, from the choice of an endpoint to the head of the answer, and what its failure
// means: for the endpoint, and for the question whether there is another try.
#include "http/grpc_status.h"
#include "proxy/http_request.h"
#include "proxy/outlier_watch.h"
#include "proxy/outside.h"
#include "proxy/websocket.h"
#include "wire/h1_over_h2.h"

namespace weft::proxy {
namespace {

// A caller's deadline is told anew when so much of it has passed.
constexpr Duration kWorthSaying = Duration::millis(1);

steer::RetryState::Answer answer_of(const wire::ResponseHead& head, WallTime now) {
  steer::RetryState::Answer answer{.status = head.status};
  if (auto grpc = head.fields.get("grpc-status"); grpc && head.status == 200) {
    answer.grpc_status = grpc_status_number(*grpc);
    answer.status = http_status_of_grpc(answer.grpc_status);
  }
  answer.pacing = steer::read_pacing(head.fields.get("retry-after").value_or(""),
                                     head.fields.get("grpc-retry-pushback-ms").value_or(""), now);
  return answer;
}

const char* flags_of(steer::RetryState::Refusal refusal) {
  switch (refusal) {
    case steer::RetryState::kAttempts: return "URX";
    case steer::RetryState::kBudget:
    case steer::RetryState::kBreaker: return "UO";
    default: return "";
  }
}

}  // namespace

// The endpoints as they are known now.
void HttpPath::find_group(Request& request) {
  if (request.group && request.snapshot == worker_.snapshot) return;
  request.snapshot = worker_.snapshot;
  if (request.destination.kind == Destination::kWorkload) {
    request.group = group_of_one(request.destination);
  } else {
    request.group = request.snapshot->group(request.backend ? request.backend->service
                                                            : request.destination.service);
  }
}

// An endpoint of the backend that this request has not tried yet, if there is one.
bool HttpPath::pick(Request& request) {
  find_group(request);
  const uint16_t service_port = request.backend ? request.backend->port : request.destination.port;
  if (request.outliers && request.group)
    settle_outliers(worker_, *request.group, *request.outliers);
  request.endpoint = pick_by_session(request, service_port);
  if (!request.endpoint && request.group) {
    find_key(request);
    const model::BackendPolicy* rule = request.rule ? request.rule->rule().policy.get() : nullptr;
    request.endpoint = pick_endpoint(*request.group, service_port, rule,
                                     {.now = worker_.loop.now(),
                                      .random = worker_.random,
                                      .tried = request.tried,
                                      .key = request.key},
                                     true);
  }
  if (!request.endpoint) {
    request.reply = {503, "weft: no instance of " + request.log.service_and_port() + " is ready",
                     "UH"};
    return false;
  }
  const model::Endpoint& endpoint = request.endpoint->endpoint;
  request.app_port = endpoint.target_ports.find(service_port)->second;
  request.tried.add(request.endpoint->health.get());
  request.log.workload = endpoint.workload;
  request.log.upstream = address_of(endpoint, request.app_port).to_string();
  request.log.destination = endpoint.outside ? "external" : endpoint.identity.uri();
  request.log.mtls = !endpoint.outside;
  if (endpoint.outside) {
    if (const std::string why = problem_outside(worker_, target(request, request.own_hop));
        !why.empty()) {
      request.reply = {503, "weft: " + why, "UF"};
      return false;
    }
  }
  request.in_flight.emplace(*request.endpoint->health);
  return true;
}

// One try: an exchange on a connection to the endpoint's sidecar, up to the head of the answer.
io::Task<Result<wire::ResponseHead>> HttpPath::attempt(Request& request) {
  std::optional<Instant> deadline = request.deadline;
  for (Duration limit : {request.rule ? request.rule->rule().backend_timeout : Duration{},
                         request.retry.per_try_timeout()}) {
    if (limit.ns <= 0) continue;
    const Instant per_try = worker_.loop.now() + limit;
    if (!deadline || per_try < *deadline) deadline = per_try;
  }
  request.sent = {};
  auto stream = request.own_hop ? co_await open_upgrade(request) : co_await open(request);
  if (!stream) {
    note_failure(request, stream.error());
    co_return std::unexpected(std::move(stream.error()));
  }
  request.sent = worker_.loop.now();
  auto head = co_await request.forwarder.attempt(std::move(*stream), deadline);
  if (!head) {
    note_failure(request, head.error());
    co_return std::unexpected(std::move(head.error()));
  }
  if (auto why = head->fields.get(kUnprocessedField)) {
    if (*why == kOverloaded) {
      co_return fail(ErrorKind::kLimit, "the sidecar of " + request.log.workload + " is overloaded",
                     ErrorSource::kInternal, Retry::kYes);
    }
    request.endpoint->health->failed(worker_.loop.now());
    request.endpoint->health->latency.penalise(std::nullopt, worker_.loop.now());
    note_no_answer(request, ErrorKind::kRefused);
    co_return fail(ErrorKind::kRefused,
                   "the app behind " + request.log.workload + " does not accept",
                   ErrorSource::kUpstream, Retry::kYes);
  }
  request.endpoint->health->succeeded();
  note_latency(request, *head);
  co_return std::move(*head);
}

// The next try's delay, or nothing: this outcome is the answer.
std::optional<Duration> HttpPath::retry_after(Request& request,
                                              const Result<wire::ResponseHead>& outcome) {
  steer::RetryState::Facts facts{.idempotent = steer::is_idempotent(request.log.method),
                                 .replayable = request.forwarder.replayable(),
                                 .answered = false,
                                 .deadline = request.deadline};
  if (request.forwarder.gone()) return std::nullopt;
  const Instant now = worker_.loop.now();
  if (!outcome) return request.retry.after_failure(outcome.error(), facts, now, worker_.random);
  if (!request.retry.has_rules()) return std::nullopt;
  const steer::RetryState::Answer answer = answer_of(*outcome, worker_.loop.wall_now());
  const auto delay = request.retry.after_answer(answer, facts, now, worker_.random);
  if (delay) note_answer(request, answer.status, answer.grpc_status);
  return delay;
}

// An outcome that would have been tried again, had nothing stood against it, says what did.
void HttpPath::note_refusal(Request& request) {
  const steer::RetryState::Refusal refusal = request.retry.refusal();
  if (refusal == steer::RetryState::kNone) return;
  const std::string text = "not tried again: " + std::string(to_string(refusal));
  if (!request.reply) {
    request.log.flags = flags_of(refusal);
    request.log.why = text;
    return;
  }
  if (*flags_of(refusal)) request.reply->flags = flags_of(refusal);
  request.reply->text += " (" + text + ")";
}

// Rewritten in place, for all tries: nobody asks afterwards what the fields were.
const wire::RequestHead& HttpPath::head_for_hop(Request& request) const {
  wire::RequestHead& head = request.down->request();
  // A retry has less time left than the caller said.
  const Instant now = worker_.loop.now();
  if (request.callers_deadline && now - request.start >= kWorthSaying) {
    head.fields.set("grpc-timeout", http::format_grpc_timeout(*request.callers_deadline - now));
  }
  if (std::exchange(request.encoded, true)) return head;
  if (is_http1(head.version) && !request.tunnel) {
    wire::encode_for_hop(head);
    if (request.to_http2) head.fields.remove(wire::kH1Names);
  } else {
    wire::remove_weft_fields(head.fields);  // HTTP/2 has no fields of one hop but "te: trailers"
  }
  head.fields.add("weft-source-workload", source_);
  head.fields.add("weft-service", request.log.service_and_port());
  if (request.rule) head.fields.add("weft-route", request.log.route);
  return head;
}

UpstreamTarget HttpPath::target(const Request& request, bool upgrade) {
  const model::Endpoint& endpoint = request.endpoint->endpoint;
  if (!endpoint.outside) return target_of(endpoint, request.app_port);
  const auto kind = upgrade                                     ? OutsideUse::kUpgrade
                    : is_http1(request.down->request().version) ? OutsideUse::kHttp1Request
                                                                : OutsideUse::kHttp2Request;
  return outside_target(
      *request.snapshot, *request.group, endpoint,
      {.service = request.backend ? request.backend->service : request.destination.service,
       .port = request.backend ? request.backend->port : request.destination.port,
       .app_port = request.app_port,
       .kind = kind});
}

io::Task<Result<http::ClientStreamPtr>> HttpPath::open(Request& request) {
  const UpstreamTarget to = target(request, false);
  // A server outside that cannot be asked over HTTP/2 for a WebSocket is asked as such servers are.
  const bool may_upgrade = request.endpoint->endpoint.outside &&
                           to.form != UpstreamTarget::kHttp2 && request.tunnel &&
                           is_websocket(request.down->request());
  if (may_upgrade && to.form == UpstreamTarget::kHttp1) co_return co_await open_upgrade(request);
  auto upstream = co_await pool_.acquire(to, request.connections ? &*request.connections : nullptr);
  if (!upstream) co_return std::unexpected(std::move(upstream.error()));
  request.upstream = std::move(*upstream);
  if (!request.down->request().protocol.empty() &&
      !co_await request.upstream->client->takes_extended_connect()) {
    request.upstream.reset();
    if (may_upgrade) co_return co_await open_upgrade(request);
    co_return fail(ErrorKind::kUnsupported, request.log.workload + " takes no extended CONNECT");
  }
  bool end = !request.tunnel && !request.forwarder.request_has_body();
  if (request.endpoint->endpoint.outside) {
    co_return open_outside(*request.upstream->client, request.upstream->protocol,
                           head_for_hop(request), end, worker_.random);
  }
  co_return request.upstream->client->open(head_for_hop(request), end);
}

// An upgrade has a connection of its own, on which HTTP/1.1 is spoken, as it came or (outside the mesh) translated.
io::Task<Result<http::ClientStreamPtr>> HttpPath::open_upgrade(Request& request) {
  const UpstreamTerms* terms = request.connections ? &*request.connections : nullptr;
  request.own_connection.reset();
  request.own_counted = {};
  auto counted = UpstreamPool::take_connection(terms);
  if (!counted) co_return std::unexpected(std::move(counted.error()));
  request.own_counted = std::move(*counted);
  auto connection =
      co_await pool_.connect(target(request, true), kAlpnUpgrade,
                             terms ? terms->connect_timeout : UpstreamPool::kConnectTimeout);
  if (!connection) co_return std::unexpected(std::move(connection.error()));
  request.own_connection =
      http::connect_http(worker_.loop, std::move(connection->stream), http::ClientProtocol::kHttp1,
                         std::move(connection->info), {}, [] {});
  if (request.endpoint->endpoint.outside) {
    co_return open_outside(*request.own_connection, http::ClientProtocol::kHttp1,
                           head_for_hop(request), true, worker_.random);
  }
  co_return request.own_connection->open(head_for_hop(request), true);
}

// What the answer cost, for the choice of endpoints: a failure that comes fast is no good answer.
void HttpPath::note_latency(Request& request, const wire::ResponseHead& head) {
  steer::PeakEwma& latency = request.endpoint->health->latency;
  const Instant now = worker_.loop.now();
  if (head.status < 429 && !request.grpc) return latency.observe(now - request.sent, now);
  const steer::RetryState::Answer answer = answer_of(head, worker_.loop.wall_now());
  if (answer.status < 500 && answer.status != 429) return latency.observe(now - request.sent, now);
  latency.penalise(answer.pacing.wait, now);
}

// What a gRPC server says in trailers comes when the head has been taken for a good answer.
void HttpPath::note_late_failure(Request& request, const wire::Fields& trailers) {
  const int status = http_status_of_grpc(request.log.grpc_status);
  if (status < 500 && status != 429) return;
  const auto pacing = steer::read_pacing("", trailers.get("grpc-retry-pushback-ms").value_or(""),
                                         worker_.loop.wall_now());
  request.endpoint->health->latency.penalise(pacing.wait, worker_.loop.now());
}

void HttpPath::note_failure(Request& request, const Error& error) {
  request.log.why = error.message();
  const Instant now = worker_.loop.now();
  steer::EndpointHealth& health = *request.endpoint->health;
  // GOAWAY says that it leaves in order, a bound is ours.
  const bool blameless =
      error.source() == ErrorSource::kDownstream || request.forwarder.gone() ||
      error.kind() == ErrorKind::kUnavailable ||
      (error.kind() == ErrorKind::kLimit && error.source() == ErrorSource::kInternal);
  // An answer that is merely late is no reason to let it rest.
  const bool late = error.kind() == ErrorKind::kTimeout && error.retry() == Retry::kNo;
  const bool failed = !blameless && !late;
  // What was not waited for to its end took so long at least; a failure that comes fast is no good answer.
  const Duration waited = request.sent.ns > 0 ? now - request.sent : Duration{};
  if (failed || waited.ns > 0)
    health.latency.penalise(failed ? std::max(waited, steer::PeakEwma::kPenalty) : waited, now);
  if (!blameless) note_no_answer(request, error.kind());
  if (!failed) return;
  health.failed(now);
  worker_.log.warn("endpoint failed", {{"endpoint", request.log.workload},
                                       {"service", request.log.service_and_port()},
                                       {"why", error.message()}});
  if (error.kind() == ErrorKind::kUnauthenticated) {
    worker_.want({.service = request.group->service, .mesh_address = {}, .again = true});
  }
}

}  // namespace weft::proxy
