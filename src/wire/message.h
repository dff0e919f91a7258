// HTTP messages as Weft sees them, whatever version carried them: RFC 9110 semantics, plus what an
// HTTP/1.1 sender would notice if it got lost (order and letter case of field lines, reason phrase,
// the target's form). Plain values; sizes are bounded by the codecs that fill them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::wire {

// Field lines in the order they came, names as they were written. Lookup ignores case. A handful of
// lines is the normal case, so lookup is a scan; costs one allocation for the vector and one per long
// string.
class Fields {
 public:
  struct Line {
    std::string name;
    std::string value;
  };

  void add(std::string_view name, std::string_view value);
  // Replaces the first line of that name (in its place) and removes the others; adds when absent.
  void set(std::string_view name, std::string_view value);
  // Removes all lines of that name; returns how many.
  size_t remove(std::string_view name);
  // First line's value, or nothing.
  std::optional<std::string_view> get(std::string_view name) const;
  bool has(std::string_view name) const { return get(name).has_value(); }
  size_t count(std::string_view name) const;
  // True when a comma-separated list field (all its lines) has this member, case ignored.
  bool has_token(std::string_view name, std::string_view token) const;

  size_t size() const { return lines_.size(); }
  bool empty() const { return lines_.empty(); }
  void clear() { lines_.clear(); }
  auto begin() const { return lines_.begin(); }
  auto end() const { return lines_.end(); }
  auto begin() { return lines_.begin(); }
  auto end() { return lines_.end(); }
  std::vector<Line>& lines() { return lines_; }
  const std::vector<Line>& lines() const { return lines_; }

 private:
  std::vector<Line> lines_;
};

// ASCII case-insensitive comparison, as field names want it.
bool equal_ignoring_case(std::string_view a, std::string_view b);
// Does a comma-separated list have this member, case ignored?
bool list_has_token(std::string_view list, std::string_view token);

enum class Version : uint8_t { kHttp10, kHttp11, kHttp2 };

// How long the content is, as framed by the sender. For answers without content (to HEAD, or 304) it
// is what was announced.
struct BodyLength {
  enum Kind : uint8_t {
    kNone,      // no content at all
    kSized,     // `size` octets announced
    kStreamed,  // chunked, or HTTP/2 without content-length
    kToClose,   // HTTP/1.0-style response until the connection ends
    kTunnel,    // after 101 or 2xx to CONNECT: bytes both ways
  } kind = kNone;
  uint64_t size = 0;
};

struct RequestHead {
  std::string method;
  // origin-form, "*", or empty for CONNECT: path and query exactly as sent.
  std::string target;
  // Host field or :authority or the authority of an absolute-form target; may be empty (HTTP/1.0).
  std::string authority;
  std::string scheme = "http";
  Version version = Version::kHttp11;
  bool absolute_form = false;  // the client wrote an absolute target (it talks to a proxy)
  // Extended CONNECT (RFC 8441) only.
  std::string protocol;
  // All field lines incl. Host for HTTP/1.x, in order; framing fields (Content-Length,
  // Transfer-Encoding) as received. Codecs regenerate framing from `length` when sending.
  Fields fields;
  BodyLength length;
};

struct ResponseHead {
  int status = 200;
  std::string reason;  // HTTP/1.x only; empty = the standard phrase when sent over HTTP/1.1
  // `reason` came from an HTTP/1.x sender and goes out as it is, even when empty.
  bool exact_reason = false;
  Version version = Version::kHttp11;
  Fields fields;
  BodyLength length;

  bool interim() const { return status < 200 && status != 101; }
};

// The standard phrase for a status code, or "".
std::string_view reason_phrase(int status);

}  // namespace weft::wire
