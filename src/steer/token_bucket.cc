// One compare-and-swap for a token; a refusal writes nothing, so a flood of refused requests does not make
// workers fight for the line.
#include "steer/token_bucket.h"

#include <algorithm>

namespace weft::steer {
namespace {

// Leaves room to add to any time of a clock.
constexpr int64_t kLongest = INT64_MAX / 4;

}  // namespace

TokenRate TokenRate::of(uint32_t tokens, Duration per, uint32_t burst) {
  if (tokens == 0) return {};
  const int64_t token_ns = std::clamp<int64_t>(per.ns / tokens, 1, kLongest);
  const int64_t fit = std::min<int64_t>(burst == 0 ? tokens : burst, kLongest / token_ns);
  return {token_ns, token_ns * fit};
}

TokenBucket::Taken TokenBucket::take(const TokenRate& rate, Instant now) {
  if (rate.token_ns == 0) return {};
  int64_t full_at = full_at_.load(std::memory_order_relaxed);
  while (true) {
    const int64_t next = std::max(full_at, now.ns) + rate.token_ns;
    const int64_t missing = next - now.ns;  // what would then have to grow
    if (missing > rate.full_ns) {
      return {.granted = false, .left = 0, .until = Duration::nanos(missing - rate.full_ns)};
    }
    if (full_at_.compare_exchange_weak(full_at, next, std::memory_order_relaxed)) {
      return {.granted = true,
              .left = static_cast<uint64_t>((rate.full_ns - missing) / rate.token_ns),
              .until = Duration::nanos(missing)};
    }
  }
}

void TokenBucket::give_back(const TokenRate& rate) {
  full_at_.fetch_sub(rate.token_ns, std::memory_order_relaxed);
}

}  // namespace weft::steer
