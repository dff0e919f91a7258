// RetryBudget: bounds retries to a share of the requests of the last interval plus a rate that is always
// granted, so that a service that fails gets little more than its load (as Finagle's RetryBudget). Requests count
// that may be retried by a policy; what is provably unprocessed is not paid for.
//
// One per backend service and proxy, shared by the workers: relaxed atomics. Of two workers that take
// the last retry at once both may be refused, never both granted.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/time.h"
#include "model/policy.h"

namespace weft::steer {

class RetryBudget {
 public:
  static constexpr uint32_t kSlots = 10;
  static constexpr Duration kInterval = model::RetryConstraint{}.interval;

  // A request that may be retried begins. Whoever names another interval than before begins to count anew.
  void request(Instant now, Duration interval = kInterval) { add_one(requests_, now, interval); }
  // Takes one retry if there is one.
  bool withdraw(Instant now, const model::RetryConstraint& terms);
  // Of the last interval.
  uint32_t requests(Instant now, Duration interval = kInterval) const {
    return sum(requests_, now, interval);
  }
  uint32_t retries(Instant now, Duration interval = kInterval) const {
    return sum(retries_, now, interval);
  }

 private:
  // A slot holds a tenth of an interval (upper half) and what was counted in it (lower half).
  using Slots = std::array<std::atomic<uint64_t>, kSlots>;
  static void add_one(Slots& slots, Instant now, Duration interval);
  static uint32_t sum(const Slots& slots, Instant now, Duration interval);

  Slots requests_{};
  Slots retries_{};
};

}  // namespace weft::steer
