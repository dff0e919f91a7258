// SimLoop: one simulated thread. Turned by the World, in order of creation; time is the World's.
#pragma once

#include "io/loop.h"
#include "sim/scheduler.h"

namespace weft::sim {

class SimLoop final : public io::Loop {
 public:
  explicit SimLoop(Scheduler& scheduler) : scheduler_(scheduler) {}
  ~SimLoop() override { drop_work(); }

  Instant now() const override { return scheduler_.now(); }
  WallTime wall_now() const override { return scheduler_.wall_now(); }
  // The simulation has one real thread; a stopped loop loses what is posted.
  void post_remote(std::move_only_function<void()> fn) override {
    if (!stopped_) post(std::move(fn));
  }

  // Runs a turn if there is work or a due timer; returns whether there was.
  bool turn_if_needed();
  bool next_timer(Instant& at) const { return !stopped_ && next_deadline(at); }
  // A stopped loop runs nothing, and what was queued is lost (a crash).
  void stop();
  void start();

 private:
  Scheduler& scheduler_;
  bool stopped_ = false;
};

}  // namespace weft::sim
