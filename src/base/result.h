// Result<T>: what every fallible function of Weft returns instead of throwing. The error knows what
// kind it is, whose fault it was and whether the same request may safely be tried again, so policy,
// HTTP status, metric label and log text all follow from one value.
//
// Cost: an Error is one pointer; nothing is allocated unless something failed. libstdc++ 12 has
// std::expected without its monadic members: return early instead
//   auto conn = connect(...);
//   if (!conn) return std::unexpected(std::move(conn.error()).context("dialling cart"));
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace weft {

enum class ErrorKind : uint8_t {
  kInvalid,  // malformed input: a peer's bytes, a file, a YAML field
  kNotFound,
  kConflict,         // the state moved on, or the name is taken
  kUnauthenticated,  // no or no acceptable proof of identity
  kDenied,           // identity known, not allowed
  kRefused,          // connection refused: nothing of the request was seen
  kUnavailable,      // nobody to serve it now
  kTimeout,
  kReset,     // the peer cut the connection or stream
  kClosed,    // orderly end where more was needed
  kProtocol,  // the peer broke the protocol
  kLimit,     // a bound of ours was reached
  kUnsupported,
  kCancelled,  // we were told to stop
  kIo,         // disk, socket or kernel said no
  kInternal,   // our own bug
};

enum class ErrorSource : uint8_t { kInternal, kDownstream, kUpstream };

// May the same request be sent again, elsewhere?
enum class Retry : uint8_t {
  kNo,          // it may have been processed
  kYes,         // provably never processed
  kIdempotent,  // only if the method is idempotent (e.g. a reused connection closed under it)
};

std::string_view to_string(ErrorKind kind);
std::string_view to_string(ErrorSource source);

// Value type, one pointer wide, copyable (a copy allocates).
class [[nodiscard]] Error {
 public:
  Error(ErrorKind kind, std::string message, ErrorSource source = ErrorSource::kInternal,
        Retry retry = Retry::kNo);
  Error(const Error& other);
  Error(Error&&) noexcept;
  Error& operator=(const Error& other);
  Error& operator=(Error&&) noexcept;
  ~Error();

  ErrorKind kind() const;
  ErrorSource source() const;
  Retry retry() const;
  // What failed, where, the likely cause and the fix, outermost context first:
  // "dialling cart at 127.0.0.1:9000: connection refused".
  const std::string& message() const;

  // Puts "where: " before the message.
  Error&& context(std::string_view where) &&;
  Error&& with_source(ErrorSource source) &&;
  Error&& with_retry(Retry retry) &&;

  // From an errno value: maps ECONNREFUSED to kRefused (retry kYes), ECONNRESET to kReset and so on.
  static Error from_errno(int errno_value, std::string_view what,
                          ErrorSource source = ErrorSource::kInternal);

 private:
  struct Detail;
  std::unique_ptr<Detail> detail_;
};

template <typename T = void>
using Result = std::expected<T, Error>;

// Shorthand for `return std::unexpected(Error(...))`.
inline std::unexpected<Error> fail(ErrorKind kind, std::string message,
                                   ErrorSource source = ErrorSource::kInternal,
                                   Retry retry = Retry::kNo) {
  return std::unexpected(Error(kind, std::move(message), source, retry));
}

}  // namespace weft
