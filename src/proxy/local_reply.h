// Answers a sidecar gives by itself. HTTP callers get a status and one line of plain text that says what
// failed; gRPC callers get a gRPC status in a trailers-only answer.
#pragma once

#include <optional>
#include <string>

#include "http/exchange.h"
#include "http/grpc.h"
#include "io/task.h"
#include "model/policy.h"
#include "wire/message.h"

namespace weft::proxy {

struct LocalReply {
  int status = 503;
  std::string text;   // "weft: no instance of cart.default is ready"
  const char* flags;  // for the access log, telemetry/access_log.h
  // What gRPC callers get if not what follows from `status`.
  std::optional<http::GrpcStatus> grpc_status{};
  bool later = false;         // the caller may come again: Retry-After
  std::string location = {};  // of a redirect
  // Further fields of the answer: for all callers, for those of gRPC only.
  wire::Fields fields = {}, grpc_fields = {};
  http::GrpcStatus grpc() const;
};

// The answer to a request that comes while the sidecar has too much of `cause`.
LocalReply overloaded_reply(std::string_view cause);

// `unprocessed`: tells the calling sidecar that the request never reached the app, and why (hop only):
// kRefused or kOverloaded.
io::Task<void> send_reply(http::ServerStream& down, LocalReply reply,
                          std::string_view unprocessed = {});

// What stands in place of a backend's answer when the fault aborts a request, if it does not reset it.
LocalReply abort_reply(const model::Fault& fault);

// What a failed attempt becomes.
LocalReply reply_for(const Error& error, std::string_view what);

// On the hop between sidecars: the request never reached the app, it may be tried elsewhere.
inline constexpr std::string_view kUnprocessedField = "weft-unprocessed";
inline constexpr std::string_view kRefused = "1";            // the app does not accept
inline constexpr std::string_view kOverloaded = "overload";  // its sidecar sheds load

}  // namespace weft::proxy
