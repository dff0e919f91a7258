// LoopThread: a thread with an EpollLoop of its own. `main` runs on it: builds its objects on its stack,
// calls loop.run(), and lets them go when that returns, so that everything of the loop lives and dies on
// its thread. Destroying the LoopThread stops the loop and joins.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "io/epoll_loop.h"

namespace weft::io {

class LoopThread {
 public:
  // `name`: at most 15 bytes are shown by the system.
  LoopThread(const std::string& name, std::move_only_function<void(EpollLoop&)> main);
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  ~LoopThread();

  // Stops the loop and waits for `main` to return; what is posted from then on is dropped. The destructor
  // does the same: threads that post to each other are all joined before the first is destroyed.
  void join();

  // For post_remote(); valid while this lives. What is posted after main returned is dropped.
  EpollLoop& loop() { return loop_; }

 private:
  EpollLoop loop_;
  std::thread thread_;
};

}  // namespace weft::io
