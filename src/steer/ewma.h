// PeakEwma: what an endpoint's answers cost in time, as the product of latency and requests in flight is
// weighed by the default balancing (Finagle, Linkerd). A moving average that jumps up to every peak at
// once and comes down over kDecay; it also comes down while nobody asks, so an endpoint that was slow is
// tried again. A failure that comes fast is recorded as a long latency, or an endpoint that refuses
// everything would look like the fastest of all.
//
// Shared by threads: one relaxed 64-bit atomic (cost and time together); of two samples at once one counts.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace weft::steer {

class PeakEwma {
 public:
  static constexpr Duration kDecay = Duration::seconds(10);
  static constexpr Duration kPenalty = Duration::seconds(5);
  static constexpr Duration kLongestPenalty = Duration::seconds(300);

  // An answer began after `latency`.
  void observe(Duration latency, Instant now);
  // A failure; `asked`: how long the endpoint asked to be spared (Retry-After).
  void penalise(std::optional<Duration> asked, Instant now);

  // As if never measured.
  void forget() { state_.store(0, std::memory_order_relaxed); }

  // In seconds; 0: never measured.
  double cost(Instant now) const;

 private:
  void store(double cost, Instant now);

  std::atomic<uint64_t> state_{0};  // cost as a float in the upper half, milliseconds in the lower
};

}  // namespace weft::steer
