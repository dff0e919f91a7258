// RetryBudget: bounds retries to a share of the requests plus a rate that is always granted, so that a service
// that fails gets little more than its load (after Finagle's RetryBudget). Requests count that may be retried by
// a policy; what is provably unprocessed is not paid for.
//
// Two buckets, and a retry is taken from the first that has one:
//   - every request puts nine tenths of its share in (at 20 %: 0.18 of a retry). What is not used is kept up
//     to the other tenth for the requests of the last interval, one retry at least.
//   - `min_retries` per `min_interval` grow in the other, an interval's worth at most.
// So in any window of an interval or more, wherever it begins, the first bucket pays for no more than the whole
// share of the window's requests, as long as they do not come more seldom than before it (else for at most a
// tenth of the earlier interval's share more). The minimum is in addition: 10 a second are ten for each second of
// the window and a hundred that were there.
//
// One per backend service and proxy, shared by the workers: relaxed atomics. Two workers never take the same
// retry. Rules with different shares put in each its own and take from the same.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/time.h"
#include "model/policy.h"
#include "steer/token_bucket.h"

namespace weft::steer {

class RetryBudget {
 public:
  static constexpr uint32_t kSlots = 10;
  static constexpr Duration kInterval = model::RetryConstraint{}.interval;

  // A request that may be retried begins. Whoever names another interval than before begins to count anew.
  void request(Instant now, const model::RetryConstraint& terms = {});
  // Takes one retry if there is one.
  bool withdraw(Instant now, const model::RetryConstraint& terms);
  // Of the last interval, to a tenth of it.
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
  bool take(Instant now, const model::RetryConstraint& terms);

  Slots requests_{};
  Slots retries_{};
  std::atomic<int64_t> share_{
      0};  // thousandths of a retry; what is too much is cut off when one is taken
  TokenBucket minimum_;
};

}  // namespace weft::steer
