// gRPC over our own HTTP/2: 5-byte message prefix, grpc-status in trailers, grpc-timeout, trailers-only
// answers (gRPC over HTTP/2 protocol description). Messages are serialized protobuf as strings: this
// module knows no schema. Used for discovery and for whatever a sidecar tells the control plane.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "http/client.h"
#include "http/exchange.h"
#include "http/server.h"

namespace weft::http {

enum class GrpcStatus : uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};
GrpcStatus grpc_status_of(const Error& error);
// HTTP status to gRPC status when a response has no grpc-status (gRPC's mapping table).
GrpcStatus grpc_status_of_http(int http_status);
// The other way, as google.rpc.Code has it: 404 for NOT_FOUND, 499 for CANCELLED.
int http_status_of_grpc(GrpcStatus status);

constexpr size_t kGrpcMessageLimit = 16 * 1024 * 1024;

// The client's end of a call.
class GrpcCall {
 public:
  // Opens the stream; metadata is sent at once.
  static Result<std::unique_ptr<GrpcCall>> open(ClientConnection& connection, std::string_view path,
                                                std::string_view authority);
  ~GrpcCall();
  io::Task<Result<void>> write(std::string message);
  void writes_done();
  // The next message; nothing when the server ended with OK; an error for any other status.
  io::Task<Result<std::optional<std::string>>> read();

 private:
  struct Impl;
  explicit GrpcCall(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

io::Task<Result<std::string>> grpc_unary(io::Loop& loop, ClientConnection& connection,
                                         std::string path, std::string authority,
                                         std::string request, Duration timeout);

// The server's end, made from a ServerStream whose content-type begins with application/grpc.
class GrpcServerCall {
 public:
  explicit GrpcServerCall(ServerStreamPtr stream);
  ~GrpcServerCall();
  std::string_view path() const;  // "/package.Service/Method"
  const ConnectionInfo& connection() const;
  io::Task<Result<std::optional<std::string>>> read();  // nothing = the client is done writing
  io::Task<Result<void>> write(std::string message);
  void finish(GrpcStatus status, std::string_view message = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Message framing, sans I/O: also the target of a fuzzer.
class GrpcFrameReader {
 public:
  // Appends what arrived; afterwards next() yields whole messages.
  void receive(std::string_view bytes) { pending_.append(bytes); }
  Result<std::optional<std::string>> next(size_t limit = kGrpcMessageLimit);
  bool idle() const { return pending_.empty(); }

 private:
  Buffer pending_;
};
std::string grpc_frame(std::string_view message);

}  // namespace weft::http
