// All the work is io::Loop's; this only decides when a turn happens.
#include "sim/loop.h"

namespace weft::sim {

bool SimLoop::turn_if_needed() {
  if (stopped_) return false;
  Instant deadline;
  const bool due = next_deadline(deadline) && deadline <= now();
  if (!due && !has_ready_work()) return false;
  finish_turn();
  return true;
}

void SimLoop::stop() {
  stopped_ = true;
  drop_work();
}

void SimLoop::start() {
  drop_work();  // what dying objects queued
  stopped_ = false;
}

}  // namespace weft::sim
