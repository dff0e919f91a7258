// RetryBudget: bounds retries to a share of the requests of the last ten seconds plus so many a second, so
// that a service that fails gets little more than its load (as Finagle's RetryBudget). Requests count
// that may be retried by a policy; what is provably unprocessed is not paid for.
//
// One per backend service and proxy, shared by the workers: relaxed atomics. Of two workers that take
// the last retry at once both may be refused, never both granted.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/time.h"

namespace weft::steer {

class RetryBudget {
 public:
  static constexpr uint32_t kSeconds = 10;

  // A request that may be retried begins.
  void request(Instant now) { add_one(requests_, now); }
  // Takes one retry if there is one.
  bool withdraw(Instant now, uint32_t percent = 20, uint32_t min_per_second = 10);
  // Of the last ten seconds.
  uint32_t requests(Instant now) const { return sum(requests_, now); }
  uint32_t retries(Instant now) const { return sum(retries_, now); }

 private:
  // A slot holds a second (upper half) and what was counted in it (lower half).
  using Slots = std::array<std::atomic<uint64_t>, kSeconds>;
  static void add_one(Slots& slots, Instant now);
  static uint32_t sum(const Slots& slots, Instant now);

  Slots requests_{};
  Slots retries_{};
};

}  // namespace weft::steer
