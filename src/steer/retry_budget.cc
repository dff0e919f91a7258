// A tenth of the interval and its count in one word: whoever comes first in a new tenth claims the slot with a
// compare and swap, everybody else adds to it. An addition that meets the change of its slot an interval later
// counts in the new tenth, which does no harm. Tenths of another interval have numbers far from these, so they
// do not count. A request costs two additions; the sum over the slots is made only when a retry is asked for.
#include "steer/retry_budget.h"

#include <algorithm>
#include <cmath>

namespace weft::steer {
namespace {

// In thousandths of a retry, where one percent of one request is ten: nine go in, one may be kept.
constexpr int64_t kRetry = 1000;
constexpr int64_t kPutIn = 9, kKept = 1;

uint64_t tenth_of(Instant now, Duration interval) {
  const int64_t width = std::max<int64_t>(interval.ns / RetryBudget::kSlots, 1);
  return static_cast<uint64_t>(now.ns / width) & UINT32_MAX;
}
uint64_t word(uint64_t tenth, uint32_t count) { return tenth << 32 | count; }

// How many retries a rate grants within the interval; a rate of less than one still grants one.
uint64_t granted_at_least(const model::RetryConstraint& terms) {
  const double share = static_cast<double>(terms.interval.ns) /
                       static_cast<double>(std::max<int64_t>(terms.min_interval.ns, 1));
  return static_cast<uint64_t>(std::ceil(terms.min_retries * share));
}

}  // namespace

void RetryBudget::add_one(Slots& slots, Instant now, Duration interval) {
  const uint64_t tenth = tenth_of(now, interval);
  std::atomic<uint64_t>& slot = slots[tenth % kSlots];
  uint64_t seen = slot.load(std::memory_order_relaxed);
  while (seen >> 32 != tenth) {
    if (slot.compare_exchange_weak(seen, word(tenth, 1), std::memory_order_relaxed)) return;
  }
  slot.fetch_add(1, std::memory_order_relaxed);
}

uint32_t RetryBudget::sum(const Slots& slots, Instant now, Duration interval) {
  const uint64_t tenth = tenth_of(now, interval);
  uint32_t total = 0;
  for (const std::atomic<uint64_t>& slot : slots) {
    const uint64_t seen = slot.load(std::memory_order_relaxed);
    if (tenth - (seen >> 32) < kSlots) total += static_cast<uint32_t>(seen);
  }
  return total;
}

void RetryBudget::request(Instant now, const model::RetryConstraint& terms) {
  share_.fetch_add(terms.percent * kPutIn, std::memory_order_relaxed);
  add_one(requests_, now, terms.interval);
}

bool RetryBudget::withdraw(Instant now, const model::RetryConstraint& terms) {
  if (!take(now, terms)) return false;
  add_one(retries_, now, terms.interval);
  return true;
}

bool RetryBudget::take(Instant now, const model::RetryConstraint& terms) {
  // One retry is kept however seldom requests come, and what the request of now has put in beyond it.
  const int64_t most = std::max(kRetry + terms.percent * kPutIn,
                                int64_t{requests(now, terms.interval)} * terms.percent * kKept);
  int64_t seen = share_.load(std::memory_order_relaxed);
  while (std::min(seen, most) >= kRetry) {
    if (share_.compare_exchange_weak(seen, std::min(seen, most) - kRetry,
                                     std::memory_order_relaxed)) {
      return true;
    }
  }
  const auto burst = static_cast<uint32_t>(std::min<uint64_t>(granted_at_least(terms), UINT32_MAX));
  return minimum_.take(TokenRate::of(terms.min_retries, terms.min_interval, burst), now).granted;
}

}  // namespace weft::steer
