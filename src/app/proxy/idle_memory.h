// What an idle sidecar keeps in memory. A start touches most of the code of OpenSSL, protobuf and the C++
// library once, and a burst of traffic leaves freed memory with the allocator; neither is needed to
// wait. When the process has become idle both are given back: code comes again from the page cache
// when it is wanted (some hundred minor page faults), memory from the kernel.
#pragma once

#include "base/time.h"
#include "io/loop.h"

namespace weft::app {

// Decides when: a plain state machine.
class IdleWatch {
 public:
  static constexpr Duration kLook = Duration::seconds(3);
  static constexpr Duration kIdle = Duration::millis(30);  // CPU time between two looks: 1 %

  // Given the process's CPU time so far: has it just become idle? Once for each time that it does.
  bool became_idle(Duration cpu);

 private:
  Duration cpu_before_{};
  bool idle_ = false;
};

// Main loop only.
class IdleMemory {
 public:
  explicit IdleMemory(io::Loop& loop);

 private:
  void look();

  IdleWatch watch_;
  io::Timer timer_;
};

// Gives back what can be had again; any thread, at any time.
void release_idle_memory();

}  // namespace weft::app
