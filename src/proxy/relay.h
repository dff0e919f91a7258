// relay: copies bytes both ways between two streams until both have ended. The end of one direction is
// passed on alone (half close); a reset on one side resets the other, and a TLS connection that ends
// without close_notify counts as a reset. What one side cannot take is not read from the other. Where no
// byte moves for kRelayIdle (kRelayHalfIdle once one direction has ended) both sides are reset.
#pragma once

#include <cstdint>

#include "io/loop.h"
#include "io/stream.h"
#include "io/task.h"

namespace weft::proxy {

inline constexpr Duration kRelayIdle = Duration::hours(24);
inline constexpr Duration kRelayHalfIdle = Duration::hours(1);

struct RelayResult {
  uint64_t from_first = 0;  // bytes read from the first stream
  uint64_t from_second = 0;
  bool reset = false;
};

// Destroying the task resets both streams. `totals`, when given, is kept up to date while it runs; it
// outlives the task.
io::Task<RelayResult> relay(io::Loop& loop, io::StreamPtr first, io::StreamPtr second,
                            RelayResult* totals = nullptr);

}  // namespace weft::proxy
