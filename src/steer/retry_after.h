// How long a server asks its callers to wait before they come again: Retry-After (RFC 9110 section 10.2.3,
// seconds or a date) and grpc-retry-pushback-ms (gRPC proposal A6). Pure; never fails: what cannot be
// read says nothing, but for the gRPC field, where it says "never".
#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"

namespace weft::steer {

struct ServerPacing {
  std::optional<Duration> wait;
  bool never = false;  // do not come again
};

// Either view may be empty: the field is not there.
ServerPacing read_pacing(std::string_view retry_after, std::string_view grpc_pushback,
                         WallTime now);

// "Sun, 06 Nov 1994 08:49:37 GMT" and the two obsolete forms (RFC 9110 section 5.6.7).
std::optional<WallTime> parse_http_date(std::string_view text);

}  // namespace weft::steer
