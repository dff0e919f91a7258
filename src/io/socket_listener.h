// SocketListener: accepts on a listening TCP or Unix socket and hands over what it accepted, from loop
// turns only, never from its constructor. When the process runs out of descriptors or memory it pauses
// for 100 ms and tries again instead of spinning on a listener that stays readable.
// Any number of loops, of one process or several, may listen on the same socket: a connect wakes one that
// sleeps. One that is paused is never woken, so that none waits for it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "io/epoll_loop.h"
#include "io/network.h"

namespace weft::io {

// A connection that belongs to no loop yet: it may be passed to another thread before it becomes a stream.
struct Accepted {
  Fd fd;
  SocketAddress peer;
};
using AcceptedFn = std::function<void(Accepted)>;

class SocketListener final : public Listener {
 public:
  // A listening, non-blocking descriptor. When `unlink_path` is given, that socket file is removed at
  // the end, if it is still the one it was at the start.
  SocketListener(EpollLoop& loop, Fd fd, AcceptedFn accept, std::string unlink_path = {});
  ~SocketListener() override;

  SocketAddress address() const override { return address_; }
  void pause() override;
  void resume() override;

 private:
  struct Resume final : Runnable {
    explicit Resume(SocketListener& listener) : listener(listener) {}
    void run() override { listener.accept_all(); }
    SocketListener& listener;
  };
  void watch();
  void accept_all();
  bool accept_one();

  EpollLoop& loop_;
  Fd fd_;
  AcceptedFn accept_;
  std::string unlink_path_;
  uint64_t unlink_inode_ = 0;
  SocketAddress address_;
  bool paused_ = false;
  bool* destroyed_ = nullptr;  // set while accept_all() is on the stack
  Resume again_{*this};
  Timer retry_;
  std::optional<FdWatch> watch_;  // none while paused
};

}  // namespace weft::io
