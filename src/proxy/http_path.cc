// THE request path. Why this order: what is refused for its form is refused before anything is looked
// up; a route is chosen once and kept for all tries of a request, while every try picks anew from the
// snapshot of its moment, so a retry finds the endpoints that came meanwhile; the budget is opened
// before the first try, because the deadline covers them all; whatever happened is recorded once, at
// the very end.
#include "proxy/http_path.h"

#include "base/text.h"
#include "http/grpc_status.h"
#include "proxy/balancer.h"
#include "proxy/caller_fields.h"
#include "proxy/field_rules.h"
#include "proxy/forwarder.h"
#include "proxy/local_reply.h"
#include "proxy/record.h"
#include "proxy/redirect.h"
#include "proxy/target.h"
#include "proxy/websocket.h"
#include "telemetry/trace_headers.h"
#include "wire/h1_over_h2.h"

namespace weft::proxy {
namespace {

// What a WebSocket is asked for with in HTTP/1.1: routes see no difference.
constexpr std::string_view kGet = "GET";

// A caller's deadline is told anew when so much of it has passed.
constexpr Duration kWorthSaying = Duration::millis(1);

bool is_http1(wire::Version version) { return version != wire::Version::kHttp2; }

void restore_response(wire::ResponseHead& head, bool end) { wire::restore_from_hop(head, end); }

// What came back over the hop is restored; what an HTTP/1.x app says at the end of a body is encoded.
Mapping hop_mapping(bool http1, bool upgrade) {
  if (upgrade) return {.response = clean_upgrade_answer};
  return {.response = restore_response,
          .response_trailers = wire::restore_trailers_from_hop,
          .request_trailers = http1 ? wire::encode_trailers_for_hop : nullptr};
}

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

struct HttpPath::Request {
  Request(Worker& worker, http::ServerStreamPtr stream, Destination to)
      : down(std::move(stream)),
        destination(std::move(to)),
        tunnel(wants_upgrade(down->request())),
        forwarder(worker.loop, *down, hop_mapping(is_http1(down->request().version), tunnel),
                  tunnel),
        start(worker.loop.now()) {
    log.start = start;
    log.time = worker.loop.wall_now();
  }

  http::ServerStreamPtr down;
  Destination destination;
  bool tunnel;
  bool own_hop = tunnel && is_http1(down->request().version);  // HTTP/1.1 needs a connection for it
  // Outlive the forwarder's exchange on them: what it queued last still goes out.
  UpstreamPtr upstream;
  std::unique_ptr<http::ClientConnection> own_connection;  // of an upgrade
  Forwarder forwarder;
  Instant start;
  Record log;
  bool grpc = false;
  bool encoded = false;  // the head has the form of the hop

  std::shared_ptr<const CompiledRule> rule;  // null: no route, the service itself
  const model::Backend* backend = nullptr;   // of the rule
  std::optional<Instant> deadline;
  std::optional<Instant> callers_deadline;  // as grpc-timeout said
  std::optional<RetryState> retry;

  Tried tried;
  SnapshotPtr snapshot;  // of the present try; holds what the pointers below point into
  std::shared_ptr<const EndpointGroup> group;
  const LiveEndpoint* endpoint = nullptr;
  uint16_t app_port = 0;
  std::optional<InFlight> in_flight;
  std::optional<LocalReply> reply;  // we answer ourselves
};

HttpPath::HttpPath(Worker& worker, UpstreamPool& pool)
    : worker_(worker),
      pool_(pool),
      source_(worker.self.instance + " " + worker.self.mesh4.to_string() + " " +
              worker.self.mesh6.to_string()) {}

io::Task<void> HttpPath::serve(http::ServerStreamPtr down, Destination destination) {
  struct Active {
    explicit Active(size_t& count) : count(count) { ++count; }
    ~Active() { --count; }
    size_t& count;
  } active(active_);
  Request request(worker_, std::move(down), std::move(destination));

  identify(request);
  if (admit(request) && route(request)) {
    budget(request);
    while (true) {
      if (!pick(request)) break;
      Result<wire::ResponseHead> outcome = co_await attempt(request);
      std::optional<Duration> delay = retry_after(request, outcome);
      if (!delay) {
        co_await finish(request, std::move(outcome));
        break;
      }
      request.forwarder.drop();
      request.in_flight.reset();
      if (delay->ns > 0) co_await io::sleep_for(worker_.loop, *delay);
    }
  }
  if (request.reply) {
    request.log.status = request.reply->status;
    request.log.flags = request.reply->flags;
    request.log.why = request.reply->text;
    if (request.grpc) request.log.grpc_status = static_cast<int>(request.reply->grpc());
    co_await send_reply(*request.down, *request.reply);
  }
  record(request);
}

// Who calls, and under which trace. The app is known by the namespace its connection came from.
void HttpPath::identify(Request& request) {
  wire::RequestHead& head = request.down->request();
  // First, so that no Connection field takes away what is added below.
  if (request.tunnel) {
    wire::remove_hop_by_hop_but_upgrade(head.fields);
  } else if (is_http1(head.version)) {
    wire::remove_hop_by_hop(head.fields);
  }
  resolve_dot_segments(head.target);
  request.grpc = is_grpc(head.fields);
  request.log.protocol = request.grpc ? "grpc" : "http";
  request.log.source = worker_.self.identity.uri();
  request.log.service = request.destination.name();
  request.log.port = request.destination.port;
  request.log.method = head.method;
  request.log.authority = head.authority;
  request.log.path = path_of(head.target);
  // The app behind sees us as its parent.
  request.log.trace_id = telemetry::participate(head.fields, worker_.random).trace_id_hex();
  request.log.request_id = keep_or_make_request_id(head.fields, worker_.random);
  say_identity(head.fields, {}, {});
  if (worker_.presence == Presence::kGateway) present_request(head, request.down->connection());
}

// Forms that cannot be carried, and what was meant for us.
bool HttpPath::admit(Request& request) {
  wire::RequestHead& head = request.down->request();
  if (worker_.overload.pressure() != Pressure::kNone) {
    worker_.overload.count_shed();
    request.reply = overloaded_reply(worker_.overload.cause());
    return false;
  }
  if (head.method != "OPTIONS" && head.method != "TRACE") return true;
  // RFC 9110 section 7.6.2.
  std::optional<uint64_t> forwards = parse_u64(head.fields.get("max-forwards").value_or(""));
  if (!forwards) return true;
  if (*forwards > 0) {
    head.fields.set("max-forwards", std::to_string(*forwards - 1));
    return true;
  }
  bool options = head.method == "OPTIONS";
  request.reply = {options ? 200 : 501, "weft: the request may go no further", "DPE"};
  return false;
}

// Which rule, and which of its backends.
bool HttpPath::route(Request& request) {
  const bool connect = is_plain_connect(request.down->request());
  auto refuse_connect = [&request] {
    request.reply = {403, "weft: no route allows CONNECT to " + request.log.service_and_port(),
                     "NR"};
    return false;
  };
  if (request.destination.kind != Destination::kService) return !connect || refuse_connect();
  SnapshotPtr snapshot = worker_.snapshot;
  const LiveService* service = snapshot->service(request.destination.service);
  const CompiledPort* port = service ? service->compiled->port(request.destination.port) : nullptr;
  if (!port) {
    worker_.want({.service = request.destination.service, .mesh_address = {}});
    request.reply = {503, "weft: " + request.log.service_and_port() + " is not known any more",
                     "NC"};
    return false;
  }
  service->last_use->touch(worker_.loop.now());
  if (!port->routed_for(worker_.self.ns)) return !connect || refuse_connect();

  wire::RequestHead& head = request.down->request();
  const std::string host = port->by_host ? host_of(head.authority) : std::string();
  request.rule = port->match({is_websocket(head) ? kGet : head.method, routed_target(head.target),
                              head.fields, worker_.self.ns, host, request.grpc});
  if (!request.rule) {
    request.reply = {
        404, "weft: no route of " + request.log.service_and_port() + " matches this request", "NR"};
    return false;
  }
  request.log.route = request.rule->rule().route + "/" + request.rule->rule().rule;
  // A tunnel shows nothing of what passes through it: only a route that names it allows it.
  if (connect && request.rule->rule().match.method != "CONNECT") return refuse_connect();
  if (request.rule->rule().redirect) return redirect(request);
  request.backend = request.rule->next_backend();
  if (!request.backend || request.backend->invalid) {
    request.reply = {500, "weft: route " + request.log.route + " has no usable backend", "NR"};
    return false;
  }
  apply_modifier(request.rule->rule().request_headers, head.fields);
  apply_modifier(request.backend->request_headers, head.fields);
  const model::UrlRewrite& rewrite = request.rule->rule().rewrite;
  if (!rewrite.hostname.empty()) head.authority = rewrite.hostname;
  if (rewrite.path.kind != model::PathRewrite::kNone) {
    head.target = rewritten_target(rewrite.path, routed_target(head.target),
                                   request.rule->rule().match.path.value);
  }
  return true;
}

// The rule answers by itself: the request goes to no backend.
bool HttpPath::redirect(Request& request) {
  const wire::RequestHead& head = request.down->request();
  const model::RouteRule& rule = request.rule->rule();
  const std::string host = host_of(head.authority);
  std::string location = location_of(*rule.redirect, {.scheme = "http",
                                                      .host = host,
                                                      .port = request.destination.port,
                                                      .target = routed_target(head.target),
                                                      .prefix = rule.match.path.value});
  request.reply =
      LocalReply{.status = rule.redirect->status,
                 .text = "weft: route " + request.log.route + " redirects to " + location,
                 .flags = ""};
  request.reply->location = std::move(location);
  return false;
}

// The time all tries may take together, and what may be retried.
void HttpPath::budget(Request& request) {
  RetryBudget& budget =
      budgets_.try_emplace(request.destination.service, worker_.group->size()).first->second;
  budget.request(request.start);
  const model::RetryPolicy* policy = nullptr;
  if (request.rule) {
    const model::RouteRule& rule = request.rule->rule();
    if (rule.retry) policy = &*rule.retry;
    if (rule.request_timeout.ns > 0) request.deadline = request.start + rule.request_timeout;
  }
  // The caller's own deadline: it holds even if the caller does not watch it.
  std::string_view stated = request.down->request().fields.get("grpc-timeout").value_or("");
  if (auto timeout = http::parse_grpc_timeout(stated); timeout && request.grpc) {
    Instant at = request.start + *timeout;
    if (at > request.start && (!request.deadline || at < *request.deadline)) request.deadline = at;
    request.callers_deadline = at;
  }
  request.retry.emplace(policy, budget);
}

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
  request.endpoint = request.group ? pick_endpoint(*request.group, service_port, worker_.loop.now(),
                                                   worker_.random, request.tried, true)
                                   : nullptr;
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
  RetryState::Facts facts{.idempotent = is_idempotent(request.log.method),
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

// The answer goes down, whatever it is.
io::Task<void> HttpPath::finish(Request& request, Result<wire::ResponseHead> outcome) {
  if (!outcome) {
    if (request.forwarder.gone()) {
      request.log.flags = "DC";
      co_return;
    }
    request.reply = reply_for(outcome.error(), request.log.service_and_port());
    if (request.retry->retries() > 0) request.reply->flags = "URX";
    request.log.why = outcome.error().message();
    co_return;
  }
  wire::ResponseHead head = std::move(*outcome);
  if (request.tunnel) {
    clean_upgrade_answer(head, false);
  } else {
    bool end = head.length.kind == wire::BodyLength::kNone;
    wire::restore_from_hop(head, end);
  }
  if (worker_.presence == Presence::kGateway) present_response(head, worker_.loop.wall_now());
  if (request.rule) {
    apply_modifier(request.backend->response_headers, head.fields);
    apply_modifier(request.rule->rule().response_headers, head.fields);
  }
  request.log.status = head.status;
  std::optional<std::string_view> grpc = head.fields.get("grpc-status");
  std::string grpc_status = grpc ? std::string(*grpc) : "";
  auto done = co_await request.forwarder.answer(std::move(head), request.deadline);
  if (!done) {
    request.log.flags = request.forwarder.gone() ? "DC" : "UC";
    request.log.why = done.error().message();
    if (!request.forwarder.gone()) request.endpoint->health->failed(worker_.loop.now());
  }
  if (auto trailer = request.forwarder.response_trailers().get("grpc-status"))
    grpc_status = *trailer;
  if (request.grpc && !grpc_status.empty())
    request.log.grpc_status = grpc_status_number(grpc_status);
}

// Once, at the end.
void HttpPath::record(Request& request) {
  Record& log = request.log;
  log.bytes_sent = request.forwarder.request_bytes();
  log.bytes_received = request.forwarder.response_bytes();
  log.retries = request.retry ? request.retry->retries() : 0;
  finish_request(worker_, log);
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
