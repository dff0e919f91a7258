// A strict, incremental HTTP/1.x parser that knows no sockets (RFC 9110, RFC 9112). It looks at bytes
// the caller holds and says what they are; whatever an intermediary could read in two ways is refused,
// never repaired: bare CR or LF, obs-fold, blanks before a colon, Content-Length that is repeated,
// signed or listed, Content-Length beside Transfer-Encoding, any coding but exactly "chunked",
// Host missing or repeated, control characters anywhere.
//
// Use: call next() with all unconsumed bytes. Drop `skip` bytes; for kBody the following `take` bytes
// are content and the caller takes them. kNeedMore: call again when there are more bytes (nothing but
// `skip` was consumed). The result does not depend on how the input was cut, except into how many
// kBody pieces the content falls. Costs: each byte is looked at once; an unfinished line is never
// scanned again. Memory: the head being built (bounded by the limits), nothing for bodies.
//
// Interim responses (1xx but 101) are kHead without kEnd: the next kHead follows. Errors are final.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "wire/message.h"

namespace weft::wire {

struct Http1Limits {
  size_t start_line_bytes = 8 * 1024;    // more: 414 (RFC 9112 §3 asks for at least 8000)
  size_t header_bytes = 60 * 1024;       // sum of field lines; more: 431; also for trailers
  size_t header_lines = 100;             // more: 431; also for trailers
  size_t chunk_line_bytes = 1024;        // chunk size and its extensions
  size_t chunk_extension_bytes = 16384;  // extensions of one message together
};

enum class Http1Event : uint8_t {
  kNeedMore,
  kHead,   // request() or response() is filled
  kBody,   // `take` bytes of content follow
  kEnd,    // the message is over; trailers() is filled; the next call starts the next message
  kError,  // error() and error_status()
};

struct Http1Step {
  Http1Event event = Http1Event::kNeedMore;
  size_t skip = 0;
  size_t take = 0;
};

class Http1Parser {
 public:
  enum class Role : uint8_t { kRequests, kResponses };

  explicit Http1Parser(Role role, const Http1Limits& limits = {}) : role_(role), limits_(limits) {}

  Http1Step next(std::string_view in);
  // The peer sent its end of stream and next() has said kNeedMore. kEnd: it ended a body that runs to
  // the end of the connection; kNeedMore: it came between messages; kError: it cut one.
  Http1Step end_of_stream();

  // Responses: the method of the request that the next response answers (HEAD and CONNECT matter).
  void expect_response_to(std::string_view method);
  // Requests: we answered 101 or 2xx to CONNECT: what follows the present message is a tunnel.
  void become_tunnel();

  // Nothing of a message has arrived since the last kEnd (or since the start).
  bool between_messages() const { return state_ == State::kStart && !seen_bytes_; }

  // All content is out and the next call says kEnd.
  bool finishing() const { return state_ == State::kFinish; }

  RequestHead& request() { return request_; }
  ResponseHead& response() { return response_; }
  Fields& trailers() { return trailers_; }

  // kInvalid or kLimit; source is downstream for requests and upstream for responses.
  const Error& error() const { return error_; }
  // What to answer: 400, 413, 414, 431, 501, 505 for requests; 502 for responses.
  int error_status() const { return error_status_; }

 private:
  enum class State : uint8_t {
    kStart,      // before or in the start line
    kFields,     // in the header section
    kSized,      // `left_` octets of content to come
    kChunkSize,  // a chunk-size line
    kChunkData,  // `left_` octets of this chunk
    kChunkEnd,   // CRLF after chunk data
    kTrailers,
    kToClose,  // everything is content until the end of the stream
    kFinish,   // say kEnd next
    kFailed,
  };

  Http1Step fail(int status, std::string why);
  // Finds a whole line at `at`; false: error or more bytes needed (`step` is the answer).
  bool take_line(std::string_view in, size_t at, size_t limit, int limit_status,
                 std::string_view& line, Http1Step& step);
  Http1Step content(std::string_view in, size_t at);
  Http1Step head_line(std::string_view in, size_t at, bool& go_on);
  bool start_line(std::string_view line);
  bool request_line(std::string_view line);
  bool status_line(std::string_view line);
  bool field_line(std::string_view line, Fields& into);
  bool end_of_head();
  bool end_of_request_head();
  bool end_of_response_head();
  bool take_framing(Fields& fields, BodyLength& length, bool& framed);
  bool chunk_size_line(std::string_view line);
  void start_message();
  bool refuse(int status, std::string why);

  Role role_;
  Http1Limits limits_;
  State state_ = State::kStart;
  bool seen_bytes_ = false;
  bool bodiless_answer_ = false;  // the next response answers HEAD
  bool tunnel_answer_ = false;    // the next response answers CONNECT
  size_t scanned_ = 0;            // bytes of the unfinished line already searched for LF
  size_t empty_lines_ = 0;
  size_t field_bytes_ = 0;
  size_t extension_bytes_ = 0;
  uint64_t left_ = 0;
  RequestHead request_;
  ResponseHead response_;
  Fields trailers_;
  Error error_{ErrorKind::kInvalid, {}};
  int error_status_ = 0;
};

}  // namespace weft::wire
