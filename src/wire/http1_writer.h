// Writes HTTP/1.x messages into a Buffer: start line, field lines exactly as they stand (order, letter
// case, values), and framing made anew from `length` (a Content-Length or Transfer-Encoding line of the
// fields keeps its place and spelling but never its word). Fields are written as given: whoever fills
// them with what came from a peer lets a codec of ours check it first.
#pragma once

#include "base/buffer.h"
#include "wire/message.h"

namespace weft::wire {

// How a message's content is delimited on this connection.
enum class Http1Framing : uint8_t {
  kNone,     // no content follows the head
  kSized,    // raw octets, as many as announced
  kChunked,  // write_chunk()…, write_last_chunk()
  kRaw,      // raw octets until the connection (or this half of it) ends
};

// What a response is written for.
struct Http1ResponseContext {
  std::string_view request_method;
  Version request_version = Version::kHttp11;
  bool close = false;  // say "Connection: close" unless the fields do
};

// `end`: no content follows (a chunked message then still needs its last chunk from the caller).
// Content without a size is chunked in a request; CONNECT has no framing.
Http1Framing write_request_head(const RequestHead& head, bool end, Buffer& out);
// Interim heads and answers to HEAD or with 204/304 never have content. Without a length the content
// is chunked for HTTP/1.1 requests and runs to the end of the connection for HTTP/1.0 ones; a length
// of kToClose stays so.
Http1Framing write_response_head(const ResponseHead& head, const Http1ResponseContext& context,
                                 bool end, Buffer& out);

// An empty chunk would end the body: nothing is written for it.
void write_chunk(std::string_view data, Buffer& out);
// Field lines that frame or route a message are not allowed in trailers and are left out.
void write_last_chunk(const Fields& trailers, Buffer& out);

// Fields that may not stand in a trailer section (RFC 9110 §6.5.1).
bool forbidden_in_trailers(std::string_view name);

}  // namespace weft::wire
