// Everything that makes a message malformed is found here, so that no such message reaches anybody. Names
// from HPACK's static table need no check of their octets: most lines of a usual request are spared it.
#include "wire/http2_mapping.h"

#include <array>
#include <utility>

#include "wire/h1_over_h2.h"
#include "wire/http1_syntax.h"
#include "wire/http1_writer.h"

namespace weft::wire {

namespace {

constexpr std::array<bool, 256> make_name_octets() {
  std::array<bool, 256> legal{};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")) {
    legal[static_cast<uint8_t>(c)] = true;
  }
  return legal;
}

// RFC 9113 §8.2.1: a token without capitals.
constexpr std::array<bool, 256> kNameOctets = make_name_octets();
bool is_lower_token(std::string_view name) {
  for (const char c : name) {
    if (!kNameOctets[static_cast<uint8_t>(c)]) return false;
  }
  return !name.empty();
}

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }

bool is_clean_value(std::string_view value) {
  if (value.empty()) return true;
  return !is_blank(value.front()) && !is_blank(value.back()) && is_field_value(value);
}

bool is_scheme(std::string_view scheme) {
  if (scheme.empty() || scheme[0] < 'A' || (scheme[0] | 0x20) > 'z') return false;
  for (const char c : scheme) {
    const bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    if (!letter && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.') return false;
  }
  return true;
}

// RFC 9113 §8.2.2; the name is in lower case.
bool is_connection_specific(std::string_view name, std::string_view value) {
  switch (name.size()) {
    case 2: return name == "te" && value != "trailers";
    case 7: return name == "upgrade";
    case 10: return name == "connection" || name == "keep-alive";
    case 16: return name == "proxy-connection";
    case 17: return name == "transfer-encoding";
    default: return false;
  }
}

// What is not sent on: RFC 9113 §8.2.2, and Host, which :authority replaces. Compares lengths first: most names miss there.
bool stays_behind(std::string_view name, std::string_view value) {
  switch (name.size()) {
    case 2: return equal_ignoring_case(name, "te") && !equal_ignoring_case(value, "trailers");
    case 4: return equal_ignoring_case(name, "host");
    case 7: return equal_ignoring_case(name, "upgrade");
    case 10:
      return equal_ignoring_case(name, "connection") || equal_ignoring_case(name, "keep-alive");
    case 14: return equal_ignoring_case(name, "http2-settings");
    case 16: return equal_ignoring_case(name, "proxy-connection");
    case 17: return equal_ignoring_case(name, "transfer-encoding");
    default: return false;
  }
}

void list_fields(const Fields& fields, const BodyLength& length, std::string_view size,
                 std::vector<Http2Line>& lines) {
  bool framed = length.kind != BodyLength::kSized;
  for (const Fields::Line& line : fields) {
    if (line.name.size() == 14 && equal_ignoring_case(line.name, "content-length")) {
      if (!std::exchange(framed, true)) lines.push_back({line.name, size});
    } else if (!stays_behind(line.name, line.value)) {
      lines.push_back({line.name, line.value});
    }
  }
  if (!framed) lines.push_back({"content-length", size});
}

bool take_length(const Fields& fields, bool end, BodyLength& length) {
  const auto size = fields.get("content-length");
  if (!size) {
    length = {end ? BodyLength::kNone : BodyLength::kStreamed, 0};
    return true;
  }
  const auto value = parse_content_length(*size);
  if (!value || fields.count("content-length") > 1) return false;
  length = {BodyLength::kSized, *value};
  return true;
}

}  // namespace

void Http2Section::begin(Kind kind) {
  kind_ = kind;
  bytes_ = 0;
  too_large_ = false;
  malformed_ = false;
  present_ = 0;
  status_ = 0;
  cookies_ = 0;
  authority_.clear();
  path_.clear();
  scheme_.clear();
  protocol_.clear();
  fields_.clear();
}

void Http2Section::add(std::string_view name, std::string_view value, uint8_t static_name) {
  bytes_ += name.size() + value.size();
  if (bytes_ > max_bytes_ || fields_.size() >= max_lines_) too_large_ = true;
  if (too_large_ || malformed_) return;
  if (name.starts_with(':')) return add_pseudo(name, value);
  if ((static_name == 0 && !is_lower_token(name)) || !is_clean_value(value) ||
      is_connection_specific(name, value)) {
    malformed_ = true;
    return;
  }
  if (name == "cookie") ++cookies_;
  fields_.add(name, value);
}

bool Http2Section::take_pseudo(Pseudo which, std::string& into, std::string_view value) {
  if (has(which)) return false;
  present_ |= which;
  into.assign(value);
  return true;
}

// RFC 9113 §8.3: each at most once, before all other fields, and only in the message it belongs to.
void Http2Section::add_pseudo(std::string_view name, std::string_view value) {
  bool good = false;
  if (!fields_.empty() || kind_ == Kind::kTrailers) {
    good = false;
  } else if (kind_ == Kind::kResponse) {
    good = name == ":status" && !has(kStatus) && value.size() == 3;
    for (size_t i = 0; good && i < 3; ++i) {
      good = value[i] >= '0' && value[i] <= '9';
      status_ = status_ * 10 + (value[i] - '0');
    }
    present_ |= kStatus;
  } else if (name == ":method") {
    good = take_pseudo(kMethod, method_, value);
  } else if (name == ":path") {
    good = take_pseudo(kPath, path_, value);
  } else if (name == ":authority") {
    good = take_pseudo(kAuthority, authority_, value);
  } else if (name == ":scheme") {
    good = take_pseudo(kScheme, scheme_, value);
  } else if (name == ":protocol") {
    good = take_pseudo(kProtocol, protocol_, value);
  }
  malformed_ = !good;
}

// RFC 9113 §8.3.1 and §8.5, RFC 8441 §4.
bool Http2Section::check_target(bool extended_connect) const {
  if (!has(kMethod) || !is_token(method_) || !is_host(authority_)) return false;
  const bool connect = method_ == "CONNECT";
  if (connect && !has(kProtocol)) {
    return (present_ & (kScheme | kPath)) == 0 && !authority_.empty();
  }
  if (has(kProtocol) && (!connect || !extended_connect || !is_token(protocol_))) return false;
  if (!has(kScheme | kPath) || !is_scheme(scheme_)) return false;
  if (!has(kAuthority) && (connect || !fields_.has("host"))) return false;
  return is_origin_form(path_) || (path_ == "*" && method_ == "OPTIONS");
}

// Host gives way to :authority.
bool Http2Section::settle_authority() {
  const auto host = fields_.get("host");
  if (!host) return true;
  if (fields_.count("host") > 1 || !is_host(*host)) return false;
  if (authority_.empty()) authority_.assign(*host);
  // Two names for one request is how one is smuggled past a rule (RFC 9113 §8.3.1).
  if (!equal_ignoring_case(*host, authority_)) return false;
  fields_.remove("host");
  return true;
}

// RFC 9113 §8.2.3: HTTP/2 may cut a Cookie into crumbs, nothing else may. What an HTTP/1.x app sent in several
// lines crosses the hop as it is.
void Http2Section::join_cookies() {
  if (cookies_ < 2 || carries_http1(fields_)) return;
  std::string joined;
  for (const Fields::Line& line : fields_) {
    if (line.name != "cookie") continue;
    if (!joined.empty()) joined += "; ";
    joined += line.value;
  }
  fields_.set("cookie", joined);
}

bool Http2Section::take_request(RequestHead& head, bool end, bool extended_connect) {
  if (malformed_ || !check_target(extended_connect) || !settle_authority()) return false;
  join_cookies();
  head.method = std::move(method_);
  head.scheme = std::move(scheme_);
  head.authority = std::move(authority_);
  head.target = std::move(path_);
  head.protocol = std::move(protocol_);
  head.version = Version::kHttp2;
  head.fields = std::move(fields_);
  if (!take_length(head.fields, end, head.length)) return false;
  if (head.method == "CONNECT") {
    head.length = {BodyLength::kTunnel, 0};
  } else if (end && head.length.kind == BodyLength::kSized && head.length.size > 0) {
    return false;
  }
  return true;
}

// RFC 9110 §8.6: no Content-Length in 1xx and 204, nor where a tunnel begins; a zero does no harm there.
bool Http2Section::take_response(ResponseHead& head, bool end, bool to_connect) {
  if (malformed_ || status_ < 100 || status_ > 599 || status_ == 101) return false;
  head.status = status_;
  head.version = Version::kHttp2;
  head.fields = std::move(fields_);
  if (!take_length(head.fields, end, head.length)) return false;
  if (head.interim()) return !end && head.length.kind != BodyLength::kSized;
  const bool tunnel = to_connect && status_ / 100 == 2;
  if (status_ != 204 && !tunnel) return true;
  if (head.length.kind == BodyLength::kSized) {
    if (!tunnel && head.length.size > 0) return false;
    head.fields.remove("content-length");
    head.length = {end ? BodyLength::kNone : BodyLength::kStreamed, 0};
  }
  if (tunnel) head.length = {BodyLength::kTunnel, 0};
  return true;
}

bool Http2Section::take_trailers(Fields& trailers) {
  trailers = std::move(fields_);
  return !malformed_;
}

void list_request(const RequestHead& head, std::vector<Http2Line>& lines, std::string& scratch) {
  lines.push_back({":method", head.method});
  if (!head.protocol.empty()) lines.push_back({":protocol", head.protocol});
  if (head.method != "CONNECT" || !head.protocol.empty()) {
    lines.push_back({":scheme", head.scheme});
    lines.push_back({":path", head.target});
  }
  lines.push_back({":authority", head.authority});
  scratch = std::to_string(head.length.size);
  list_fields(head.fields, head.length, scratch, lines);
}

void list_response(const ResponseHead& head, std::vector<Http2Line>& lines, std::string& scratch) {
  scratch = std::to_string(head.length.size);
  scratch += std::to_string(head.status);
  const std::string_view text = scratch;
  lines.push_back({":status", text.substr(text.size() - 3)});
  BodyLength length = head.length;
  if (head.status < 200 || head.status == 204) length = {};
  list_fields(head.fields, length, text.substr(0, text.size() - 3), lines);
}

void list_trailers(const Fields& trailers, std::vector<Http2Line>& lines) {
  for (const Fields::Line& line : trailers) {
    if (!forbidden_in_trailers(line.name)) lines.push_back({line.name, line.value});
  }
}

}  // namespace weft::wire
