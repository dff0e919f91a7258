// Line by line for heads, chunk sizes and trailers: memchr finds the end of a line, then its octets are
// checked by table lookups while they are split. Errors are decided on whole lines only, and limits on
// line lengths whether or not the rest has come, so any cut of the input gives the same answer.
#include "wire/http1_parser.h"

#include <cstring>
#include <utility>

#include "wire/http1_syntax.h"

namespace weft::wire {

namespace {

// RFC 9112 §2.2 asks a server to skip at least one empty line before a request line.
constexpr size_t kMaxEmptyLines = 4;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool Http1Parser::refuse(int status, std::string why) {
  const bool request = role_ == Role::kRequests;
  error_status_ = request ? status : 502;
  const bool limit = status == 413 || status == 414 || status == 431;
  error_ = Error(limit ? ErrorKind::kLimit : ErrorKind::kInvalid, std::move(why),
                 request ? ErrorSource::kDownstream : ErrorSource::kUpstream);
  state_ = State::kFailed;
  return false;
}

Http1Step Http1Parser::fail(int status, std::string why) {
  refuse(status, std::move(why));
  return {Http1Event::kError};
}

void Http1Parser::expect_response_to(std::string_view method) {
  bodiless_answer_ = method == "HEAD";
  tunnel_answer_ = method == "CONNECT";
}

void Http1Parser::become_tunnel() {
  if (state_ == State::kStart) state_ = State::kToClose;
  scanned_ = 0;
}

void Http1Parser::start_message() {
  empty_lines_ = 0;
  field_bytes_ = 0;
  extension_bytes_ = 0;
  left_ = 0;
  trailers_.clear();
  if (role_ == Role::kRequests) {
    request_ = RequestHead{};
  } else {
    response_ = ResponseHead{};
  }
}

bool Http1Parser::take_line(std::string_view in, size_t at, size_t limit, int limit_status,
                            std::string_view& line, Http1Step& step) {
  const std::string_view rest = in.substr(at);
  const void* found = scanned_ < rest.size()
                          ? std::memchr(rest.data() + scanned_, '\n', rest.size() - scanned_)
                          : nullptr;
  const size_t end =
      found ? static_cast<size_t>(static_cast<const char*>(found) - rest.data()) : rest.size();
  if (end >= limit + 2) {
    step = fail(limit_status, "a line is longer than " + std::to_string(limit) + " octets");
    return false;
  }
  if (!found) {
    scanned_ = rest.size();
    step = {Http1Event::kNeedMore, at};
    return false;
  }
  scanned_ = 0;
  if (end == 0 || rest[end - 1] != '\r') {
    step = fail(400, "a line ends in LF without CR");
    return false;
  }
  line = rest.substr(0, end - 1);
  return true;
}

Http1Step Http1Parser::next(std::string_view in) {
  size_t at = 0;
  bool go_on = true;
  while (go_on) {
    switch (state_) {
      case State::kStart:
      case State::kFields:
      case State::kTrailers: {
        const Http1Step step = head_line(in, at, go_on);
        if (!go_on) return step;
        at = step.skip;
        break;
      }
      case State::kFinish:
        state_ = State::kStart;
        seen_bytes_ = false;
        return {Http1Event::kEnd, at};
      case State::kFailed: return {Http1Event::kError};
      default: {
        const Http1Step step = content(in, at);
        if (step.event != Http1Event::kNeedMore || step.skip == at) return step;
        at = step.skip;
      }
    }
  }
  return {};
}

// One line of the start, header or trailer section. `go_on`: the caller looks at the state again from
// the returned skip on.
Http1Step Http1Parser::head_line(std::string_view in, size_t at, bool& go_on) {
  go_on = false;
  Http1Step step;
  std::string_view line;
  if (state_ == State::kStart) {
    if (at < in.size() && !seen_bytes_) {
      seen_bytes_ = true;
      start_message();
    }
    if (!take_line(in, at, limits_.start_line_bytes, 414, line, step)) return step;
    if (line.empty() && role_ == Role::kRequests) {
      if (++empty_lines_ > kMaxEmptyLines)
        return fail(400, "too many empty lines before a request");
    } else {
      if (!start_line(line)) return {Http1Event::kError};
      state_ = State::kFields;
    }
    go_on = true;
    return {Http1Event::kNeedMore, at + line.size() + 2};
  }

  const size_t room = limits_.header_bytes - field_bytes_;
  if (!take_line(in, at, room, 431, line, step)) return step;
  at += line.size() + 2;
  if (!line.empty()) {
    if (!field_line(line, state_ == State::kTrailers ? trailers_
                          : role_ == Role::kRequests ? request_.fields
                                                     : response_.fields)) {
      return {Http1Event::kError};
    }
    go_on = true;
    return {Http1Event::kNeedMore, at};
  }
  if (state_ == State::kTrailers) {
    state_ = State::kFinish;
    go_on = true;
    return {Http1Event::kNeedMore, at};
  }
  if (!end_of_head()) return {Http1Event::kError};
  return {Http1Event::kHead, at};
}

// Content and its framing. kNeedMore with a larger skip means progress into another state.
Http1Step Http1Parser::content(std::string_view in, size_t at) {
  const size_t have = in.size() - at;
  switch (state_) {
    case State::kToClose:
      if (have == 0) return {Http1Event::kNeedMore, at};
      return {Http1Event::kBody, at, have};
    case State::kSized:
    case State::kChunkData: {
      if (have == 0) return {Http1Event::kNeedMore, at};
      const size_t take = have < left_ ? have : static_cast<size_t>(left_);
      left_ -= take;
      if (left_ == 0) state_ = state_ == State::kSized ? State::kFinish : State::kChunkEnd;
      return {Http1Event::kBody, at, take};
    }
    case State::kChunkEnd:
      if (have >= 1 && in[at] != '\r') return fail(400, "chunk data is not followed by CRLF");
      if (have < 2) return {Http1Event::kNeedMore, at};
      if (in[at + 1] != '\n') return fail(400, "chunk data is not followed by CRLF");
      state_ = State::kChunkSize;
      return {Http1Event::kNeedMore, at + 2};
    case State::kChunkSize: {
      Http1Step step;
      std::string_view line;
      if (!take_line(in, at, limits_.chunk_line_bytes, 413, line, step)) return step;
      if (!chunk_size_line(line)) return {Http1Event::kError};
      return {Http1Event::kNeedMore, at + line.size() + 2};
    }
    default: return {Http1Event::kNeedMore, at};
  }
}

Http1Step Http1Parser::end_of_stream() {
  switch (state_) {
    case State::kToClose:
      state_ = State::kStart;
      seen_bytes_ = false;
      return {Http1Event::kEnd};
    case State::kStart:
      if (scanned_ == 0) return {};
      return fail(400, "the connection ended in the middle of a start line");
    case State::kFailed: return {Http1Event::kError};
    default: return fail(400, "the connection ended in the middle of a message");
  }
}

bool Http1Parser::start_line(std::string_view line) {
  return role_ == Role::kRequests ? request_line(line) : status_line(line);
}

bool Http1Parser::field_line(std::string_view line, Fields& into) {
  field_bytes_ += line.size() + 2;
  if (field_bytes_ > limits_.header_bytes || into.size() >= limits_.header_lines) {
    return refuse(431, "more than " + std::to_string(limits_.header_lines) + " field lines or " +
                           std::to_string(limits_.header_bytes) + " octets of them");
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return refuse(400, "a field line has no colon");
  const std::string_view name = line.substr(0, colon);
  if (!is_token(name)) {
    // A leading blank is obs-fold, one before the colon is how requests are smuggled (RFC 9112 §5.1).
    return refuse(400, "a field name is empty or has an octet that may not be in it");
  }
  const std::string_view value = trim_ows(line.substr(colon + 1));
  if (!is_field_value(value)) return refuse(400, "a field value has a control character");
  into.add(name, value);
  return true;
}

// chunk-size [ chunk-ext ], RFC 9112 §7.1. Extensions are checked, counted and dropped.
bool Http1Parser::chunk_size_line(std::string_view line) {
  uint64_t size = 0;
  size_t digits = 0;
  for (; digits < line.size(); ++digits) {
    const char c = line[digits];
    const char folded = static_cast<char>(c | 0x20);
    const int value = is_digit(c)                      ? c - '0'
                      : folded >= 'a' && folded <= 'f' ? folded - 'a' + 10
                                                       : -1;
    if (value < 0) break;
    size = size << 4 | static_cast<uint64_t>(value);
  }
  if (digits == 0) return refuse(400, "a chunk has no size");
  if (digits > 16 || size >> 63 != 0) return refuse(413, "a chunk size is too large");
  const std::string_view extension = line.substr(digits);
  if (!extension.empty()) {
    extension_bytes_ += extension.size();
    if (extension_bytes_ > limits_.chunk_extension_bytes)
      return refuse(413, "too many chunk extensions");
    if (!is_chunk_extension(extension))
      return refuse(400, "a chunk size is followed by something odd");
  }
  left_ = size;
  state_ = size == 0 ? State::kTrailers : State::kChunkData;
  field_bytes_ = 0;
  return true;
}

}  // namespace weft::wire
