// TLS over an io::Stream, itself an io::Stream. The handshake is awaited by whoever makes one; after it
// the stream reads and writes plaintext and flushes its records once per loop turn.
#pragma once

#include "http/exchange.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/task.h"
#include "trust/tls.h"

namespace weft::http {

struct TlsConnection {
  io::StreamPtr stream;
  ConnectionInfo info;      // tls, peer_spiffe_id, server_name, alpn filled in
  WallTime peer_not_after;  // when the peer's certificate ends
  bool resumed = false;  // as whom an earlier connection has verified: no certificates were shown
};

// Handshakes; the error says whose fault (kUnauthenticated: the wrong or no identity).
io::Task<Result<TlsConnection>> tls_accept(io::Loop& loop, io::StreamPtr transport,
                                           trust::TlsContextPtr context, Duration timeout);
io::Task<Result<TlsConnection>> tls_connect(io::Loop& loop, io::StreamPtr transport,
                                            trust::TlsContextPtr context, std::string server_name,
                                            std::string expected_peer, Duration timeout);

}  // namespace weft::http
