// What a sidecar keeps in memory that it does not need. A start touches most of the code of OpenSSL, protobuf and the C++
// library once, and a burst of traffic leaves freed memory with the allocator; neither is needed to
// wait. When the process has become idle both are given back: code comes again from the page cache
// when it is wanted (some hundred minor page faults), memory from the kernel. A
// process that is never idle gives back what a burst has left with the allocator every half minute.
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
  bool idle() const { return idle_; }

 private:
  Duration cpu_before_{};
  bool idle_ = false;
};

// Main loop only.
class IdleMemory {
 public:
  static constexpr int kBusyLooks = 10;
  // What the allocator may hold free in a busy process: asking for it again costs a page fault for 4 KiB.
  static constexpr size_t kFree = size_t{4} << 20;

  explicit IdleMemory(io::Loop& loop);

 private:
  void look();

  IdleWatch watch_;
  int busy_looks_ = 0;
  io::Timer timer_;
};

// Gives back what can be had again; any thread, at any time.
void release_idle_memory();
// Only what the allocator holds free, if that is more than `most`.
void release_free_memory(size_t most);

}  // namespace weft::app
