// What outlier detection keeps of one endpoint of one service: its counts of answers, and whether it is thrown
// out, until when, and how often that has happened. Written by whoever judges (outlier.h), read by whoever
// picks. An instance behind two services has two, so that neither's policy judges by the other's answers.
// Shared between snapshot versions and threads: relaxed atomics.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/time.h"

namespace weft::steer {

class Ejection {
 public:
  // May it not be picked now?
  bool out(Instant now) const { return now.ns < until_.load(std::memory_order_relaxed); }
  // When it came back or will; 0: it was never out.
  Instant until() const { return {until_.load(std::memory_order_relaxed)}; }
  // Ejections that healthy intervals have not made up for yet.
  uint32_t times() const { return times_.load(std::memory_order_relaxed); }

 private:
  friend class Outliers;
  std::atomic<int64_t> until_{0};
  std::atomic<uint32_t> times_{0};
  std::atomic<bool> told_{true};  // that it is back
  // In a row.
  std::atomic<uint32_t> errors_{0}, gateway_errors_{0};
  // Within the interval.
  std::atomic<uint32_t> answers_{0}, failures_{0};
};

}  // namespace weft::steer
