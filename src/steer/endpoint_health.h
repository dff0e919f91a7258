// What a sidecar knows of one endpoint from its own traffic (passive health): how many exchanges are in
// flight and whether it is left out for now. An endpoint that refuses, resets or shows a wrong identity
// is left out for a time that doubles with each failure in a row; when the time is over, one request
// may try it again before the others follow.
//
// Shared between snapshot versions and threads: relaxed atomics, no lock. The state
// stays when an endpoint object is replaced by a newer version of the same instance at the same address.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/time.h"
#include "steer/ewma.h"

namespace weft::steer {

class EndpointHealth {
 public:
  static constexpr Duration kFirstRest = Duration::millis(500);
  static constexpr Duration kLongestRest = Duration::seconds(30);
  // How long the one trial request has the endpoint for itself.
  static constexpr Duration kTrial = Duration::seconds(1);

  // May this endpoint be picked now? When its rest is over, exactly one caller is told yes and the
  // endpoint stays out for the others until that trial reports or kTrial has passed.
  bool claim(Instant now);
  // Is it being left out? (For reports; claims nothing.)
  bool resting(Instant now) const;

  // Its rest is over and nobody has tried it since: the next claim() makes the trial.
  bool trial_due(Instant now) const {
    const int64_t mark = rests_until_.load(std::memory_order_relaxed);
    return mark != 0 && now.ns >= mark;
  }

  // The endpoint refused, reset or was somebody else. Failures of requests that were already under way
  // when the rest began do not lengthen it.
  void failed(Instant now);
  // It answered: all is forgotten; after a rest its latency, too, which is measured anew.
  void succeeded();

  // How long its answers take.
  PeakEwma latency;

  // It joined the others, or is ready again, while they were in use already. 0: it was there before us.
  void joined(Instant now) { joined_.store(now.ns, std::memory_order_relaxed); }
  Instant joined() const { return {joined_.load(std::memory_order_relaxed)}; }

  uint32_t active() const { return active_.load(std::memory_order_relaxed); }
  void begin() { active_.fetch_add(1, std::memory_order_relaxed); }
  void end() { active_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> active_{0};
  std::atomic<uint32_t> failures_{0};
  std::atomic<int64_t> rests_until_{0};  // 0: in use
  std::atomic<int64_t> joined_{0};
};

// Counts an exchange on an endpoint for as long as it lives.
class InFlight {
 public:
  explicit InFlight(EndpointHealth& health) : health_(&health) { health_->begin(); }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;
  ~InFlight() { health_->end(); }

 private:
  EndpointHealth* health_;
};

}  // namespace weft::steer
