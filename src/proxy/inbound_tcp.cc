// Opaque bytes for the app: from another sidecar behind a preface that says who opened the connection, or
// from a published door as they are.
#include "proxy/hop_preface.h"
#include "proxy/inbound.h"
#include "proxy/inbound_limits.h"
#include "proxy/record.h"
#include "proxy/relay.h"
#include "proxy/replay_stream.h"

namespace weft::proxy {
namespace {

constexpr Duration kPrefaceWait = Duration::seconds(5);

}  // namespace

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
  set_service(log, (*preface)->preface.service);

  struct Active {
    explicit Active(size_t& count) : count(count) { ++count; }
    ~Active() { --count; }
    size_t& count;
  } active(active_);
  edge_of(worker_, log).connections.add();
  if (!take_limits(worker_, {.caller = {(*preface)->preface.source4, (*preface)->preface.source6}},
                   log)
           .granted) {
    connection.stream->reset();
    finish_connection(worker_, log);
    co_return;
  }
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
  log.client = client->peer().to_string();
  edge_of(worker_, log).connections.add();
  if (!take_limits(worker_, {.peer = client->peer().ip, .published = true}, log).granted) {
    client->reset();
    finish_connection(worker_, log);
    co_return;
  }
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

}  // namespace weft::proxy
