// The trace headers of a request on its way through: what came from the caller becomes what the next
// hop sees. W3C Trace Context level 2; baggage is not touched.
#pragma once

#include "base/random.h"
#include "telemetry/trace_context.h"
#include "wire/message.h"

namespace weft::telemetry {

// Puts a span of our own between caller and callee, and returns it. Exactly one valid traceparent line
// is continued: same trace, new parent id; its tracestate goes on, without members that break the
// syntax (section 3.3.1) and with at most 32. Anything else starts a new trace and drops tracestate.
// Afterwards `fields` has exactly one traceparent line. A header never makes a request fail.
TraceContext participate(wire::Fields& fields, Random& random);

}  // namespace weft::telemetry
