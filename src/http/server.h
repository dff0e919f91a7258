// The serving side of a connection: reads requests (HTTP/1.1 keep-alive and pipelining, or HTTP/2
// streams) and runs one handler coroutine for each. Used by the sidecar's listeners, by the control
// plane's API and discovery, and by the status page.
#pragma once

#include <functional>
#include <memory>

#include "base/time.h"
#include "http/exchange.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/task.h"

namespace weft::http {

struct ServerLimits {
  size_t header_bytes = 60 * 1024;  // decoded
  size_t header_lines = 100;
  size_t request_line_bytes = 8 * 1024;
  uint32_t concurrent_streams = 100;
  // HTTP/2 streams a peer may have reset (or make us reset) at once, refilled within 30 s; then GOAWAY.
  uint32_t reset_burst = 100;
  uint32_t stream_window = 64 * 1024;
  uint32_t connection_window = 1024 * 1024;
  // HTTP/2: saves time rather than octets, for a peer that is near (see wire/hpack_encoder.h).
  bool plain_literals = false;
  // HTTP/2: may a client ask for a tunnel to a path (RFC 8441)? Not answering one is then the handler's.
  bool extended_connect = false;
  // From the first octet of a head to its last; 408.
  Duration header_timeout = Duration::seconds(10);
  // A connection without a request.
  Duration idle_timeout = Duration::minutes(5);
  // A request body of known length, or chunked, of which nothing comes while it is waited for; 408 or a
  // reset. (An HTTP/2 body of unknown length is a stream: its sender may be silent for a good reason.)
  Duration body_timeout = Duration::minutes(1);
  // An exchange of which nothing moves either way: a silent server, or a client that does not read.
  // Not for what became a tunnel.
  Duration stream_timeout = Duration::hours(1);
  // HTTP/2: an exchange is open and nothing has come for so long: the peer is asked for a sign of life (PING), and
  // left when none comes within kPingPatience. 0: never, which is right for whoever has rules about PING (a gRPC
  // server takes one in five minutes).
  Duration ping_after{};
};

// Runs to its end for each request; owns the stream. Returning without a response sends 500 (or resets).
using Handler = std::function<io::Task<void>(ServerStreamPtr)>;

class ServerConnection {
 public:
  virtual ~ServerConnection() = default;
  // Graceful: GOAWAY / Connection: close; the connection ends when open exchanges have.
  virtual void drain() = 0;
  // Exchanges open now.
  virtual size_t open_exchanges() const = 0;
  // The same, but an HTTP/1 connection without a request is left to its client, who may be about to send
  // one: the answer to the next says "close". For an owner that can wait and then drops what is idle.
  virtual void retire() { drain(); }
};

enum class ServerProtocol {
  kHttp1,
  kHttp2,
  kDetect,  // HTTP/2 preface or HTTP/1
};

// Serves `stream` until it ends, then calls `closed` once (from the loop's ready queue) — the owner
// drops the connection there. Destroying the connection cancels its handlers.
std::unique_ptr<ServerConnection> serve(io::Loop& loop, io::StreamPtr stream,
                                        ServerProtocol protocol, ConnectionInfo info,
                                        const ServerLimits& limits, Handler handler,
                                        std::function<void()> closed);

}  // namespace weft::http
