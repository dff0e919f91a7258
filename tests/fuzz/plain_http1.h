// A second HTTP/1.x reader, written apart from the product's and on other principles, so that the two do
// not share a mistake: it looks at a whole message at once, splits it at CRLF and refuses everything
// RFC 9112 does not spell out. Slow and simple. Used by the differential fuzzer (what one party forwards,
// the other must read in the same way) and by the runner of the intermediary cases.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::plain {

struct Line {
  std::string name, value;
};

struct Message {
  std::string method, target, version;  // method and target of requests
  int status = 0;                       // of responses
  std::vector<Line> fields, trailers;
  std::string body;
  size_t head_size = 0;  // 0: the head is not complete
  size_t size = 0;       // of the whole message
  bool chunked = false, to_close = false, tunnel = false;

  static bool same_name(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
      auto low = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
      return low(x) == low(y);
    });
  }
  std::vector<std::string> all(std::string_view name) const {
    std::vector<std::string> values;
    for (const Line& line : fields) {
      if (same_name(line.name, name)) values.push_back(line.value);
    }
    return values;
  }
  bool has(std::string_view name) const { return !all(name).empty(); }
  bool interim() const { return status >= 100 && status < 200 && status != 101; }
};

// kWhole: `size` octets of the input are the message. kMore: it is not complete (the head is read when
// head_size is not 0, and `body` holds what has come). kBad: no HTTP/1.x message begins like this.
enum class Read { kWhole, kMore, kBad };

namespace detail {

inline bool token(std::string_view text) {
  if (text.empty()) return false;
  return text.find_first_not_of(
             "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
             "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string_view::npos;
}

inline bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet == '\t' || (octet >= 0x20 && octet != 0x7f);
  });
}

inline bool field(std::string_view line, std::vector<Line>& into) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || !token(line.substr(0, colon))) return false;
  std::string_view value = line.substr(colon + 1);
  const size_t first = value.find_first_not_of(" \t");
  value = first == std::string_view::npos ? std::string_view() : value.substr(first);
  value = value.substr(0, value.find_last_not_of(" \t") + 1);
  if (!printable(value)) return false;
  into.push_back({std::string(line.substr(0, colon)), std::string(value)});
  return true;
}

// Lines from `at` on up to an empty one; moves `at` behind it.
inline Read lines(std::string_view in, size_t& at, std::vector<Line>& into) {
  while (true) {
    const size_t end = in.find("\r\n", at);
    if (end == std::string_view::npos) return Read::kMore;
    const std::string_view line = in.substr(at, end - at);
    at = end + 2;
    if (line.empty()) return Read::kWhole;
    if (!field(line, into)) return Read::kBad;
  }
}

inline Read chunks(std::string_view in, size_t at, Message& m) {
  while (true) {
    const size_t end = in.find("\r\n", at);
    if (end == std::string_view::npos) return Read::kMore;
    std::string_view line = in.substr(at, end - at);
    std::string_view digits = line.substr(0, line.find_first_not_of("0123456789abcdefABCDEF"));
    if (digits.empty() || digits.size() > 16 || !printable(line)) return Read::kBad;
    if (digits.size() < line.size() && line.find_first_of("; \t") != digits.size())
      return Read::kBad;
    const size_t size = std::stoull(std::string(digits), nullptr, 16);
    if (size > SIZE_MAX / 2) return Read::kBad;
    at = end + 2;
    if (size == 0) {
      const Read rest = lines(in, at, m.trailers);
      m.size = at;
      return rest;
    }
    m.body += in.substr(at, size);
    if (in.size() < at + size + 2) return Read::kMore;
    if (in.substr(at + size, 2) != "\r\n") return Read::kBad;
    at += size + 2;
  }
}

inline Read content(std::string_view in, size_t at, bool response, bool ended, Message& m) {
  const std::vector<std::string> sizes = m.all("content-length");
  const std::vector<std::string> codings = m.all("transfer-encoding");
  if (!codings.empty()) {
    if (codings.size() > 1 || !sizes.empty() || !Message::same_name(codings[0], "chunked") ||
        m.version == "HTTP/1.0")
      return Read::kBad;
    m.chunked = true;
    return chunks(in, at, m);
  }
  if (!sizes.empty()) {
    if (sizes.size() > 1 || sizes[0].empty() ||
        sizes[0].find_first_not_of("0123456789") != std::string::npos)
      return Read::kBad;
    const size_t digits =
        sizes[0].size() - std::min(sizes[0].find_first_not_of('0'), sizes[0].size());
    if (digits > 18) return Read::kMore;  // nobody will live to see its end
    const size_t size = std::stoull(sizes[0].substr(sizes[0].size() - digits - (digits == 0)));
    m.body = in.substr(at, size);
    m.size = at + size;
    return in.size() - at < size ? Read::kMore : Read::kWhole;
  }
  m.size = at;
  if (!response) return Read::kWhole;
  m.to_close = true;
  m.body = in.substr(at);
  m.size = in.size();
  return ended ? Read::kWhole : Read::kMore;
}

// The head; `first` is its first line.
inline Read head(std::string_view in, std::string_view& first, Message& m) {
  m = Message();
  const size_t end = in.find("\r\n");
  if (end == std::string_view::npos) return Read::kMore;
  first = in.substr(0, end);
  size_t at = end + 2;
  const Read fields = lines(in, at, m.fields);
  if (fields == Read::kWhole) m.head_size = at;
  return fields;
}

inline bool version(std::string_view text) {
  return text.size() == 8 && text.starts_with("HTTP/1.") && text[7] >= '0' && text[7] <= '9';
}

}  // namespace detail

inline Read read_request(std::string_view in, Message& m) {
  std::string_view line;
  const Read head = detail::head(in, line, m);
  if (head != Read::kWhole) return head;
  const size_t first = line.find(' ');
  const size_t second = line.rfind(' ');
  if (first == std::string_view::npos || first == second) return Read::kBad;
  m.method = line.substr(0, first);
  m.target = line.substr(first + 1, second - first - 1);
  m.version = line.substr(second + 1);
  if (!detail::token(m.method) || !detail::version(m.version) || m.target.empty() ||
      m.target.find_first_of(" \t#\\") != std::string::npos || !detail::printable(m.target))
    return Read::kBad;
  const std::vector<std::string> hosts = m.all("host");
  if (hosts.size() > 1 || (hosts.empty() && m.version != "HTTP/1.0")) return Read::kBad;
  if (m.method == "CONNECT") {
    m.tunnel = true;
    m.size = m.head_size;
    return Read::kWhole;
  }
  return detail::content(in, m.head_size, false, false, m);
}

// `method`: of the request it answers. `ended`: the connection's end follows the input.
inline Read read_response(std::string_view in, std::string_view method, bool ended, Message& m) {
  std::string_view line;
  const Read head = detail::head(in, line, m);
  if (head != Read::kWhole) return head;
  const std::string_view code = line.substr(std::min<size_t>(9, line.size())).substr(0, 3);
  if (line.size() < 12 || !detail::version(line.substr(0, 8)) || line[8] != ' ' ||
      code.find_first_not_of("0123456789") != std::string_view::npos ||
      (line.size() > 12 && line[12] != ' ') || !detail::printable(line))
    return Read::kBad;
  m.version = line.substr(0, 8);
  m.status = std::stoi(std::string(code));
  m.size = m.head_size;
  m.tunnel = m.status == 101 || (method == "CONNECT" && m.status / 100 == 2);
  if (m.status < 200 || m.status == 204 || m.status == 304 || method == "HEAD" || m.tunnel)
    return Read::kWhole;
  return detail::content(in, m.head_size, true, ended, m);
}

}  // namespace weft::plain
