// Shares of traffic: whose turn it is among backends with weights, in a smooth round robin, so that of 90
// and 10 every tenth goes to the second.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "base/random.h"
#include "model/service.h"

namespace weft::steer {

// Smooth weighted round robin (as nginx does it) as a table of indices; weights beyond what a table of
// 1000 turns can hold are rounded, but none of them to nothing. Weight 0 gets no turn.
std::vector<uint16_t> weighted_schedule(const std::vector<uint32_t>& weights);

// Immutable but for one relaxed counter, which begins anywhere: rules come in new versions and sidecars in many,
// and if each began with the first turn, the last backend of a 90/10 split would get nothing of a service whose
// rules change every five requests, or of a thousand callers of five requests each. Shared between threads.
class Turns {
 public:
  Turns() = default;
  explicit Turns(const std::vector<model::Backend>& backends);

  // One of those it was made of, in their order; null when none has a positive weight.
  const model::Backend* next(const std::vector<model::Backend>& backends, Random& random) const;

 private:
  std::vector<uint16_t> schedule_;
  mutable std::atomic<uint32_t> turn_{0};  // 0: not begun
};

}  // namespace weft::steer
