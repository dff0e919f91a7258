// The virtual clock and what will happen on it. Time moves only when nothing is left to do at the
// present instant, and then jumps to the next entry. Equal times run in the order they were scheduled.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "base/time.h"

namespace weft::sim {

class Scheduler {
 public:
  using Action = std::move_only_function<void()>;

  Instant now() const { return now_; }
  WallTime wall_now() const;
  void schedule_in(Duration after, Action action) { schedule_at(now_ + after, std::move(action)); }
  void schedule_at(Instant at, Action action);
  // Time of the next entry; false when there is none.
  bool next(Instant& at) const;
  void advance_to(Instant at);
  // Runs what is due now; returns whether anything was.
  bool run_due();
  // Drops everything, also what is scheduled by destructors meanwhile.
  void clear();

 private:
  Instant now_{1'000'000'000'000};
  uint64_t order_ = 0;
  std::map<std::pair<Instant, uint64_t>, Action> entries_;
};

}  // namespace weft::sim
