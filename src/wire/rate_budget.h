// A token bucket: `burst` events at once, refilled evenly over `period`. Bounds what a peer may make
// us do (resets, control frames) without punishing a long quiet connection. A plain value.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace weft::wire {

class RateBudget {
 public:
  RateBudget(uint32_t burst, Duration period)
      : per_token_ns_(std::max<int64_t>(1, period.ns / std::max<uint32_t>(1, burst))),
        capacity_ns_(per_token_ns_ * burst),
        left_ns_(capacity_ns_) {}

  // False: over budget.
  bool spend(Instant now) {
    left_ns_ = std::min(capacity_ns_, left_ns_ + std::max<int64_t>(0, (now - last_).ns));
    last_ = now;
    if (left_ns_ < per_token_ns_) return false;
    left_ns_ -= per_token_ns_;
    return true;
  }

 private:
  int64_t per_token_ns_;
  int64_t capacity_ns_;  // the bucket is counted in nanoseconds of refill
  int64_t left_ns_;
  Instant last_;
};

}  // namespace weft::wire
