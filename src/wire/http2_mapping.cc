// The framing library has already refused upper-case names, misplaced or repeated pseudo-header fields,
// connection-specific fields and malformed values; here come the rules about what they mean together.
#include "wire/http2_mapping.h"

#include <utility>

#include "wire/http1_syntax.h"
#include "wire/http1_writer.h"

namespace weft::wire {

namespace {

// RFC 9113 §8.2.2, and Host, which :authority replaces. Compares lengths first: most names miss there.
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

void Http2Section::add(std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size();
  if (bytes_ > max_bytes_ || fields_.size() >= max_lines_) too_large_ = true;
  if (too_large_) return;
  if (name.starts_with(':')) {
    add_pseudo(name, value);
  } else {
    fields_.add(name, value);
  }
}

void Http2Section::add_pseudo(std::string_view name, std::string_view value) {
  if (name == ":method") {
    method_.assign(value);
  } else if (name == ":path") {
    path_.assign(value);
  } else if (name == ":authority") {
    authority_.assign(value);
  } else if (name == ":scheme") {
    scheme_.assign(value);
  } else if (name == ":status" && value.size() == 3) {
    status_ = (value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0');
  }
}

bool Http2Section::take_request(RequestHead& head, bool end) {
  if (!is_token(method_) || !is_host(authority_)) return false;
  const auto host = fields_.get("host");
  if (host) {
    if (fields_.count("host") > 1 || !is_host(*host)) return false;
    if (authority_.empty()) authority_.assign(*host);
    // Two names for one request is how one is smuggled past a rule (RFC 9113 §8.3.1).
    if (!equal_ignoring_case(*host, authority_)) return false;
    fields_.remove("host");
  }
  const bool connect = method_ == "CONNECT";
  const bool star = path_ == "*" && method_ == "OPTIONS";
  if (!connect && !star && !is_origin_form(path_)) return false;
  head.method = std::move(method_);
  head.scheme = std::move(scheme_);
  head.authority = std::move(authority_);
  head.target = std::move(path_);
  head.version = Version::kHttp2;
  head.fields = std::move(fields_);
  if (!take_length(head.fields, end, head.length)) return false;
  if (connect) head.length = {BodyLength::kTunnel, 0};
  return true;
}

bool Http2Section::take_response(ResponseHead& head, bool end) {
  if (status_ < 100 || status_ > 599 || status_ == 101) return false;
  head.status = status_;
  head.version = Version::kHttp2;
  head.fields = std::move(fields_);
  return take_length(head.fields, end, head.length);
}

void Http2Section::clear() {
  bytes_ = 0;
  too_large_ = false;
  status_ = 0;
  method_.clear();
  scheme_.clear();
  authority_.clear();
  path_.clear();
  fields_.clear();
}

void list_request(const RequestHead& head, std::vector<Http2Line>& lines, std::string& scratch) {
  lines.push_back({":method", head.method});
  if (head.method != "CONNECT") {
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
