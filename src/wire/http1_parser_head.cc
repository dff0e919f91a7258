// The half of the parser that gives heads their meaning: start lines, the request target's forms, Host
// and message framing (RFC 9112 §3, §4, §6). Framing is where requests are smuggled, so every
// irregularity is an error here even where the RFC would let a recipient repair it.
#include <algorithm>
#include <string>

#include "wire/http1_parser.h"
#include "wire/http1_syntax.h"

namespace weft::wire {

namespace {

// HTTP-version: "HTTP/" DIGIT "." DIGIT, upper case. 0: malformed; 505: another major version.
int parse_version(std::string_view text, Version& version) {
  auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.size() != 8 || !text.starts_with("HTTP/") || !digit(text[5]) || text[6] != '.' ||
      !digit(text[7])) {
    return 0;
  }
  if (text[5] != '1') return 505;
  version = text[7] == '0' ? Version::kHttp10 : Version::kHttp11;
  return 200;
}

bool has_port(std::string_view authority) {
  const size_t colon = authority.rfind(':');
  return colon != std::string_view::npos && colon + 1 < authority.size() && authority.back() != ']';
}

// absolute-form: http(s)://host[:port][/path][?query]; nothing else is proxied.
bool take_absolute_form(std::string_view target, RequestHead& head) {
  const size_t colon = target.find("://");
  if (colon == std::string_view::npos) return false;
  const std::string_view scheme = target.substr(0, colon);
  if (equal_ignoring_case(scheme, "http")) {
    head.scheme = "http";
  } else if (equal_ignoring_case(scheme, "https")) {
    head.scheme = "https";
  } else {
    return false;
  }
  const std::string_view rest = target.substr(colon + 3);
  const size_t end = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, end);
  if (authority.empty() || !is_host(authority)) return false;
  head.authority.assign(authority);
  head.absolute_form = true;
  if (end == rest.size()) {
    head.target = head.method == "OPTIONS" ? "*" : "/";  // RFC 9112 §3.2.4
    return true;
  }
  head.target = rest[end] == '?' ? "/" : "";
  head.target += rest.substr(end);
  return is_origin_form(head.target);
}

bool take_target(std::string_view target, RequestHead& head) {
  if (head.method == "CONNECT") {
    head.authority.assign(target);
    return is_host(target) && has_port(target);
  }
  if (target.starts_with('/')) {
    head.target.assign(target);
    return is_origin_form(target);
  }
  if (target == "*") {
    head.target.assign(target);
    return head.method == "OPTIONS";
  }
  return take_absolute_form(target, head);
}

}  // namespace

bool Http1Parser::request_line(std::string_view line) {
  const size_t first = line.find(' ');
  const size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos)
    return refuse(400, "a request line needs method, target, version");
  const std::string_view method = line.substr(0, first);
  if (!is_token(method)) return refuse(400, "the method is not a token");
  const int version = parse_version(line.substr(second + 1), request_.version);
  if (version == 0) return refuse(400, "the request line does not end in an HTTP version");
  if (version == 505) return refuse(505, "only HTTP/1.x is spoken in this form");
  request_.method.assign(method);
  if (!take_target(line.substr(first + 1, second - first - 1), request_)) {
    return refuse(400, "the request target is malformed");
  }
  return true;
}

// HTTP-version SP 3DIGIT SP [reason-phrase]; the second SP may be missing when there is no phrase, as
// many servers send it (RFC 9112 §4 lets a client accept that).
bool Http1Parser::status_line(std::string_view line) {
  const int version = parse_version(line.substr(0, 8), response_.version);
  if (version != 200) return refuse(502, "the status line does not begin with HTTP/1.x");
  if (line.size() < 12 || line[8] != ' ' || (line.size() > 12 && line[12] != ' ')) {
    return refuse(502, "the status line is malformed");
  }
  int status = 0;
  for (char c : line.substr(9, 3)) {
    if (c < '0' || c > '9') return refuse(502, "the status code is not a number of three digits");
    status = status * 10 + (c - '0');
  }
  if (status < 100 || status > 599)
    return refuse(502, "the status code is not between 100 and 599");
  response_.status = status;
  response_.exact_reason = true;
  if (line.size() > 13) response_.reason.assign(line.substr(13));
  if (!is_field_value(response_.reason))
    return refuse(502, "the reason phrase has a control character");
  return true;
}

bool Http1Parser::end_of_head() {
  return role_ == Role::kRequests ? end_of_request_head() : end_of_response_head();
}

// Content-Length and Transfer-Encoding → length. `framed`: one of them was there.
bool Http1Parser::take_framing(Fields& fields, BodyLength& length, bool& framed) {
  std::optional<std::string_view> size;
  std::optional<std::string_view> coding;
  for (const Fields::Line& line : fields) {
    if (equal_ignoring_case(line.name, "content-length")) {
      if (size) return refuse(400, "Content-Length is given twice");
      size = line.value;
    } else if (equal_ignoring_case(line.name, "transfer-encoding")) {
      if (coding) return refuse(400, "Transfer-Encoding is given twice");
      coding = line.value;
    }
  }
  framed = size || coding;
  if (size && coding) return refuse(400, "Content-Length and Transfer-Encoding exclude each other");
  if (coding) {
    const Version version = role_ == Role::kRequests ? request_.version : response_.version;
    if (version == Version::kHttp10) return refuse(400, "HTTP/1.0 has no Transfer-Encoding");
    if (!equal_ignoring_case(*coding, "chunked")) {
      const bool last =
          equal_ignoring_case(trim_ows(coding->substr(coding->rfind(',') + 1)), "chunked");
      const bool once = !list_has_token(coding->substr(0, coding->rfind(',')), "chunked");
      return refuse(last && once ? 501 : 400, "the only transfer coding understood is chunked");
    }
    length = {BodyLength::kStreamed, 0};
  } else if (size) {
    const auto value = parse_content_length(*size);
    if (!value) return refuse(400, "Content-Length is not a number");
    length = {BodyLength::kSized, *value};
  }
  return true;
}

bool Http1Parser::end_of_request_head() {
  RequestHead& head = request_;
  const size_t hosts = head.fields.count("host");
  if (hosts > 1) return refuse(400, "Host is given twice");
  if (hosts == 0 && head.version != Version::kHttp10) return refuse(400, "Host is missing");
  if (hosts == 1) {
    const std::string_view host = *head.fields.get("host");
    if (!is_host(host)) return refuse(400, "Host is malformed");
  }
  // The target's authority wins, and nobody downstream of us sees another one (RFC 9112 §3.2.2).
  // HTTP/1.0 need not say Host: an absolute target does not go on, so its authority must.
  if (head.absolute_form || (head.method == "CONNECT" && hosts == 1)) {
    head.fields.set("Host", head.authority);
  } else if (hosts == 1) {
    head.authority.assign(*head.fields.get("host"));
  }
  bool framed = false;
  if (!take_framing(head.fields, head.length, framed)) return false;
  if (head.method == "CONNECT") {
    if (framed && (head.length.kind != BodyLength::kSized || head.length.size != 0)) {
      return refuse(400, "CONNECT has no content");
    }
    head.length = {BodyLength::kTunnel, 0};
  }
  left_ = head.length.size;
  const bool sized = head.length.kind == BodyLength::kSized && left_ > 0;
  state_ = sized                                       ? State::kSized
           : head.length.kind == BodyLength::kStreamed ? State::kChunkSize
                                                       : State::kFinish;
  return true;
}

bool Http1Parser::end_of_response_head() {
  ResponseHead& head = response_;
  if (head.status == 101 || (tunnel_answer_ && head.status / 100 == 2)) {
    head.length = {BodyLength::kTunnel, 0};
    state_ = State::kToClose;
    return true;
  }
  bool framed = false;
  if (!take_framing(head.fields, head.length, framed)) return false;
  if (head.interim()) {
    head.length = {};
    state_ = State::kStart;
    seen_bytes_ = false;
    return true;
  }
  if (head.status == 204) head.length = {};
  if (bodiless_answer_ || head.status == 204 || head.status == 304) {
    state_ = State::kFinish;
    return true;
  }
  if (!framed) head.length = {BodyLength::kToClose, 0};
  left_ = head.length.size;
  switch (head.length.kind) {
    case BodyLength::kStreamed: state_ = State::kChunkSize; break;
    case BodyLength::kToClose: state_ = State::kToClose; break;
    default: state_ = left_ > 0 ? State::kSized : State::kFinish;
  }
  return true;
}

}  // namespace weft::wire
