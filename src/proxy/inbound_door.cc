// Published doors behind a load balancer. The header is read before anything else looks at the connection,
// and what it says of the client is put in the place of the socket's peer; from there on nobody can tell the
// difference to a client that came by itself. Whoever speaks without a header is a stranger who found a way
// around the balancer, or a balancer that was not told to send one: neither is served.
#include "proxy/inbound.h"
#include "proxy/record.h"
#include "proxy/replay_stream.h"
#include "wire/proxy_protocol.h"

namespace weft::proxy {
namespace {

constexpr Duration kHeaderWait = Duration::seconds(5);
// Enough for a certificate's subject and a few identifiers; the protocol's own bound is 64 KiB.
constexpr size_t kLongestHeader = 4096;

struct Introduction {
  std::optional<wire::ProxyHeader> header;
  std::string why;  // there is none
  Buffer rest;
  bool silent = false;  // the peer ended without a word: somebody looked whether the door is open
};

io::Task<Introduction> read_introduction(io::Loop& loop, io::Stream& client) {
  io::Event arrived(loop);
  Look look(client, arrived);
  Introduction out;
  const Instant until = loop.now() + kHeaderWait;
  while (true) {
    auto header = wire::read_proxy_header(look.bytes().view(), kLongestHeader);
    if (!header) {
      out.why = header.error().message();
      break;
    }
    if (*header) {
      out.header = **header;
      break;
    }
    if (look.ended()) {
      out.why = "PROXY protocol: the peer ended within its header";
      break;
    }
    arrived.reset();
    const Duration left = until - loop.now();
    if (left.ns <= 0 || !co_await arrived.wait_for(left)) {
      out.why = "PROXY protocol: no whole header within 5 s";
      break;
    }
  }
  out.silent = look.ended() && look.bytes().empty();
  out.rest = look.take();
  if (out.header) {
    out.header->tlvs = {};  // pointed into bytes that go now
    out.rest.consume(out.header->size);
  }
  co_return out;
}

}  // namespace

void Inbound::accept_introduced(io::StreamPtr client, uint16_t app_port) {
  conversations_.spawn(introduce(std::move(client), app_port));
}

io::Task<void> Inbound::introduce(io::StreamPtr client, uint16_t app_port) {
  Record log;
  log.time = worker_.loop.wall_now();
  log.start = worker_.loop.now();
  const SocketAddress balancer = client->peer();
  Introduction read = co_await read_introduction(worker_.loop, *client);
  if (read.header) {
    const SocketAddress peer = read.header->source.value_or(balancer);
    accept_plain(replay(worker_.loop, std::move(read.rest), std::move(client), peer), app_port);
    co_return;
  }
  client->reset();
  if (read.silent) co_return;
  log.inbound = true;
  log.mtls = false;
  log.protocol = "tcp";
  log.destination = worker_.self.identity.uri();
  log.service = kPublished;
  log.port = app_port;
  log.client = balancer.to_string();
  log.flags = "DPE";
  log.why = read.why;
  edge_of(worker_, log).connections.add();
  finish_connection(worker_, log);
  if (warned_doors_.insert(app_port).second) {
    worker_.log.warn(
        "a connection to a published door has no PROXY header; further ones are only counted",
        {{"from", balancer.to_string()}, {"app_port", app_port}, {"why", read.why}});
  }
}

}  // namespace weft::proxy
