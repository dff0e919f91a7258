// A tenth of the interval and its count in one word: whoever comes first in a new tenth claims the slot with a
// compare and swap, everybody else adds to it. An addition that meets the change of its slot an interval later
// counts in the new tenth, which does no harm. Tenths of another interval have numbers far from these, so they
// do not count.
#include "steer/retry_budget.h"

#include <algorithm>
#include <cmath>

namespace weft::steer {
namespace {

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

bool RetryBudget::withdraw(Instant now, const model::RetryConstraint& terms) {
  add_one(retries_, now, terms.interval);
  const uint64_t allowed =
      uint64_t{sum(requests_, now, terms.interval)} * terms.percent / 100 + granted_at_least(terms);
  if (sum(retries_, now, terms.interval) <= allowed) return true;
  // Given back to the slot it was just counted in.
  retries_[tenth_of(now, terms.interval) % kSlots].fetch_sub(1, std::memory_order_relaxed);
  return false;
}

}  // namespace weft::steer
