// W3C Trace Context (level 2): what identifies a request across services. A valid traceparent is
// continued with a new parent id; anything else starts a new trace and drops tracestate. Pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"

namespace weft::telemetry {

struct TraceContext {
  std::array<uint8_t, 16> trace_id{};
  std::array<uint8_t, 8> parent_id{};
  uint8_t flags = 0;  // bit 0 sampled, bit 1 random trace id

  bool sampled() const { return flags & 1; }
  std::string trace_id_hex() const;
  std::string parent_id_hex() const;
  // "00-<32 hex>-<16 hex>-<2 hex>".
  std::string to_header() const;
};

// Section 3.2: lower-case hex only, all-zero ids and version ff are invalid; a higher version is read
// by its first 55 characters, which must end there or go on with '-'.
std::optional<TraceContext> parse_traceparent(std::string_view header);

// The context of our own span: same trace, new parent id, flags kept (unknown bits cleared).
TraceContext continue_trace(const TraceContext& received, Random& random);
// A new trace, with the random-trace-id flag.
TraceContext start_trace(bool sampled, Random& random);

}  // namespace weft::telemetry
