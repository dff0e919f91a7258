// Error's storage. One heap object per error keeps Result<T> small on the paths where nothing fails;
// an error path may well pay for an allocation.
#include "base/result.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace weft {

struct Error::Detail {
  ErrorKind kind;
  ErrorSource source;
  Retry retry;
  std::string message;
};

Error::Error(ErrorKind kind, std::string message, ErrorSource source, Retry retry)
    : detail_(std::make_unique<Detail>(Detail{kind, source, retry, std::move(message)})) {}
Error::Error(const Error& other) : detail_(std::make_unique<Detail>(*other.detail_)) {}
Error& Error::operator=(const Error& other) {
  if (this != &other) detail_ = std::make_unique<Detail>(*other.detail_);
  return *this;
}
Error::Error(Error&&) noexcept = default;
Error& Error::operator=(Error&&) noexcept = default;
Error::~Error() = default;

ErrorKind Error::kind() const { return detail_->kind; }
ErrorSource Error::source() const { return detail_->source; }
Retry Error::retry() const { return detail_->retry; }
const std::string& Error::message() const { return detail_->message; }

Error&& Error::context(std::string_view where) && {
  detail_->message.insert(0, std::string(where) + ": ");
  return std::move(*this);
}
Error&& Error::with_source(ErrorSource source) && {
  detail_->source = source;
  return std::move(*this);
}
Error&& Error::with_retry(Retry retry) && {
  detail_->retry = retry;
  return std::move(*this);
}

namespace {

ErrorKind kind_of_errno(int value) {
  switch (value) {
    case ECONNREFUSED: return ErrorKind::kRefused;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE: return ErrorKind::kReset;
    case ETIMEDOUT: return ErrorKind::kTimeout;
    case EACCES:
    case EPERM: return ErrorKind::kDenied;
    case ENOENT: return ErrorKind::kNotFound;
    case EEXIST:
    case EADDRINUSE: return ErrorKind::kConflict;
    case EINVAL: return ErrorKind::kInvalid;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS: return ErrorKind::kLimit;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN: return ErrorKind::kUnavailable;
    default: return ErrorKind::kIo;
  }
}

}  // namespace

Error Error::from_errno(int errno_value, std::string_view what, ErrorSource source) {
  const ErrorKind kind = kind_of_errno(errno_value);
  // Nobody accepted a byte: the request was provably never processed.
  const bool untouched = kind == ErrorKind::kRefused || kind == ErrorKind::kUnavailable;
  std::string text(what);
  text += ": ";
  text += std::strerror(errno_value);
  return Error(kind, std::move(text), source, untouched ? Retry::kYes : Retry::kNo);
}

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalid: return "invalid";
    case ErrorKind::kNotFound: return "not found";
    case ErrorKind::kConflict: return "conflict";
    case ErrorKind::kUnauthenticated: return "unauthenticated";
    case ErrorKind::kDenied: return "denied";
    case ErrorKind::kRefused: return "refused";
    case ErrorKind::kUnavailable: return "unavailable";
    case ErrorKind::kTimeout: return "timeout";
    case ErrorKind::kReset: return "reset";
    case ErrorKind::kClosed: return "closed";
    case ErrorKind::kProtocol: return "protocol error";
    case ErrorKind::kLimit: return "limit reached";
    case ErrorKind::kUnsupported: return "unsupported";
    case ErrorKind::kCancelled: return "cancelled";
    case ErrorKind::kIo: return "i/o error";
    case ErrorKind::kInternal: return "internal error";
  }
  return "unknown";
}

std::string_view to_string(ErrorSource source) {
  switch (source) {
    case ErrorSource::kInternal: return "internal";
    case ErrorSource::kDownstream: return "downstream";
    case ErrorSource::kUpstream: return "upstream";
  }
  return "unknown";
}

}  // namespace weft
