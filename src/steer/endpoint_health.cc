// Passive health as one small state machine of (failures in a row, rest until). Time is an argument.
// The lowest bit of the rest mark says "a trial is under way": nanoseconds have it to spare. A success
// writes nothing in the common case, so the request path dirties no shared line for it.
#include "steer/endpoint_health.h"

#include <algorithm>

namespace weft::steer {
namespace {

constexpr int64_t kTrialBit = 1;

int64_t rest_mark(Instant until) { return until.ns & ~kTrialBit; }
int64_t trial_mark(Instant until) { return until.ns | kTrialBit; }

}  // namespace

bool EndpointHealth::claim(Instant now) {
  int64_t mark = rests_until_.load(std::memory_order_relaxed);
  if (mark == 0) return true;
  if (now.ns < mark) return false;
  // The rest is over (or a trial never reported): whoever moves the mark makes the trial.
  return rests_until_.compare_exchange_strong(mark, trial_mark(now + kTrial),
                                              std::memory_order_relaxed);
}

bool EndpointHealth::resting(Instant now) const {
  return now.ns < rests_until_.load(std::memory_order_relaxed);
}

void EndpointHealth::failed(Instant now) {
  int64_t mark = rests_until_.load(std::memory_order_relaxed);
  // Many requests fail together when an endpoint dies: after the first it is out already.
  bool already_out = mark != 0 && (mark & kTrialBit) == 0 && now.ns < mark;
  if (already_out) return;
  uint32_t before = failures_.load(std::memory_order_relaxed);
  Duration rest = std::min(kFirstRest * (int64_t{1} << std::min(before, 6u)), kLongestRest);
  // Of failures that two workers see at once one counts.
  if (rests_until_.compare_exchange_strong(mark, rest_mark(now + rest), std::memory_order_relaxed))
    failures_.fetch_add(1, std::memory_order_relaxed);
}

void EndpointHealth::succeeded() {
  if (rests_until_.load(std::memory_order_relaxed) == 0) return;
  latency.forget();
  failures_.store(0, std::memory_order_relaxed);
  rests_until_.store(0, std::memory_order_relaxed);
}

}  // namespace weft::steer
