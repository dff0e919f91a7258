// An ordered map: entries are few compared with the work they cause, and (time, order) as the key makes
// the run reproducible by construction.
#include "sim/scheduler.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace weft::sim {

namespace {
// 2026-01-01T00:00:00Z at the clock's start.
constexpr int64_t kWallOffset = 1'767'225'600'000'000'000 - 1'000'000'000'000;
}  // namespace

WallTime Scheduler::wall_now() const { return {now_.ns + kWallOffset}; }

void Scheduler::schedule_at(Instant at, Action action) {
  entries_.emplace(std::pair(std::max(at, now_), order_++), std::move(action));
}

bool Scheduler::next(Instant& at) const {
  if (entries_.empty()) return false;
  at = entries_.begin()->first.first;
  return true;
}

void Scheduler::advance_to(Instant at) {
  WEFT_ASSERT(at >= now_);
  now_ = at;
}

void Scheduler::clear() {
  while (!entries_.empty()) {
    const auto dropped = std::exchange(entries_, {});
  }
}

bool Scheduler::run_due() {
  bool ran = false;
  while (!entries_.empty() && entries_.begin()->first.first <= now_) {
    Action action = std::move(entries_.begin()->second);
    entries_.erase(entries_.begin());
    action();
    ran = true;
  }
  return ran;
}

}  // namespace weft::sim
