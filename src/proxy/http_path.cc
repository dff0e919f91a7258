// THE request path. Why this order: what is refused for its form is refused before anything is looked
// up; a route is chosen once and kept for all tries of a request, while every try picks anew from the
// snapshot of its moment, so a retry finds the endpoints that came meanwhile; the budget is opened
// before the first try, because the deadline covers them all; whatever happened is recorded once, at
// the very end.
#include "proxy/http_path.h"

#include "base/text.h"
#include "http/grpc_status.h"
#include "proxy/caller_fields.h"
#include "proxy/cors.h"
#include "proxy/field_rules.h"
#include "proxy/http_request.h"
#include "proxy/route_decision.h"
#include "proxy/target.h"
#include "proxy/websocket.h"
#include "telemetry/trace_headers.h"
#include "wire/h1_over_h2.h"

namespace weft::proxy {
namespace {

void restore_response(wire::ResponseHead& head, bool end) { wire::restore_from_hop(head, end); }

// What came back over the hop is restored; what an HTTP/1.x app says at the end of a body is encoded.
Mapping hop_mapping(bool http1, bool upgrade) {
  if (upgrade) return {.response = clean_upgrade_answer};
  return {.response = restore_response,
          .response_trailers = wire::restore_trailers_from_hop,
          .request_trailers = http1 ? wire::encode_trailers_for_hop : nullptr};
}

}  // namespace

HttpPath::Request::Request(Worker& worker, http::ServerStreamPtr stream, Destination to)
    : down(std::move(stream)),
      destination(std::move(to)),
      tunnel(wants_upgrade(down->request())),
      own_hop(tunnel && is_http1(down->request().version)),
      forwarder(worker.loop, *down, hop_mapping(is_http1(down->request().version), tunnel), tunnel),
      start(worker.loop.now()) {
  log.start = start;
  log.time = worker.loop.wall_now();
}

HttpPath::HttpPath(Worker& worker, UpstreamPool& pool)
    : worker_(worker),
      pool_(pool),
      source_(worker.self.instance + " " + worker.self.mesh4.to_string() + " " +
              worker.self.mesh6.to_string()),
      mirrors_(worker, pool, source_) {}

io::Task<void> HttpPath::serve(http::ServerStreamPtr down, Destination destination) {
  struct Active {
    explicit Active(size_t& count) : count(count) { ++count; }
    ~Active() { --count; }
    size_t& count;
  } active(active_);
  Request request(worker_, std::move(down), std::move(destination));

  identify(request);
  bool routed = admit(request) && route(request);
  if (request.forgotten && co_await known_again(request.destination)) {
    request.reply.reset();
    routed = route(request);
  }
  if (routed) {
    budget(request);
    const bool goes_on = (!request.injection || co_await inject(request)) && enter(request);
    if (goes_on) mirror(request);
    while (goes_on) {
      if (!pick(request)) break;
      Result<wire::ResponseHead> outcome = co_await attempt(request);
      std::optional<Duration> delay = retry_after(request, outcome);
      if (!delay) {
        if (refuse_over_constraint(request, outcome)) break;
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
    if (request.cors) mark_answer(*request.cors, request.origin, request.reply->fields);
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
  if (worker_.presence == Presence::kGateway) {
    const http::ConnectionInfo& from = request.down->connection();
    say_client(head.fields, from.client_certificate, worker_.self.identity.uri());
    present_request(head, from);
  } else {
    say_identity(head.fields, {}, {});
  }
}

// Forms that cannot be carried, and what was meant for us.
bool HttpPath::admit(Request& request) {
  wire::RequestHead& head = request.down->request();
  if (worker_.overload.pressure() != Pressure::kNone) {
    worker_.overload.count_shed();
    request.reply = overloaded_reply(worker_.overload.cause());
    return false;
  }
  request.reply = spend_max_forwards(head);
  return !request.reply;
}

// The time all tries may take together, and what may be retried.
void HttpPath::budget(Request& request) {
  if (request.rule && request.rule->rule().request_timeout.ns > 0)
    request.deadline = request.start + request.rule->rule().request_timeout;
  // The caller's own deadline: it holds even if the caller does not watch it.
  std::string_view stated = request.down->request().fields.get("grpc-timeout").value_or("");
  if (auto timeout = http::parse_grpc_timeout(stated); timeout && request.grpc) {
    Instant at = request.start + *timeout;
    if (at > request.start && (!request.deadline || at < *request.deadline)) request.deadline = at;
    request.callers_deadline = at;
  }
  set_terms(request);
}

// The answer goes down, whatever it is.
io::Task<void> HttpPath::finish(Request& request, Result<wire::ResponseHead> outcome) {
  if (!outcome) {
    if (request.forwarder.gone()) {
      request.log.flags = "DC";
      co_return;
    }
    request.reply = reply_for(outcome.error(), request.log.service_and_port());
    if (request.retry.retries() > 0) request.reply->flags = "URX";
    request.log.why = outcome.error().message();
    note_refusal(request);
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
    if (request.cors) mark_answer(*request.cors, request.origin, head.fields);
  }
  if (request.sessions) keep_session(request, head);
  if (!request.new_cookie.empty()) head.fields.add("set-cookie", request.new_cookie);
  request.log.status = head.status;
  note_refusal(request);
  std::optional<std::string_view> grpc = head.fields.get("grpc-status");
  std::string grpc_status = grpc ? std::string(*grpc) : "";
  auto done = co_await request.forwarder.answer(std::move(head), request.deadline);
  if (!done) {
    request.log.flags = request.forwarder.gone() ? "DC" : "UC";
    request.log.why = done.error().message();
    if (!request.forwarder.gone()) {
      request.endpoint->health->failed(worker_.loop.now());
      note_no_answer(request, done.error().kind());
    }
  }
  const wire::Fields& trailers = request.forwarder.response_trailers();
  const auto trailer = trailers.get("grpc-status");
  if (trailer) grpc_status = *trailer;
  if (request.grpc && !grpc_status.empty())
    request.log.grpc_status = grpc_status_number(grpc_status);
  if (request.grpc && trailer) note_late_failure(request, trailers);
  if (done) note_answer(request, request.log.status, request.log.grpc_status);
}

// Once, at the end.
void HttpPath::record(Request& request) {
  Record& log = request.log;
  log.bytes_sent = request.forwarder.request_bytes();
  log.bytes_received = request.forwarder.response_bytes();
  log.retries = request.retry.retries();
  if (!request.copies.empty()) mirrors_.drop(request.copies.size());
  finish_request(worker_, log);
}

}  // namespace weft::proxy
