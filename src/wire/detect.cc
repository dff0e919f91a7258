// Three recognisers in a row, each of which answers yes, no, or "could still become one"; the first
// yes or maybe wins. Text protocols that resemble HTTP (SMTP, NATS, Redis' inline commands,
// memcached) part from it at the target or at the version, so a request line is believed only with
// its version, or when it is longer than the look.
#include "wire/detect.h"

#include <algorithm>
#include <optional>

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

// Reads big-endian numbers and counted fields; `short_` once something was missing.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  bool ran_short() const { return short_; }
  bool empty() const { return bytes_.empty(); }
  size_t number(size_t width) {
    size_t value = 0;
    for (const char c : take(width)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  std::string_view take(size_t size) {
    if (size > bytes_.size()) short_ = true;
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view bytes_;
  bool short_ = false;
};

// RFC 6066: the list has one name of type host_name. Anything unusual counts as no name.
std::string name_of_extension(std::string_view extension) {
  Reader list(extension);
  list.number(2);
  const size_t type = list.number(1);
  std::string name(list.take(list.number(2)));
  if (list.ran_short() || type != 0 || name.size() > 255) return {};
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    const bool good =
        (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
    if (!good) return {};
  }
  return name;
}

// The name in a ClientHello's body; nothing while its bytes are not all there.
std::optional<std::string> server_name(std::string_view hello) {
  constexpr size_t kVersionAndRandom = 2 + 32;
  constexpr size_t kServerName = 0;
  Reader reader(hello);
  reader.take(kVersionAndRandom);
  reader.take(reader.number(1));  // session id
  reader.take(reader.number(2));  // cipher suites
  reader.take(reader.number(1));  // compression methods
  reader.number(2);               // length of the extensions: the record's end bounds them as well
  while (!reader.ran_short() && !reader.empty()) {
    const size_t type = reader.number(2);
    const std::string_view extension = reader.take(reader.number(2));
    if (!reader.ran_short() && type == kServerName) return name_of_extension(extension);
  }
  if (reader.ran_short()) return std::nullopt;
  return std::string();
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

Detection judge_tls(std::string_view bytes, bool all_we_look_at) {
  constexpr size_t kRecordHeader = 5, kHandshakeHeader = 4;
  const size_t length = static_cast<size_t>(static_cast<unsigned char>(bytes[3])) << 8 |
                        static_cast<unsigned char>(bytes[4]);
  const std::string_view record = bytes.substr(kRecordHeader, length);
  if (record.size() >= kHandshakeHeader) {
    if (auto name = server_name(record.substr(kHandshakeHeader))) {
      // With the record incomplete, "no name" means only that none has come yet.
      if (!name->empty() || record.size() == length) return {Detected::kTls, std::move(*name)};
    }
  }
  if (all_we_look_at || record.size() == length) return {Detected::kTls, {}};
  return {};
}

}  // namespace

Detection detect(std::string_view first_bytes) {
  const std::string_view bytes = first_bytes.substr(0, kDetectLimit);
  const bool all_we_look_at = bytes.size() == kDetectLimit;
  switch (begins_with(bytes, kPreface)) {
    case Fit::kYes: return {Detected::kHttp2, {}};
    case Fit::kMaybe: return {};
    case Fit::kNo: break;
  }
  const Fit tls = fits_tls(bytes);
  if (tls == Fit::kYes) return judge_tls(bytes, all_we_look_at);
  const Fit http1 = fits_http1(bytes);
  // Only a long target keeps a request line undecided up to the limit.
  if (http1 == Fit::kYes || (http1 == Fit::kMaybe && all_we_look_at)) return {Detected::kHttp1, {}};
  if (tls == Fit::kMaybe || http1 == Fit::kMaybe) return {};
  return {Detected::kOpaque, {}};
}

}  // namespace weft::wire
