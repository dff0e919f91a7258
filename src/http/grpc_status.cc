// The tables between three worlds: our error kinds, gRPC's codes and HTTP's statuses.
#include "http/grpc_status.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/text.h"

namespace weft::http {

GrpcStatus grpc_status_of(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::kInvalid: return GrpcStatus::kInvalidArgument;
    case ErrorKind::kNotFound: return GrpcStatus::kNotFound;
    case ErrorKind::kConflict: return GrpcStatus::kAborted;
    case ErrorKind::kUnauthenticated: return GrpcStatus::kUnauthenticated;
    case ErrorKind::kDenied: return GrpcStatus::kPermissionDenied;
    case ErrorKind::kRefused:
    case ErrorKind::kUnavailable:
    case ErrorKind::kReset:
    case ErrorKind::kClosed: return GrpcStatus::kUnavailable;
    case ErrorKind::kTimeout: return GrpcStatus::kDeadlineExceeded;
    case ErrorKind::kLimit: return GrpcStatus::kResourceExhausted;
    case ErrorKind::kUnsupported: return GrpcStatus::kUnimplemented;
    case ErrorKind::kCancelled: return GrpcStatus::kCancelled;
    case ErrorKind::kProtocol:
    case ErrorKind::kIo:
    case ErrorKind::kInternal: return GrpcStatus::kInternal;
  }
  return GrpcStatus::kUnknown;
}

GrpcStatus grpc_status_of_http(int http_status) {
  switch (http_status) {
    case 400: return GrpcStatus::kInternal;
    case 401: return GrpcStatus::kUnauthenticated;
    case 403: return GrpcStatus::kPermissionDenied;
    case 404: return GrpcStatus::kUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504: return GrpcStatus::kUnavailable;
    default: return GrpcStatus::kUnknown;
  }
}

int http_status_of_grpc(GrpcStatus status) {
  switch (status) {
    case GrpcStatus::kOk: return 200;
    case GrpcStatus::kCancelled: return 499;
    case GrpcStatus::kInvalidArgument:
    case GrpcStatus::kFailedPrecondition:
    case GrpcStatus::kOutOfRange: return 400;
    case GrpcStatus::kDeadlineExceeded: return 504;
    case GrpcStatus::kNotFound: return 404;
    case GrpcStatus::kAlreadyExists:
    case GrpcStatus::kAborted: return 409;
    case GrpcStatus::kPermissionDenied: return 403;
    case GrpcStatus::kUnauthenticated: return 401;
    case GrpcStatus::kResourceExhausted: return 429;
    case GrpcStatus::kUnimplemented: return 501;
    case GrpcStatus::kUnavailable: return 503;
    default: return 500;
  }
}

namespace {

ErrorKind kind_of(GrpcStatus status) {
  switch (status) {
    case GrpcStatus::kCancelled: return ErrorKind::kCancelled;
    case GrpcStatus::kInvalidArgument:
    case GrpcStatus::kOutOfRange: return ErrorKind::kInvalid;
    case GrpcStatus::kDeadlineExceeded: return ErrorKind::kTimeout;
    case GrpcStatus::kNotFound: return ErrorKind::kNotFound;
    case GrpcStatus::kAlreadyExists:
    case GrpcStatus::kFailedPrecondition:
    case GrpcStatus::kAborted: return ErrorKind::kConflict;
    case GrpcStatus::kPermissionDenied: return ErrorKind::kDenied;
    case GrpcStatus::kResourceExhausted: return ErrorKind::kLimit;
    case GrpcStatus::kUnimplemented: return ErrorKind::kUnsupported;
    case GrpcStatus::kUnavailable: return ErrorKind::kUnavailable;
    case GrpcStatus::kUnauthenticated: return ErrorKind::kUnauthenticated;
    default: return ErrorKind::kInternal;
  }
}

constexpr const char* kNames[] = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Error error_of_grpc(GrpcStatus status, std::string_view message) {
  std::string text(message);
  if (const auto number = static_cast<size_t>(status); text.empty())
    text = "gRPC status " + std::to_string(number) + " (" + kNames[number] + ")";
  return Error(kind_of(status), std::move(text), ErrorSource::kUpstream);
}

std::optional<Duration> parse_grpc_timeout(std::string_view text) {
  if (text.size() < 2 || text.size() > 9) return std::nullopt;
  std::optional<uint64_t> value = parse_u64(text.substr(0, text.size() - 1));
  if (!value) return std::nullopt;
  int64_t unit = 0;
  switch (text.back()) {
    case 'H': unit = Duration::hours(1).ns; break;
    case 'M': unit = Duration::minutes(1).ns; break;
    case 'S': unit = Duration::seconds(1).ns; break;
    case 'm': unit = Duration::millis(1).ns; break;
    case 'u': unit = Duration::micros(1).ns; break;
    case 'n': unit = 1; break;
    default: return std::nullopt;
  }
  if (*value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max() / unit))
    return std::nullopt;
  return Duration{static_cast<int64_t>(*value) * unit};
}

std::string format_grpc_timeout(Duration timeout) {
  constexpr int64_t kMost = 99'999'999;
  struct Unit {
    int64_t ns;
    char letter;
  };
  constexpr Unit kUnits[] = {{1, 'n'},
                             {Duration::micros(1).ns, 'u'},
                             {Duration::millis(1).ns, 'm'},
                             {Duration::seconds(1).ns, 'S'},
                             {Duration::minutes(1).ns, 'M'}};
  const int64_t left = std::max<int64_t>(timeout.ns, 0);
  for (const Unit& unit : kUnits) {
    if (left / unit.ns <= kMost) return std::to_string(left / unit.ns) + unit.letter;
  }
  return std::to_string(left / Duration::hours(1).ns) + 'H';
}

std::string percent_encode_message(std::string_view message) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte <= 0x7e && c != '%') {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

std::string percent_decode_message(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
        hex_value(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];  // a broken escape is kept as it stands, as gRPC asks
    }
  }
  return out;
}

void add_grpc_status(wire::Fields& fields, GrpcStatus status, std::string_view message) {
  fields.add("grpc-status", std::to_string(static_cast<int>(status)));
  if (!message.empty()) fields.add("grpc-message", percent_encode_message(message));
}

Result<> grpc_result(const wire::Fields& trailers) {
  const auto status = trailers.get("grpc-status");
  const auto code = status ? parse_u64(*status) : std::nullopt;
  if (!code || *code > 16) {
    return fail(ErrorKind::kProtocol, "the answer ended without a gRPC status",
                ErrorSource::kUpstream);
  }
  if (*code == 0) return {};
  const auto message = trailers.get("grpc-message");
  return std::unexpected(error_of_grpc(static_cast<GrpcStatus>(*code),
                                       message ? percent_decode_message(*message) : std::string()));
}

}  // namespace weft::http
