// The mirror of http_path.cc, shorter because there is one endpoint only and no policy: identify,
// authorize, restore, attempt, answer, record.
#include "base/text.h"
#include "proxy/caller_fields.h"
#include "proxy/field_rules.h"
#include "proxy/forwarder.h"
#include "proxy/inbound.h"
#include "proxy/inbound_limits.h"
#include "proxy/local_reply.h"
#include "proxy/mirrors.h"
#include "proxy/record.h"
#include "proxy/websocket.h"
#include "steer/retry.h"
#include "telemetry/trace_headers.h"
#include "wire/h1_over_h2.h"

namespace weft::proxy {
namespace {

void encode_response(wire::ResponseHead& head, bool) { wire::encode_for_hop(head); }
void clean_response(wire::ResponseHead& head, bool) { wire::remove_weft_fields(head.fields); }
void door_response(wire::ResponseHead& head, bool) {
  wire::remove_hop_by_hop(head.fields);
  wire::remove_weft_fields(head.fields);
}

Mapping app_mapping(bool app_http1, bool upgrade, bool plain) {
  if (upgrade) return {.response = clean_upgrade_answer};
  if (plain) return {.response = door_response};
  if (app_http1) {
    return {.response = encode_response,
            .response_trailers = wire::encode_trailers_for_hop,
            .request_trailers = wire::restore_trailers_from_hop};
  }
  return {.response = clean_response,
          .response_trailers = wire::remove_weft_fields,
          .request_trailers = wire::restore_trailers_from_hop};
}

constexpr std::string_view kNoSuchUpgrade =
    "this upgrade does not exist in the app's version of HTTP";

// "web-7f3a9c 240.241.0.7 fd00::7"
CallerAddress parse_source(std::string_view text) {
  CallerAddress caller;
  for (std::string_view word : split(text, ' ')) {
    auto address = IpAddress::parse(word);
    if (address) (address->is_v4() ? caller.v4 : caller.v6) = *address;
  }
  return caller;
}

}  // namespace

struct Inbound::Request {
  Request(Worker& worker, http::ServerStreamPtr stream, std::shared_ptr<const Peer> from)
      : down(std::move(stream)), peer(std::move(from)), head(down->request()) {
    log.time = worker.loop.wall_now();
    log.start = worker.loop.now();
    log.inbound = true;
    log.source = peer->identity;
    log.mtls = !peer->plain;
    log.destination = worker.self.identity.uri();
    log.workload = worker.self.instance;
  }

  http::ServerStreamPtr down;
  std::shared_ptr<const Peer> peer;
  wire::RequestHead& head;  // becomes what the app gets
  Record log;
  AppPool::Key key;
  std::optional<steer::RateLimitFields> limits;  // of the limit that has the least left
  bool upgrade = false;
  std::string websocket_accept;  // the upgrade was translated: what accepts it
  bool reused = false;
  AppConnectionPtr connection;  // outlives the exchange on it
  std::optional<Forwarder> forwarder;
};

io::Task<void> Inbound::serve(http::ServerStreamPtr down, std::shared_ptr<const Peer> peer) {
  struct Active {
    explicit Active(size_t& count) : count(count) { ++count; }
    ~Active() { --count; }
    size_t& count;
  } active(active_);
  Request request(worker_, std::move(down), std::move(peer));
  wire::RequestHead& head = request.head;

  // identify
  Record& log = request.log;
  log.protocol = is_grpc(head.fields) ? "grpc" : "http";
  log.method = head.method;
  log.authority = head.authority;
  log.path = head.target.substr(0, head.target.find('?'));
  request.upgrade = wants_upgrade(head);
  if (request.peer->plain) {
    // A stranger's request: what the caller's sidecar does elsewhere is done here.
    if (request.upgrade) {
      wire::remove_hop_by_hop_but_upgrade(head.fields);
    } else {
      wire::remove_hop_by_hop(head.fields);
    }
    head.absolute_form = false;
    log.service = kPublished;
    log.port = request.peer->app_port;
    log.client = request.down->connection().peer.to_string();
    log.trace_id = telemetry::participate(head.fields, worker_.random).trace_id_hex();
    log.request_id = keep_or_make_request_id(head.fields, worker_.random);
    present_request(head, request.down->connection());
  } else {
    if (auto id = head.fields.get(kRequestId)) log.request_id = *id;
    if (auto service = head.fields.get("weft-service")) set_service(log, *service);
    log.mirror = head.fields.has(kMirrorField);
    if (log.mirror) worker_.mirrors.received.add();
    if (auto source = head.fields.get("weft-source-workload")) {
      const Peer& from = *request.peer;
      if (from.source != *source) {
        from.caller = parse_source(*source);
        from.source = *source;
      }
      request.key.caller = from.caller;
    }
  }

  // authorize
  const bool stray_connect = request.peer->plain && is_plain_connect(head);
  if (!request.peer->allowed || stray_connect) {
    LocalReply denied{403, "weft: " + log.source + " may not call " + log.destination, "UAEX"};
    if (stray_connect) denied.text = "weft: CONNECT is not allowed here";
    log.status = denied.status;
    log.flags = denied.flags;
    co_await send_reply(*request.down, std::move(denied));
    finish_request(worker_, log);
    co_return;
  }

  if (worker_.overload.pressure() != Pressure::kNone) {
    worker_.overload.count_shed();
    LocalReply reply = overloaded_reply(worker_.overload.cause());
    log.status = reply.status;
    log.flags = reply.flags;
    log.why = reply.text;
    co_await send_reply(*request.down, std::move(reply),
                        request.peer->plain ? std::string_view() : kOverloaded);
    finish_request(worker_, log);
    co_return;
  }

  const Arrival arrival{.head = &head,
                        .route = request.peer->plain ? std::string_view()
                                                     : head.fields.get("weft-route").value_or(""),
                        .caller = request.key.caller,
                        .peer = request.down->connection().peer.ip,
                        .published = request.peer->plain};
  const steer::RateLimits::Verdict verdict = take_limits(worker_, arrival, log);
  if (verdict.limit) request.limits = steer::fields_of(verdict);
  if (!verdict.granted) {
    LocalReply reply = limited_reply(verdict);
    log.status = reply.status;
    if (is_grpc(head.fields)) log.grpc_status = static_cast<int>(reply.grpc());
    co_await send_reply(*request.down, std::move(reply));
    finish_request(worker_, log);
    co_return;
  }

  // restore
  bool http1 = true;
  if (request.upgrade) {
    http1 = head.version != wire::Version::kHttp2;
    wire::remove_weft_fields(head.fields);
  } else if (request.peer->upgrade || request.peer->plain) {
    wire::remove_weft_fields(head.fields);
  } else {
    http1 = wire::restore_from_hop(head, request.down->request_ended());
  }
  auto declared = worker_.self.app_ports.find(request.peer->app_port);
  if (declared != worker_.self.app_ports.end()) {
    if (declared->second == model::Protocol::kHttp) http1 = true;
    if (declared->second == model::Protocol::kH2c || declared->second == model::Protocol::kGrpc)
      http1 = false;
  }
  say_identity(head.fields, log.source, log.destination);
  request.key.port = request.peer->app_port;
  request.key.protocol = http1 ? http::ClientProtocol::kHttp1 : http::ClientProtocol::kHttp2;
  Mapping mapping = app_mapping(http1, request.upgrade, request.peer->plain);
  request.forwarder.emplace(worker_.loop, *request.down, mapping, request.upgrade);

  // attempt; once more if a connection we had kept turned out closed
  Result<wire::ResponseHead> outcome = fail(ErrorKind::kUnsupported, std::string(kNoSuchUpgrade));
  if (!request.upgrade || translate_upgrade(request, http1)) outcome = co_await attempt(request);
  if (!outcome && request.reused && request.forwarder->replayable() && !request.forwarder->gone() &&
      (outcome.error().retry() == Retry::kYes ||
       (outcome.error().retry() == Retry::kIdempotent && steer::is_idempotent(log.method)))) {
    request.reused = false;
    outcome = co_await attempt(request);
  }

  // answer
  if (outcome) {
    log.status = outcome->status;
    if (auto grpc = outcome->fields.get("grpc-status")) log.grpc_status = grpc_status_number(*grpc);
    if (mapping.response)
      mapping.response(*outcome, outcome->length.kind == wire::BodyLength::kNone);
    if (request.limits) tell_limits(*request.limits, outcome->fields);
    if (request.peer->plain) present_response(*outcome, worker_.loop.wall_now());
    auto done = co_await request.forwarder->answer(std::move(*outcome), std::nullopt);
    if (!done) {
      log.flags = request.forwarder->gone() ? "DC" : "UC";
      log.why = done.error().message();
    }
    auto trailer = request.forwarder->response_trailers().get("grpc-status");
    if (trailer) log.grpc_status = grpc_status_number(*trailer);
  } else if (request.forwarder->gone()) {
    log.flags = "DC";
  } else {
    LocalReply reply =
        reply_for(outcome.error(), "the app on port " + std::to_string(request.key.port));
    log.status = reply.status;
    log.flags = reply.flags;
    log.why = outcome.error().message();
    co_await send_reply(*request.down, std::move(reply),
                        outcome.error().retry() == Retry::kYes ? kRefused : std::string_view());
  }

  // record
  log.bytes_sent = request.forwarder->request_bytes();
  log.bytes_received = request.forwarder->response_bytes();
  finish_request(worker_, log);
}

// An upgrade or a CONNECT in the version the app speaks. False: there is no such thing there.
bool Inbound::translate_upgrade(Request& request, bool http1) {
  wire::RequestHead& head = request.head;
  const bool from_http1 = head.version != wire::Version::kHttp2;
  if (from_http1 == http1) return true;
  if (is_plain_connect(head)) {
    head.version = http1 ? wire::Version::kHttp11 : wire::Version::kHttp2;
    return true;
  }
  if (!is_websocket(head)) return false;
  request.websocket_accept =
      http1 ? upgrade_from_connect(head, worker_.random) : connect_from_upgrade(head);
  return !request.websocket_accept.empty();
}

// The answer to an upgrade that was translated, in the version of the question.
bool Inbound::translate_answer(const Request& request, wire::ResponseHead& head) {
  if (request.websocket_accept.empty()) return true;
  if (request.key.protocol == http::ClientProtocol::kHttp1)
    return answer_to_connect(head, request.websocket_accept);
  answer_to_upgrade(head, request.websocket_accept);
  return true;
}

io::Task<Result<wire::ResponseHead>> Inbound::attempt(Request& request) {
  const bool http1 = request.key.protocol == http::ClientProtocol::kHttp1;
  bool repeatable = steer::is_idempotent(request.log.method) && !request.upgrade;
  auto connection = request.upgrade && http1 ? co_await pool_.connect(request.key)
                                             : co_await pool_.acquire(request.key, repeatable);
  if (!connection) co_return std::unexpected(std::move(connection.error()));
  request.connection = std::move(*connection);
  request.reused = request.connection->client->reused();
  request.log.upstream = request.connection->client->info().peer.to_string();
  if (!request.head.protocol.empty() &&
      !co_await request.connection->client->takes_extended_connect()) {
    co_return fail(ErrorKind::kUnsupported, "the app on port " + std::to_string(request.key.port) +
                                                " takes no extended CONNECT");
  }
  bool end = request.upgrade ? http1 : !request.forwarder->request_has_body();
  auto stream = request.connection->client->open(request.head, end);
  if (!stream) co_return std::unexpected(std::move(stream.error()));
  auto answer = co_await request.forwarder->attempt(std::move(*stream), std::nullopt);
  if (answer && !translate_answer(request, *answer)) {
    co_return fail(ErrorKind::kProtocol, "the app agreed to a WebSocket without having understood",
                   ErrorSource::kUpstream);
  }
  co_return answer;
}

}  // namespace weft::proxy
