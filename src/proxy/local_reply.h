// Answers a sidecar gives by itself. HTTP callers get a status and one line of plain text that says what
// failed; gRPC callers get a gRPC status in a trailers-only answer.
#pragma once

#include <optional>
#include <string>

#include "http/exchange.h"
#include "http/grpc.h"
#include "io/task.h"

namespace weft::proxy {

struct LocalReply {
  int status = 503;
  std::string text;   // "weft: no instance of cart.default is ready"
  const char* flags;  // for the access log, telemetry/access_log.h
  // What gRPC callers get if not what follows from `status`.
  std::optional<http::GrpcStatus> grpc_status{};
  http::GrpcStatus grpc() const;
};

// `unprocessed`: tells the calling sidecar that the request never reached the app (hop only).
io::Task<void> send_reply(http::ServerStream& down, LocalReply reply, bool unprocessed = false);

// What a failed attempt becomes.
LocalReply reply_for(const Error& error, std::string_view what);

// On the hop between sidecars: the request never reached the app, it may be tried elsewhere.
inline constexpr std::string_view kUnprocessedField = "weft-unprocessed";

}  // namespace weft::proxy
