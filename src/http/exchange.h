// One request and its response, seen from either end, whatever version of HTTP carries it. A proxy
// handler holds a ServerStream (from downstream) and opens a ClientStream (to upstream) and pumps
// between the two. Both are coroutine-facing; the connections underneath are push-driven.
//
// Order of calls, ServerStream: request() is there from the start → read_body() until kEnd (may run
// beside everything below) → send_interim()* → send_response() → send_body()* → finish().
// ClientStream mirrors it: send_body()* / finish() beside read_head() (interim heads first, then the
// final one) → read_body() until kEnd.
// After a 101 (or 2xx to CONNECT) both ways carry raw bytes: read_body()/send_body() on them, kEnd and
// finish() are the half closes.
//
// Lifetime: destroying an unfinished stream resets it (HTTP/2: RST_STREAM CANCEL; HTTP/1: the
// connection closes). Streams survive their connection: calls then return errors. Not thread-safe.
// Backpressure: send_body() waits while more than the high mark is queued; the peer's flow-control
// window opens only as read_body() takes pieces.
#pragma once

#include <memory>
#include <string>

#include "base/buffer.h"
#include "base/ip.h"
#include "base/result.h"
#include "io/task.h"
#include "wire/message.h"

namespace weft::http {

// A piece of a message body.
struct BodyPiece {
  Buffer data;            // may be empty when `end`
  bool end = false;       // nothing follows
  wire::Fields trailers;  // with `end` only
};

// What is known of the connection that carries an exchange.
struct ConnectionInfo {
  SocketAddress peer;
  SocketAddress local;
  bool tls = false;
  std::string peer_spiffe_id;  // verified, from the client certificate; empty without
  // Verified, of a client that is no workload (trust::PeerIdentity::certificate); empty without.
  std::string client_certificate;
  std::string server_name;  // SNI
  std::string alpn;
  // Unix sockets: the peer's credentials by SO_PEERCRED; -1 elsewhere.
  int peer_uid = -1;
  int peer_pid = -1;
};

class ServerStream {
 public:
  virtual ~ServerStream() = default;
  virtual const wire::RequestHead& request() const = 0;
  virtual wire::RequestHead& request() = 0;
  virtual const ConnectionInfo& connection() const = 0;

  virtual io::Task<Result<BodyPiece>> read_body() = 0;
  // True when the request has no body, or all of it has been read.
  virtual bool request_ended() const = 0;

  virtual void send_interim(const wire::ResponseHead& head) = 0;
  // `end`: no body follows. Framing is chosen from head.length and the version spoken.
  virtual void send_response(const wire::ResponseHead& head, bool end) = 0;
  virtual io::Task<Result<void>> send_body(Buffer data) = 0;
  virtual void finish(wire::Fields trailers = {}) = 0;
  // Cuts the response so that the peer cannot take it for whole.
  virtual void reset() = 0;
  // Has the downstream gone (connection lost or stream reset)? Waiters get errors as well.
  virtual bool gone() const = 0;
  // Waits until the downstream is gone; for cancelling upstream work.
  virtual io::Task<void> wait_gone() = 0;
};

class ClientStream {
 public:
  virtual ~ClientStream() = default;
  // Interim responses (1xx but 101) first, then the final head.
  virtual io::Task<Result<wire::ResponseHead>> read_head() = 0;
  virtual io::Task<Result<BodyPiece>> read_body() = 0;
  virtual io::Task<Result<void>> send_body(Buffer data) = 0;
  virtual void finish(wire::Fields trailers = {}) = 0;
  virtual void reset() = 0;
  virtual const ConnectionInfo& connection() const = 0;
};

using ServerStreamPtr = std::unique_ptr<ServerStream>;
using ClientStreamPtr = std::unique_ptr<ClientStream>;

}  // namespace weft::http
