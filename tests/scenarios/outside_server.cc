// Small enough to read beside the tests: whatever comes is remembered and answered at once, but for `delay`.
#include "scenarios/outside_server.h"

#include "http/grpc.h"
#include "http/respond.h"
#include "http/tls_stream.h"
#include "proxy/replay_stream.h"
#include "proxy/websocket.h"

namespace weft::scenarios {
namespace {

constexpr const char* kKey = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgc3qlmte/fGnm+6Y+
rf74MUhZvEki0dgFqb8UJwczjqqhRANCAASMm2d+2skOE/x97rAg2M2ZZTRs1i7Z
TMxXXFaX9xMVNUop+0s7ISLlSg1UCDuJ0I/s52QHNZRq3Jj2EQRzbj3I
-----END PRIVATE KEY-----
)";

trust::TlsContextPtr context(const std::vector<std::string>& alpn) {
  auto made = trust::make_public_server(OutsideServer::kCertificate, kKey, alpn);
  WEFT_ASSERT(made);
  return made->context;
}

// Each message comes back at once; "fail" ends the call.
io::Task<void> call(http::ServerStreamPtr stream) {
  http::GrpcServerCall call(std::move(stream));
  while (true) {
    auto message = co_await call.read();
    if (!message) co_return;
    if (!*message) break;
    if (**message == "fail") {
      call.finish(http::GrpcStatus::kFailedPrecondition, "as asked");
      co_return;
    }
    if (!co_await call.write("echo " + **message)) co_return;
  }
  call.finish(http::GrpcStatus::kOk);
}

io::Task<void> tunnel(http::ServerStream& stream) {
  wire::ResponseHead head;
  head.version = stream.request().version;
  if (stream.request().protocol.empty()) {
    const auto key = stream.request().fields.get("sec-websocket-key").value_or("");
    head.status = 101;
    head.fields.add("Connection", "Upgrade");
    head.fields.add("Upgrade", "websocket");
    head.fields.add("Sec-WebSocket-Accept", proxy::websocket_accept(key));
  } else {
    head.status = 200;  // RFC 8441
  }
  head.length = {wire::BodyLength::kTunnel, 0};
  stream.send_response(head, false);
  while (true) {
    auto piece = co_await stream.read_body();
    if (!piece) co_return;
    if (!piece->data.empty() && !co_await stream.send_body(std::move(piece->data))) co_return;
    if (piece->end) break;
  }
  stream.finish();
}

}  // namespace

const char* const OutsideServer::kCertificate = R"(-----BEGIN CERTIFICATE-----
MIIBXjCCAQSgAwIBAgIBATAKBggqhkjOPQQDAjAMMQowCAYDVQQDDAFhMCAXDTI1
MDEwMTAwMDAwMFoYDzIxMjUwMTAxMDAwMDAwWjAMMQowCAYDVQQDDAFhMFkwEwYH
KoZIzj0CAQYIKoZIzj0DAQcDQgAEjJtnftrJDhP8fe6wINjNmWU0bNYu2UzMV1xW
l/cTFTVKKftLOyEi5UoNVAg7idCP7OdkBzWUatyY9hEEc249yKNVMFMwDwYDVR0T
AQH/BAUwAwEB/zAhBgNVHREEGjAYgglhLmV4YW1wbGWCCyouYi5leGFtcGxlMB0G
A1UdDgQWBBQ1o08sBs6w+0k/8kkzKhv65l7iizAKBggqhkjOPQQDAgNIADBFAiBU
gloW9lX+0+RvnPcfCSAsp4Bu9Ajln43idWr2BWllygIhAMD+0iMFcUhz8qdTw7np
3E3aEnfYbsXlfLc9pmCgqjQd
-----END CERTIFICATE-----
)";

void OutsideServer::http(uint16_t port) {
  listen(port, [this](io::StreamPtr stream) { serve(std::move(stream), {}); });
}

void OutsideServer::https(uint16_t port, const std::vector<std::string>& alpn) {
  listen(port, [this, context = context(alpn)](io::StreamPtr stream) {
    tasks_.spawn(shake_hands(std::move(stream), context, false));
  });
}

void OutsideServer::tcp(uint16_t port) {
  listen(port, [this](io::StreamPtr stream) { tasks_.spawn(echo(std::move(stream))); });
}

void OutsideServer::tls(uint16_t port) {
  listen(port, [this, context = context({})](io::StreamPtr stream) {
    tasks_.spawn(shake_hands(std::move(stream), context, true));
  });
}

void OutsideServer::listen(uint16_t port, std::function<void(io::StreamPtr)> accept) {
  auto listener = node_.network().listen({node_.ip(), port},
                                         [this, accept = std::move(accept)](io::StreamPtr stream) {
                                           ++connections;
                                           accept(std::move(stream));
                                         });
  WEFT_ASSERT(listener);
  listeners_[port] = std::move(*listener);
}

io::Task<void> OutsideServer::shake_hands(io::StreamPtr stream, trust::TlsContextPtr context,
                                          bool opaque) {
  auto tls = co_await http::tls_accept(node_.loop(), std::move(stream), std::move(context),
                                       Duration::seconds(5));
  if (!tls) {
    ++handshakes_failed;
    co_return;
  }
  if (opaque) {
    co_await echo(std::move(tls->stream));
  } else {
    serve(std::move(tls->stream), std::move(tls->info));
  }
}

void OutsideServer::serve(io::StreamPtr stream, http::ConnectionInfo info) {
  served_.emplace_back();
  auto slot = std::prev(served_.end());
  http::ServerLimits limits;
  limits.extended_connect = true;
  *slot = http::serve(
      node_.loop(), std::move(stream), http::ServerProtocol::kDetect, std::move(info), limits,
      [this](http::ServerStreamPtr request) { return answer(std::move(request)); },
      [this, slot] { served_.erase(slot); });
}

io::Task<void> OutsideServer::answer(http::ServerStreamPtr stream) {
  const wire::RequestHead& head = stream->request();
  const size_t at = seen.size();
  seen.push_back({.version = head.version == wire::Version::kHttp2 ? 2 : 1,
                  .target = head.target,
                  .authority = head.authority,
                  .server_name = stream->connection().server_name,
                  .fields = head.fields,
                  .body = {}});
  if (head.fields.get("upgrade") || !head.protocol.empty()) co_return co_await tunnel(*stream);
  if (head.fields.get("content-type").value_or("").starts_with("application/grpc"))
    co_return co_await call(std::move(stream));
  auto body = co_await http::read_all(*stream, 1024 * 1024);
  if (!body) co_return;
  seen[at].body = *body;
  if (delay.ns > 0) co_await io::sleep_for(node_.loop(), delay);
  (void)co_await http::respond(*stream, 200, "text/plain",
                               node_.name() + " http/" + std::to_string(seen[at].version));
}

io::Task<void> OutsideServer::echo(io::StreamPtr stream) {
  io::Event arrived(node_.loop());
  {
    proxy::Look look(*stream, arrived);
    while (!look.ended()) {
      const std::string bytes = look.take().to_string();
      if (!bytes.empty()) stream->write(node_.name() + " " + bytes);
      arrived.reset();
      co_await arrived.wait();
    }
  }
  io::close_gracefully(node_.loop(), std::move(stream));
}

}  // namespace weft::scenarios
