// The dialling side: one connection that carries one exchange at a time (HTTP/1.1) or many (HTTP/2).
// Choosing and pooling connections is the caller's business (see proxy/upstream).
#pragma once

#include <functional>
#include <memory>

#include "base/time.h"
#include "http/exchange.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/task.h"

namespace weft::http {

struct ClientLimits {
  size_t header_bytes = 60 * 1024;
  size_t header_lines = 100;
  uint32_t stream_window = 64 * 1024;
  uint32_t connection_window = 1024 * 1024;
  uint32_t max_streams = 100;  // and never more than the peer allows
  Duration ping_after{};       // HTTP/2, as in ServerLimits
  // HTTP/2: saves time rather than octets, for a peer that is near (see wire/hpack_encoder.h).
  bool plain_literals = false;
};

class ClientConnection {
 public:
  static constexpr Duration kSettingsWait = Duration::seconds(5);

  virtual ~ClientConnection() = default;
  // Can another exchange be opened now? False: busy (HTTP/1), at the peer's limit, draining or dead.
  virtual bool can_open() const = 0;
  // No exchange will ever be opened again (GOAWAY, close, error): drop it once open ones have ended.
  virtual bool finished() const = 0;
  virtual size_t open_exchanges() const = 0;
  // Was any exchange carried before? (A closed reused connection makes an idempotent retry safe.)
  virtual bool reused() const = 0;
  // Does the server take extended CONNECT (RFC 8441)? Waits for its SETTINGS, at most kSettingsWait; may not be
  // asked of a connection that could end meanwhile without its owner.
  virtual io::Task<bool> takes_extended_connect() = 0;
  // Sends the head. `end`: the request has no body. Requires can_open().
  virtual Result<ClientStreamPtr> open(const wire::RequestHead& head, bool end) = 0;
  // GOAWAY / no new exchanges.
  virtual void drain() = 0;
  virtual const ConnectionInfo& info() const = 0;
};

enum class ClientProtocol { kHttp1, kHttp2 };

// `changed` is called from the ready queue whenever can_open()/finished() may have become different.
std::unique_ptr<ClientConnection> connect_http(io::Loop& loop, io::StreamPtr stream,
                                               ClientProtocol protocol, ConnectionInfo info,
                                               const ClientLimits& limits,
                                               std::function<void()> changed);

}  // namespace weft::http
