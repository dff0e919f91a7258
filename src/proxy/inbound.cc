// The mirror of http_path.cc, shorter because there is one endpoint only and no policy: identify,
// authorize, restore, attempt, answer, record. Who the peer is was settled by the handshake; what it may
// do is decided once per connection.
#include "proxy/inbound.h"

#include "base/text.h"
#include "proxy/caller_fields.h"
#include "proxy/field_rules.h"
#include "proxy/forwarder.h"
#include "proxy/hop_preface.h"
#include "proxy/local_reply.h"
#include "proxy/record.h"
#include "proxy/relay.h"
#include "proxy/replay_stream.h"
#include "proxy/retry.h"
#include "telemetry/trace_headers.h"
#include "wire/h1_over_h2.h"

namespace weft::proxy {
namespace {

constexpr int64_t kRotationShare = 4;

constexpr Duration kPrefaceWait = Duration::seconds(5);
constexpr std::string_view kPublished = "published";  // the service of a plain door

http::ServerLimits hop_limits() {
  http::ServerLimits limits;
  limits.header_lines = 120;  // an app's 100, and ours
  limits.header_bytes = 72 * 1024;
  limits.concurrent_streams = 200;
  // One app that abandons its requests must not cost the others their shared connection.
  limits.reset_burst = 10'000;
  limits.idle_timeout = Duration::minutes(10);
  // The caller's sidecar ends what stands still; this is for the case that it does not.
  limits.stream_timeout = Duration::hours(25);
  limits.body_timeout = Duration::minutes(6);
  return limits;
}

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

// "web-7f3a9c 240.241.0.7 fd00::7"
CallerAddress parse_source(std::string_view text) {
  CallerAddress caller;
  for (std::string_view word : split(text, ' ')) {
    auto address = IpAddress::parse(word);
    if (address) (address->is_v4() ? caller.v4 : caller.v6) = *address;
  }
  return caller;
}

void split_service(std::string_view text, Record& record) {
  size_t colon = text.rfind(':');
  record.service = text.substr(0, colon);
  if (colon == std::string_view::npos) return;
  if (auto port = parse_port(text.substr(colon + 1))) record.port = *port;
}

}  // namespace

bool may_call(const model::SpiffeId& peer, const model::SpiffeId& self) {
  return !peer.empty() && peer.trust_domain() == self.trust_domain() &&
         !peer.workload_namespace().empty() &&
         peer.workload_namespace() == self.workload_namespace();
}

struct Inbound::Peer {
  std::string identity;
  bool allowed = false;
  uint16_t app_port = 0;
  bool upgrade = false;                      // ALPN http/1.1
  std::optional<WallTime> certificate_ends;  // ours, on this connection
  bool plain = false;  // came through a published door: no sidecar on the other side
};

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
  wire::RequestHead head;  // as the app gets it
  Record log;
  AppPool::Key key;
  bool upgrade = false;
  bool reused = false;
  AppConnectionPtr connection;  // outlives the exchange on it
  std::optional<Forwarder> forwarder;
};

Inbound::Inbound(Worker& worker) : worker_(worker), dialer_(worker), pool_(worker, dialer_) {}

void Inbound::accept(io::StreamPtr transport) {
  if (!worker_.tls || worker_.draining) return transport->reset();
  conversations_.spawn(converse(std::move(transport)));
}

io::Task<void> Inbound::converse(io::StreamPtr transport) {
  std::string from = transport->peer().to_string();
  const WallTime certificate_ends = worker_.tls->svid->not_after();
  auto connection = co_await http::tls_accept(worker_.loop, std::move(transport),
                                              worker_.tls->server, kHandshake);
  if (!connection) {
    worker_.log.info("handshake failed", {{"from", from}, {"why", connection.error().message()}});
    co_return;
  }
  auto peer = std::make_shared<Peer>();
  peer->certificate_ends = certificate_ends;
  peer->identity = connection->info.peer_spiffe_id;
  auto id = model::SpiffeId::parse(peer->identity);
  peer->allowed = id && may_call(*id, worker_.self.identity);
  std::optional<HopName> name = parse_hop_server_name(connection->info.server_name);
  if (!name) co_return;  // the handshake has checked it
  peer->app_port = name->app_port;
  peer->upgrade = connection->info.alpn == kAlpnUpgrade;
  if (!peer->allowed) {
    worker_.log.warn("caller denied", {{"source", peer->identity}, {"from", from}});
  }
  if (connection->info.alpn == kAlpnTcp) {
    co_await carry_tcp(std::move(*connection), std::move(peer));
  } else {
    serve_http(std::move(connection->stream), std::move(connection->info), std::move(peer));
  }
}

void Inbound::serve_http(io::StreamPtr stream, http::ConnectionInfo info,
                         std::shared_ptr<const Peer> peer) {
  auto protocol = peer->plain     ? http::ServerProtocol::kDetect
                  : peer->upgrade ? http::ServerProtocol::kHttp1
                                  : http::ServerProtocol::kHttp2;
  served_.emplace_back();
  auto slot = std::prev(served_.end());
  slot->certificate_ends = peer->certificate_ends;
  // There was a rotation during the handshake.
  if (slot->certificate_ends < worker_.tls->svid->not_after()) replace_in_time(*slot);
  slot->connection = http::serve(
      worker_.loop, std::move(stream), protocol, std::move(info),
      peer->plain ? http::ServerLimits{} : hop_limits(),
      [this, peer](http::ServerStreamPtr stream) { return serve(std::move(stream), peer); },
      [this, slot] { served_.erase(slot); });
}

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
  request.upgrade = (request.peer->upgrade || request.peer->plain) && wants_upgrade(head);
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
    log.trace_id = telemetry::participate(head.fields, worker_.random).trace_id_hex();
    log.request_id = keep_or_make_request_id(head.fields, worker_.random);
    present_request(head, request.down->connection());
  } else {
    if (auto id = head.fields.get(kRequestId)) log.request_id = *id;
    if (auto service = head.fields.get("weft-service")) split_service(*service, log);
    if (auto source = head.fields.get("weft-source-workload"))
      request.key.caller = parse_source(*source);
  }

  // authorize
  const bool stray_connect = request.peer->plain && head.method == "CONNECT";
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

  // restore
  bool http1 = true;
  if (request.peer->upgrade || request.upgrade) {
    wire::remove_weft_fields(head.fields);
  } else {
    if (request.peer->plain) {
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
  }
  say_identity(head.fields, log.source, log.destination);
  request.key.port = request.peer->app_port;
  request.key.protocol = http1 ? http::ClientProtocol::kHttp1 : http::ClientProtocol::kHttp2;
  Mapping mapping = app_mapping(http1, request.upgrade, request.peer->plain);
  request.forwarder.emplace(worker_.loop, *request.down, mapping, request.upgrade);

  // attempt; once more if a connection we had kept turned out closed
  Result<wire::ResponseHead> outcome = co_await attempt(request);
  if (!outcome && request.reused && request.forwarder->replayable() && !request.forwarder->gone() &&
      (outcome.error().retry() == Retry::kYes ||
       (outcome.error().retry() == Retry::kIdempotent && is_idempotent(log.method)))) {
    request.reused = false;
    outcome = co_await attempt(request);
  }

  // answer
  if (outcome) {
    log.status = outcome->status;
    if (auto grpc = outcome->fields.get("grpc-status")) log.grpc_status = grpc_status_number(*grpc);
    if (mapping.response)
      mapping.response(*outcome, outcome->length.kind == wire::BodyLength::kNone);
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

io::Task<Result<wire::ResponseHead>> Inbound::attempt(Request& request) {
  bool repeatable = is_idempotent(request.log.method) && !request.upgrade;
  auto connection = request.upgrade ? co_await pool_.connect(request.key)
                                    : co_await pool_.acquire(request.key, repeatable);
  if (!connection) co_return std::unexpected(std::move(connection.error()));
  request.connection = std::move(*connection);
  request.reused = request.connection->client->reused();
  request.log.upstream = request.connection->client->info().peer.to_string();
  bool end = request.upgrade || !request.forwarder->request_has_body();
  auto stream = request.connection->client->open(request.head, end);
  if (!stream) co_return std::unexpected(std::move(stream.error()));
  co_return co_await request.forwarder->attempt(std::move(*stream), std::nullopt);
}

io::Task<void> Inbound::carry_tcp(http::TlsConnection connection,
                                  std::shared_ptr<const Peer> peer) {
  Record log;
  log.time = worker_.loop.wall_now();
  log.start = worker_.loop.now();
  log.inbound = true;
  log.protocol = "tcp";
  log.source = peer->identity;
  log.destination = worker_.self.identity.uri();
  log.workload = worker_.self.instance;
  if (!peer->allowed) {
    log.flags = "UAEX";
    connection.stream->reset();
    edge_of(worker_, log).connections.add();
    finish_connection(worker_, log);
    co_return;
  }

  io::Event arrived(worker_.loop);
  auto look = std::make_unique<Look>(*connection.stream, arrived);
  Instant until = worker_.loop.now() + kPrefaceWait;
  Result<std::optional<DecodedPreface>> preface = decode_hop_preface(look->bytes().view());
  while (preface && !*preface && !look->ended()) {
    arrived.reset();
    Duration left = until - worker_.loop.now();
    if (left.ns <= 0 || !co_await arrived.wait_for(left)) break;
    preface = decode_hop_preface(look->bytes().view());
  }
  Buffer first = look->take();
  look.reset();
  if (!preface || !*preface) {
    worker_.log.warn("connection without a hop preface", {{"source", peer->identity}});
    connection.stream->reset();
    co_return;
  }
  first.consume((*preface)->size);
  split_service((*preface)->preface.service, log);

  struct Active {
    explicit Active(size_t& count) : count(count) { ++count; }
    ~Active() { --count; }
    size_t& count;
  } active(active_);
  edge_of(worker_, log).connections.add();
  auto app = co_await dialer_.connect(peer->app_port,
                                      {(*preface)->preface.source4, (*preface)->preface.source6});
  if (!app) {
    log.flags = "UF";
    log.why = app.error().message();
    connection.stream->reset();
    finish_connection(worker_, log);
    co_return;
  }
  log.upstream = (*app)->peer().to_string();
  RelayResult result = co_await relay(
      worker_.loop, replay(worker_.loop, std::move(first), std::move(connection.stream)),
      std::move(*app));
  log.bytes_sent = result.from_first;
  log.bytes_received = result.from_second;
  if (result.reset) log.flags = "DC";
  finish_connection(worker_, log);
}

void Inbound::accept_plain(io::StreamPtr client, uint16_t app_port) {
  auto declared = worker_.self.app_ports.find(app_port);
  bool http =
      declared != worker_.self.app_ports.end() &&
      (declared->second == model::Protocol::kHttp || declared->second == model::Protocol::kH2c ||
       declared->second == model::Protocol::kGrpc);
  if (!http || worker_.draining) {
    conversations_.spawn(carry_plain(std::move(client), app_port));
    return;
  }
  auto peer = std::make_shared<Peer>();
  peer->allowed = true;  // whoever published the door has decided so
  peer->app_port = app_port;
  peer->plain = true;
  http::ConnectionInfo info;
  info.peer = client->peer();
  info.local = client->local();
  serve_http(std::move(client), std::move(info), std::move(peer));
}

io::Task<void> Inbound::carry_plain(io::StreamPtr client, uint16_t app_port) {
  Record log;
  log.time = worker_.loop.wall_now();
  log.start = worker_.loop.now();
  log.inbound = true;
  log.mtls = false;
  log.protocol = "tcp";
  log.destination = worker_.self.identity.uri();
  log.service = kPublished;
  log.port = app_port;
  edge_of(worker_, log).connections.add();
  auto app = co_await dialer_.connect(app_port, {});
  if (!app) {
    log.flags = "UF";
    log.why = app.error().message();
    client->reset();
    finish_connection(worker_, log);
    co_return;
  }
  RelayResult result = co_await relay(worker_.loop, std::move(client), std::move(*app));
  log.bytes_sent = result.from_first;
  log.bytes_received = result.from_second;
  finish_connection(worker_, log);
}

void Inbound::rotated() {
  for (Served& served : served_) replace_in_time(served);
}

void Inbound::replace_in_time(Served& served) {
  if (!served.certificate_ends || served.replace) return;
  const Duration window = (*served.certificate_ends - worker_.loop.wall_now()) / kRotationShare;
  const auto bound = static_cast<uint64_t>(std::max<int64_t>(window.ns, 0)) + 1;
  served.replace =
      std::make_unique<io::Timer>(worker_.loop, [&served] { served.connection->drain(); });
  served.replace->arm(Duration::nanos(static_cast<int64_t>(worker_.random.below(bound))));
}

void Inbound::drain() {
  worker_.draining = true;
  for (const Served& served : served_) served.connection->drain();
}

}  // namespace weft::proxy
