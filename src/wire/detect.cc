// Three recognisers in a row, each of which answers yes, no, or "could still become one"; the first
// yes or maybe wins. Text protocols that resemble HTTP (SMTP, NATS, Redis' inline commands,
// memcached) part from it at the target or at the version, so a request line is believed only with
// its version, or when it is longer than the look.
#include "wire/detect.h"

#include <algorithm>

namespace weft::wire {
namespace {

enum class Fit { kNo, kMaybe, kYes };

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr size_t kMaxMethod = 32;

// Does `text` begin with `pattern` (letters of `pattern` are lower case if case is ignored)?
Fit begins_with(std::string_view text, std::string_view pattern, bool ignore_case = false) {
  const size_t common = std::min(text.size(), pattern.size());
  for (size_t i = 0; i < common; ++i) {
    char c = text[i];
    if (ignore_case && c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    if (c != pattern[i]) return Fit::kNo;
  }
  return common == pattern.size() ? Fit::kYes : Fit::kMaybe;
}

bool is_tchar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").contains(c);
}

bool is_target_char(char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; }

// The first bytes of a request target: origin-form, absolute-form, or the form this method alone
// has.
Fit fits_target(std::string_view target, std::string_view method) {
  if (target.empty()) return Fit::kMaybe;
  if (method == "CONNECT") return target[0] == '/' ? Fit::kNo : Fit::kYes;
  if (target[0] == '/') return Fit::kYes;
  if (target[0] == '*') {
    if (method != "OPTIONS" || target.size() > 1) return Fit::kNo;
    return Fit::kYes;
  }
  const Fit http = begins_with(target, "http://", true);
  return http != Fit::kNo ? http : begins_with(target, "https://", true);
}

// What follows the target: "HTTP/1.x" and the end of the line.
Fit fits_version(std::string_view rest) {
  constexpr std::string_view kVersion = "HTTP/1.";
  const Fit name = begins_with(rest, kVersion);
  if (name != Fit::kYes || rest.size() == kVersion.size()) {
    return name == Fit::kYes ? Fit::kMaybe : name;
  }
  const char minor = rest[kVersion.size()];
  if (minor < '0' || minor > '9') return Fit::kNo;
  return begins_with(rest.substr(kVersion.size() + 1), "\r\n");
}

Fit fits_http1(std::string_view text) {
  const auto method_end = std::ranges::find_if_not(text, is_tchar);
  const std::string_view method(text.begin(), method_end);
  if (method.size() > kMaxMethod) return Fit::kNo;
  if (method_end == text.end()) return Fit::kMaybe;
  if (*method_end != ' ' || method.empty()) return Fit::kNo;
  text.remove_prefix(method.size() + 1);

  const auto target_end = std::ranges::find_if_not(text, is_target_char);
  const std::string_view target(text.begin(), target_end);
  const Fit form = fits_target(target, method);
  if (target_end == text.end()) return form == Fit::kNo ? Fit::kNo : Fit::kMaybe;
  if (form != Fit::kYes || *target_end != ' ') return Fit::kNo;
  return fits_version(text.substr(target.size() + 1));
}

// A record of type handshake, version 3.x, with a ClientHello at its beginning.
Fit fits_tls(std::string_view bytes) {
  constexpr size_t kMaxRecord = (1 << 14) + 2048;
  constexpr size_t kHandshakeHeader = 4;
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  if (!bytes.empty() && byte(0) != 0x16) return Fit::kNo;
  if (bytes.size() > 1 && byte(1) != 3) return Fit::kNo;
  if (bytes.size() > 2 && byte(2) > 4) return Fit::kNo;
  if (bytes.size() < 6) return Fit::kMaybe;
  const size_t length = static_cast<size_t>(byte(3)) << 8 | byte(4);
  return length > kHandshakeHeader && length <= kMaxRecord && byte(5) == 1 ? Fit::kYes : Fit::kNo;
}

}  // namespace

Detected detect(std::string_view first_bytes) {
  const std::string_view bytes = first_bytes.substr(0, kDetectLimit);
  const bool all_we_look_at = bytes.size() == kDetectLimit;
  switch (begins_with(bytes, kPreface)) {
    case Fit::kYes: return Detected::kHttp2;
    case Fit::kMaybe: return Detected::kNeedMore;
    case Fit::kNo: break;
  }
  const Fit tls = fits_tls(bytes);
  if (tls == Fit::kYes) return Detected::kTls;
  const Fit http1 = fits_http1(bytes);
  // Only a long target keeps a request line undecided up to the limit.
  if (http1 == Fit::kYes || (http1 == Fit::kMaybe && all_we_look_at)) return Detected::kHttp1;
  if (tls == Fit::kMaybe || http1 == Fit::kMaybe) return Detected::kNeedMore;
  return Detected::kOpaque;
}

}  // namespace weft::wire
