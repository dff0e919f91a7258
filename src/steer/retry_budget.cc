// A second and its count in one word: whoever comes first in a new second claims the slot with a compare
// and swap, everybody else adds to it. An addition that meets the change of its slot ten seconds later
// counts in the new second, which does no harm.
#include "steer/retry_budget.h"

namespace weft::steer {
namespace {

uint64_t second_of(Instant now) { return static_cast<uint64_t>(now.ns) / 1'000'000'000; }
uint64_t word(uint64_t second, uint32_t count) { return second << 32 | count; }

}  // namespace

void RetryBudget::add_one(Slots& slots, Instant now) {
  const uint64_t second = second_of(now) & UINT32_MAX;
  std::atomic<uint64_t>& slot = slots[second % kSeconds];
  uint64_t seen = slot.load(std::memory_order_relaxed);
  while (seen >> 32 != second) {
    if (slot.compare_exchange_weak(seen, word(second, 1), std::memory_order_relaxed)) return;
  }
  slot.fetch_add(1, std::memory_order_relaxed);
}

uint32_t RetryBudget::sum(const Slots& slots, Instant now) {
  const uint64_t second = second_of(now) & UINT32_MAX;
  uint32_t total = 0;
  for (const std::atomic<uint64_t>& slot : slots) {
    const uint64_t seen = slot.load(std::memory_order_relaxed);
    if (second - (seen >> 32) < kSeconds) total += static_cast<uint32_t>(seen);
  }
  return total;
}

bool RetryBudget::withdraw(Instant now, uint32_t percent, uint32_t min_per_second) {
  add_one(retries_, now);
  const uint64_t allowed =
      uint64_t{sum(requests_, now)} * percent / 100 + uint64_t{min_per_second} * kSeconds;
  if (sum(retries_, now) <= allowed) return true;
  // Given back to the slot it was just counted in.
  retries_[(second_of(now) & UINT32_MAX) % kSeconds].fetch_sub(1, std::memory_order_relaxed);
  return false;
}

}  // namespace weft::steer
