// SignalWatch: signals as loop events (signalfd). The watched signals are blocked in the constructing
// thread while it lives; make it before starting threads, so that they inherit the mask. Children
// inherit it too: give them an empty mask before exec.
#pragma once

#include <signal.h>

#include <functional>
#include <initializer_list>

#include "base/fd.h"
#include "io/epoll_loop.h"

namespace weft::io {

class SignalWatch {
 public:
  // Several pending signals of one number arrive as one (SIGCHLD: wait for all children). The callback
  // may destroy the watch.
  using Callback = std::move_only_function<void(int signal)>;

  SignalWatch(EpollLoop& loop, std::initializer_list<int> signals, Callback callback);
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  ~SignalWatch();

 private:
  void read_all();

  sigset_t previous_;
  Fd fd_;
  Callback callback_;
  bool* destroyed_ = nullptr;  // set while read_all() is on the stack
  FdWatch watch_;
};

}  // namespace weft::io
