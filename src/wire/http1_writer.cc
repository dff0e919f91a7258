// Framing is regenerated rather than copied because it is the one thing two parties must never read
// differently (RFC 9112 §6): whatever the fields claim, what goes out says what we are going to do.
#include "wire/http1_writer.h"

#include <charconv>

namespace weft::wire {

namespace {

bool is_framing(std::string_view name) {
  return (name.size() == 14 && equal_ignoring_case(name, "content-length")) ||
         (name.size() == 17 && equal_ignoring_case(name, "transfer-encoding"));
}

void append_line(std::string_view name, std::string_view value, Buffer& out) {
  const size_t size = name.size() + value.size() + 4;
  char* to = out.prepare(size).data();
  to += name.copy(to, name.size());
  *to++ = ':';
  *to++ = ' ';
  to += value.copy(to, value.size());
  *to++ = '\r';
  *to++ = '\n';
  out.commit(size);
}

struct FramingLine {
  std::string_view name;  // empty: none
  std::string_view value;
};

void append_fields(const Fields& fields, const FramingLine& framing, Buffer& out) {
  bool framed = framing.name.empty();
  for (const Fields::Line& line : fields) {
    if (!is_framing(line.name)) {
      append_line(line.name, line.value, out);
    } else if (!framed && equal_ignoring_case(line.name, framing.name)) {
      append_line(line.name, framing.value, out);
      framed = true;
    }
  }
  if (!framed) append_line(framing.name, framing.value, out);
  out.append("\r\n");
}

// The framing line for `length`; `digits` holds its text.
struct LengthText {
  explicit LengthText(uint64_t size) {
    end_ = std::to_chars(digits_, digits_ + sizeof digits_, size).ptr;
  }
  std::string_view view() const { return {digits_, static_cast<size_t>(end_ - digits_)}; }

 private:
  char digits_[24];
  char* end_;
};

std::string_view version_text(Version version) {
  return version == Version::kHttp10 ? "HTTP/1.0" : "HTTP/1.1";
}

// Room for an ordinary head at once.
constexpr size_t kUsualHead = 512;

constexpr FramingLine kChunkedLine{"Transfer-Encoding", "chunked"};

}  // namespace

Http1Framing write_request_head(const RequestHead& head, bool end, Buffer& out) {
  out.prepare(kUsualHead);
  out.append(head.method);
  out.append(' ');
  const bool connect = head.method == "CONNECT";
  if (connect) {
    out.append(head.authority);
  } else {
    if (head.absolute_form) {
      out.append(head.scheme);
      out.append("://");
      out.append(head.authority);
    }
    // "OPTIONS *" is spelled without a path there (RFC 9112 §3.2.4).
    if (!head.absolute_form || head.target != "*") out.append(head.target);
  }
  out.append(' ');
  out.append(version_text(head.version));
  out.append("\r\n");

  if (!head.authority.empty() && !head.fields.has("host")) append_line("Host", head.authority, out);
  const LengthText size(head.length.size);
  if (connect) {
    append_fields(head.fields, {}, out);
    return Http1Framing::kNone;
  }
  if (head.length.kind == BodyLength::kSized) {
    append_fields(head.fields, {"Content-Length", size.view()}, out);
    return end || head.length.size == 0 ? Http1Framing::kNone : Http1Framing::kSized;
  }
  if (end && head.length.kind != BodyLength::kStreamed) {
    append_fields(head.fields, {}, out);
    return Http1Framing::kNone;
  }
  append_fields(head.fields, kChunkedLine, out);
  return Http1Framing::kChunked;
}

Http1Framing write_response_head(const ResponseHead& head, const Http1ResponseContext& context,
                                 bool end, Buffer& out) {
  out.prepare(kUsualHead);
  out.append(version_text(head.version));
  const char code[] = {' ', static_cast<char>('0' + head.status / 100 % 10),
                       static_cast<char>('0' + head.status / 10 % 10),
                       static_cast<char>('0' + head.status % 10), ' '};
  out.append(std::string_view(code, sizeof code));
  out.append(head.reason.empty() && !head.exact_reason ? reason_phrase(head.status)
                                                       : std::string_view(head.reason));
  out.append("\r\n");

  if (context.close && !head.fields.has_token("connection", "close")) {
    append_line("Connection", "close", out);
  }
  const LengthText size(head.length.size);
  const bool tunnel =
      head.status == 101 || (context.request_method == "CONNECT" && head.status / 100 == 2);
  if (tunnel || head.status / 100 == 1 || head.status == 204) {
    append_fields(head.fields, {}, out);
    return tunnel ? Http1Framing::kRaw : Http1Framing::kNone;
  }
  const bool old = context.request_version == Version::kHttp10 || head.version == Version::kHttp10;
  if (context.request_method == "HEAD" || head.status == 304) {
    FramingLine announced;
    if (head.length.kind == BodyLength::kSized) announced = {"Content-Length", size.view()};
    if (head.length.kind == BodyLength::kStreamed && !old) announced = kChunkedLine;
    append_fields(head.fields, announced, out);
    return Http1Framing::kNone;
  }
  if (head.length.kind == BodyLength::kSized) {
    append_fields(head.fields, {"Content-Length", size.view()}, out);
    return end || head.length.size == 0 ? Http1Framing::kNone : Http1Framing::kSized;
  }
  if (end && head.length.kind != BodyLength::kStreamed) {
    append_fields(head.fields, {"Content-Length", "0"}, out);
    return Http1Framing::kNone;
  }
  if (head.length.kind == BodyLength::kToClose || old) {
    append_fields(head.fields, {}, out);
    return Http1Framing::kRaw;
  }
  append_fields(head.fields, kChunkedLine, out);
  return Http1Framing::kChunked;
}

void write_chunk(std::string_view data, Buffer& out) {
  if (data.empty()) return;
  char digits[16];
  const char* end = std::to_chars(digits, digits + sizeof digits, data.size(), 16).ptr;
  out.append(std::string_view(digits, static_cast<size_t>(end - digits)));
  out.append("\r\n");
  out.append(data);
  out.append("\r\n");
}

bool forbidden_in_trailers(std::string_view name) {
  for (std::string_view word : {"content-length", "transfer-encoding", "host", "connection",
                                "keep-alive", "proxy-connection", "te", "trailer", "upgrade",
                                "content-encoding", "content-type", "content-range"}) {
    if (equal_ignoring_case(name, word)) return true;
  }
  return false;
}

void write_last_chunk(const Fields& trailers, Buffer& out) {
  out.append("0\r\n");
  for (const Fields::Line& line : trailers) {
    if (!forbidden_in_trailers(line.name)) append_line(line.name, line.value, out);
  }
  out.append("\r\n");
}

}  // namespace weft::wire
