// One try of a request, from the choice of an endpoint to the head of the answer, and what its failure
// means: for the endpoint, and for the question whether there is another try.
#include "http/grpc_status.h"
#include "proxy/http_request.h"
#include "wire/h1_over_h2.h"

namespace weft::proxy {
namespace {

// A caller's deadline is told anew when so much of it has passed.
constexpr Duration kWorthSaying = Duration::millis(1);

// The HTTP equivalent of a gRPC status in a trailers-only answer, so that one retry policy serves both.
int status_for_policy(const wire::ResponseHead& head) {
  std::optional<std::string_view> grpc = head.fields.get("grpc-status");
  if (head.status != 200 || !grpc) return head.status;
  if (*grpc == "14") return 503;
  if (*grpc == "4") return 504;
  if (*grpc == "8") return 429;
  if (*grpc == "2" || *grpc == "13" || *grpc == "15") return 500;
  return head.status;
}

}  // namespace

// An endpoint of the backend that this request has not tried yet, if there is one.
bool HttpPath::pick(Request& request) {
  request.snapshot = worker_.snapshot;
  uint16_t service_port = request.destination.port;
  if (request.destination.kind == Destination::kWorkload) {
    auto group = std::make_shared<EndpointGroup>();
    group->endpoints.push_back(request.destination.workload->endpoint);
    group->endpoints.back().endpoint.target_ports[service_port] = service_port;
    request.group = std::move(group);
  } else {
    const model::ServiceName& name =
        request.backend ? request.backend->service : request.destination.service;
    if (request.backend) service_port = request.backend->port;
    request.group = request.snapshot->group(name);
  }
  request.endpoint = pick_by_session(request);
  if (!request.endpoint && request.group) {
    request.endpoint = pick_endpoint(*request.group, service_port, worker_.loop.now(),
                                     worker_.random, request.tried, true);
  }
  if (!request.endpoint) {
    request.reply = {503, "weft: no instance of " + request.log.service_and_port() + " is ready",
                     "UH"};
    return false;
  }
  const model::Endpoint& endpoint = request.endpoint->endpoint;
  request.app_port = endpoint.target_ports.find(service_port)->second;
  request.tried.push_back(endpoint.workload);
  request.log.workload = endpoint.workload;
  request.log.upstream = endpoint.address.to_string();
  request.log.destination = endpoint.identity.uri();
  request.in_flight.emplace(*request.endpoint->health);
  return true;
}

// One try: an exchange on a connection to the endpoint's sidecar, up to the head of the answer.
io::Task<Result<wire::ResponseHead>> HttpPath::attempt(Request& request) {
  std::optional<Instant> deadline = request.deadline;
  if (request.rule && request.rule->rule().backend_timeout.ns > 0) {
    Instant per_try = worker_.loop.now() + request.rule->rule().backend_timeout;
    if (!deadline || per_try < *deadline) deadline = per_try;
  }
  auto stream = request.own_hop ? co_await open_upgrade(request) : co_await open(request);
  if (!stream) {
    note_failure(request, stream.error());
    co_return std::unexpected(std::move(stream.error()));
  }
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
    co_return fail(ErrorKind::kRefused,
                   "the app behind " + request.log.workload + " does not accept",
                   ErrorSource::kUpstream, Retry::kYes);
  }
  request.endpoint->health->succeeded();
  co_return std::move(*head);
}

// The next try's delay, or nothing: this outcome is the answer.
std::optional<Duration> HttpPath::retry_after(Request& request,
                                              const Result<wire::ResponseHead>& outcome) {
  steer::RetryState::Facts facts{.idempotent = steer::is_idempotent(request.log.method),
                                 .replayable = request.forwarder.replayable(),
                                 .answered = false};
  Instant now = worker_.loop.now();
  if (request.forwarder.gone() || (request.deadline && now >= *request.deadline))
    return std::nullopt;
  std::optional<Duration> delay =
      outcome ? request.retry->after_status(status_for_policy(*outcome), facts, now, worker_.random)
              : request.retry->after_failure(outcome.error(), facts, now, worker_.random);
  // There is no point in a try that could only time out.
  if (delay && request.deadline && now + *delay >= *request.deadline) return std::nullopt;
  return delay;
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
  } else {
    wire::remove_weft_fields(head.fields);  // HTTP/2 has no fields of one hop but "te: trailers"
  }
  head.fields.add("weft-source-workload", source_);
  head.fields.add("weft-service", request.log.service_and_port());
  return head;
}

io::Task<Result<http::ClientStreamPtr>> HttpPath::open(Request& request) {
  auto upstream = co_await pool_.acquire(target_of(request.endpoint->endpoint, request.app_port));
  if (!upstream) co_return std::unexpected(std::move(upstream.error()));
  request.upstream = std::move(*upstream);
  if (!request.down->request().protocol.empty() &&
      !co_await request.upstream->client->takes_extended_connect()) {
    co_return fail(ErrorKind::kUnsupported,
                   "the sidecar of " + request.log.workload + " takes no extended CONNECT");
  }
  bool end = !request.tunnel && !request.forwarder.request_has_body();
  co_return request.upstream->client->open(head_for_hop(request), end);
}

// An upgrade has a connection of its own, on which HTTP/1.1 is spoken as it came.
io::Task<Result<http::ClientStreamPtr>> HttpPath::open_upgrade(Request& request) {
  auto connection =
      co_await pool_.connect(target_of(request.endpoint->endpoint, request.app_port), kAlpnUpgrade);
  if (!connection) co_return std::unexpected(std::move(connection.error()));
  request.own_connection =
      http::connect_http(worker_.loop, std::move(connection->stream), http::ClientProtocol::kHttp1,
                         std::move(connection->info), {}, [] {});
  co_return request.own_connection->open(head_for_hop(request), true);
}

void HttpPath::note_failure(Request& request, const Error& error) {
  request.log.why = error.message();
  if (error.source() == ErrorSource::kDownstream || request.forwarder.gone()) return;
  // An answer that is merely late says nothing about the endpoint; GOAWAY says that it leaves in order.
  if (error.kind() == ErrorKind::kTimeout && error.retry() == Retry::kNo) return;
  if (error.kind() == ErrorKind::kUnavailable) return;
  if (error.kind() == ErrorKind::kLimit && error.source() == ErrorSource::kInternal) return;
  request.endpoint->health->failed(worker_.loop.now());
  worker_.log.warn("endpoint failed", {{"endpoint", request.log.workload},
                                       {"service", request.log.service_and_port()},
                                       {"why", error.message()}});
  if (error.kind() == ErrorKind::kUnauthenticated) {
    worker_.want({.service = request.group->service, .mesh_address = {}, .again = true});
  }
}

}  // namespace weft::proxy
