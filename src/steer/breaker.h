// Breaker: how much of one proxy is under way to one backend service, all its workers together, and how
// often a bound refused something. The bounds are the policy's (model::CircuitBreaker) and come with
// every question, because a rule may have its own; 0 = no bound, then nothing is counted either.
// Any thread: relaxed atomics, each on a line of its own. Outlives what it counts.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "io/tally.h"

namespace weft::steer {

class Breaker {
 public:
  enum What : uint8_t { kConnections, kPending, kRequests, kRetries };
  static constexpr int kKinds = 4;

  // One more, counted as long as the answer lives; nothing when there are `most` already. Of two that meet
  // at the bound both may be turned away, never both let through.
  std::optional<io::Tally> take(What what, uint32_t most);
  // Counts one without asking: what may always be.
  io::Tally count(What what) { return io::Tally(counts_[what].now); }

  uint32_t now(What what) const { return counts_[what].now.load(std::memory_order_relaxed); }
  uint64_t refused(What what) const {
    return counts_[what].refused.load(std::memory_order_relaxed);
  }

 private:
  struct alignas(64) Count {
    std::atomic<uint32_t> now{0};
    std::atomic<uint64_t> refused{0};
  };
  Count counts_[kKinds];
};

// "connections", "pending", "requests", "retries".
const char* to_string(Breaker::What what);

}  // namespace weft::steer
