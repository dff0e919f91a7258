// One request on its way through HttpPath: what is known of it so far, and what was decided. Only for the
// path's own files; lives in the frame of HttpPath::serve.
#pragma once

#include <memory>
#include <optional>

#include "http/client.h"
#include "proxy/balancer.h"
#include "proxy/forwarder.h"
#include "proxy/http_path.h"
#include "proxy/local_reply.h"
#include "proxy/record.h"
#include "steer/retry.h"
#include "steer/session.h"

namespace weft::proxy {

inline bool is_http1(wire::Version version) { return version != wire::Version::kHttp2; }

struct HttpPath::Request {
  Request(Worker& worker, http::ServerStreamPtr stream, Destination to);

  http::ServerStreamPtr down;
  Destination destination;
  bool tunnel;
  bool own_hop;  // a tunnel of HTTP/1.1 needs a connection for itself
  // Outlive the forwarder's exchange on them: what it queued last still goes out.
  UpstreamPtr upstream;
  CountedConnection own_counted;                           // counts the next
  std::unique_ptr<http::ClientConnection> own_connection;  // of an upgrade
  Forwarder forwarder;
  Instant start;
  Record log;
  bool grpc = false;
  bool to_http2 = false;   // came in HTTP/1.x, and the backend is declared to speak HTTP/2
  bool forgotten = false;  // the service is not held (any more)
  bool encoded = false;    // the head has the form of the hop

  std::shared_ptr<const CompiledRule> rule;             // null: no route, the service itself
  const model::Backend* backend = nullptr;              // of the rule
  steer::Injection injection;                           // what a FaultPolicy breaks of it
  const model::SessionPersistence* sessions = nullptr;  // of the rule, or of the Service (`terms`)
  std::optional<steer::SessionToken> session;           // the client's, of these and not over
  const model::Cors* cors = nullptr;                    // of the rule; marks the answer
  std::string origin;                                   // that it is marked for
  MirrorCopies copies;                                  // that are still to be sent
  std::optional<Instant> deadline;
  std::optional<Instant> callers_deadline;  // as grpc-timeout said
  // The backend's, and what its policies say: of the moment the request was admitted, for all its tries.
  std::shared_ptr<const EndpointGroup> terms;
  const model::Said<model::CircuitBreaker>* breaker = nullptr;
  const model::OutlierDetection* outliers = nullptr;
  std::optional<UpstreamTerms> connections;
  std::optional<io::Tally> in_hand;  // counts for the breaker
  steer::RetryState retry;

  std::optional<uint64_t> key;  // of what a hashing policy tells requests apart by
  std::string new_cookie;       // Set-Cookie for a client that had none to hash by
  Tried tried;
  Instant sent;          // of the present try
  SnapshotPtr snapshot;  // of the present try; holds what the pointers below point into
  std::shared_ptr<const EndpointGroup> group;
  const LiveEndpoint* endpoint = nullptr;
  uint16_t app_port = 0;
  std::optional<steer::InFlight> in_flight;
  std::optional<LocalReply> reply;  // we answer ourselves
};

}  // namespace weft::proxy
