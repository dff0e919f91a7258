// Rate limits where requests arrive (RateLimitPolicy, steer/rate_limit.h): what a limit is asked about a
// request or connection, and the answer to one that is refused. Nothing where the instance has no limits.
//
// A request that is granted is answered with the fields RateLimit-Policy and RateLimit of the limit that has
// the least left, unless the app speaks of its own limits; one that is refused with them, Retry-After and
// 429, or RESOURCE_EXHAUSTED and grpc-retry-pushback-ms (gRPC A6).
#pragma once

#include <optional>
#include <string>

#include "proxy/app_dialer.h"
#include "proxy/local_reply.h"
#include "proxy/record.h"
#include "steer/rate_limit.h"
#include "wire/message.h"

namespace weft::proxy {

struct Arrival {
  const wire::RequestHead* head =
      nullptr;                  // null: an opaque connection, which counts as one request
  std::string_view route = {};  // weft-route
  CallerAddress caller = {};    // the instance that calls; unspecified: unknown
  IpAddress peer = {};          // who connected
  bool published = false;       // through a published door
};

// The verdict; a refusal is counted and noted in the record.
steer::RateLimits::Verdict take_limits(Worker& worker, const Arrival& arrival, Record& record);

// The answer to a refused request.
LocalReply limited_reply(const steer::RateLimits::Verdict& verdict);
// Says in the app's answer what is left.
void tell_limits(const steer::RateLimitFields& limits, wire::Fields& answer);

}  // namespace weft::proxy
