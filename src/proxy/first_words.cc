// Looking costs nothing that the client notices: what was read goes on to whoever serves.
#include "proxy/first_words.h"

#include "proxy/replay_stream.h"
#include "wire/detect.h"

namespace weft::proxy {

using wire::ClientHello;
using wire::Detected;

io::Task<FirstWords> first_words(io::Loop& loop, io::Stream& client, bool may_be_http,
                                 Duration limit) {
  io::Event arrived(loop);
  Look look(client, arrived);
  FirstWords words;
  const Instant until = loop.now() + limit;
  while (true) {
    words.hello = wire::read_client_hello(look.bytes().view());
    const bool other = words.hello.kind == ClientHello::kNotTls;
    const Detected kind =
        other && may_be_http ? wire::detect(look.bytes().view()) : Detected::kOpaque;
    words.http = kind == Detected::kHttp1 || kind == Detected::kHttp2;
    const bool sure = words.hello.kind != ClientHello::kNeedMore && kind != Detected::kNeedMore;
    if (sure || look.ended()) break;
    arrived.reset();
    const Duration left = until - loop.now();
    if (left.ns <= 0 || !co_await arrived.wait_for(left)) break;
  }
  words.ended = look.ended();
  words.bytes = look.take();
  co_return words;
}

NoHello no_hello(const FirstWords& words) {
  switch (words.hello.kind) {
    case ClientHello::kHello: break;
    case ClientHello::kMalformed: return {"a malformed ClientHello", wire::TlsAlert::kDecodeError};
    case ClientHello::kTooLong:
      return {"a ClientHello of more than " + std::to_string(wire::kClientHelloLimit) + " bytes",
              wire::TlsAlert::kDecodeError};
    case ClientHello::kNotTls:
      return {"not TLS, which the routes of this port ask for", std::nullopt};
    case ClientHello::kNeedMore:
      return {words.ended ? "the client ended within its ClientHello"
                          : "no whole ClientHello within 10 s",
              std::nullopt};
  }
  return no_such_name(words.hello);
}

NoHello no_such_name(const ClientHello& hello) {
  if (hello.server_name.empty())
    return {"a ClientHello without a server name", wire::TlsAlert::kMissingExtension};
  return {"no route has the server name " + hello.server_name, wire::TlsAlert::kUnrecognizedName};
}

void refuse_tls(io::Loop& loop, io::StreamPtr client, wire::TlsAlert alert) {
  client->write(wire::tls_alert(alert));
  io::close_gracefully(loop, std::move(client));
}

TcpChoice choice_of(const CompiledTcpRule& rule, Random& random) {
  TcpChoice choice{
      rule.rule().route + "/" + rule.rule().rule, {}, 0, rule.rule().policy, rule.faults()};
  const model::Backend* backend = rule.next_backend(random);
  if (!backend || backend->invalid) return choice;
  choice.service = backend->service;
  choice.port = backend->port;
  return choice;
}

}  // namespace weft::proxy
