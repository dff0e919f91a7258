// Which protocol a client speaks, from its first bytes: a pure function of all that has arrived so
// far, asked again as more comes. It answers only when sure: an answer other than kNeedMore is the
// same for every longer input. It never looks at more than kDetectLimit bytes, and kOpaque is
// always safe (the bytes are carried as they are). Silence is not its business: with no bytes it
// needs more. Sources: RFC 9113, section 3.4; RFC 9112, section 3; RFC 8446, section 4.1.2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft::wire {

inline constexpr size_t kDetectLimit = 1024;

enum class Detected : uint8_t {
  kNeedMore,
  kHttp1,   // a request line of HTTP/1.0 or 1.1, or the first KiB of a long one
  kHttp2,   // the whole client preface
  kTls,     // the beginning of a ClientHello; client_hello.h reads it
  kOpaque,  // anything else
};

Detected detect(std::string_view first_bytes);

}  // namespace weft::wire
