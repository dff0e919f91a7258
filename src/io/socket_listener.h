// SocketListener: accepts on a listening TCP or Unix socket and hands over streams, from loop turns
// only, never from its constructor. When the process runs out of descriptors or memory it pauses for
// 100 ms and tries again instead of spinning on a listener that stays readable.
#pragma once

#include <memory>
#include <string>

#include "base/fd.h"
#include "io/epoll_loop.h"
#include "io/network.h"

namespace weft::io {

class SocketListener final : public Listener {
 public:
  // A listening, non-blocking descriptor. When `unlink_path` is given, that socket file is removed at
  // the end, if it is still the one it was at the start.
  SocketListener(EpollLoop& loop, Fd fd, AcceptFn accept, std::string unlink_path = {});
  ~SocketListener() override;

  SocketAddress address() const override { return address_; }
  void pause() override { paused_ = true; }
  void resume() override;

 private:
  struct Resume final : Runnable {
    explicit Resume(SocketListener& listener) : listener(listener) {}
    void run() override { listener.accept_all(); }
    SocketListener& listener;
  };
  void accept_all();
  bool accept_one();

  EpollLoop& loop_;
  Fd fd_;
  AcceptFn accept_;
  std::string unlink_path_;
  uint64_t unlink_inode_ = 0;
  SocketAddress address_;
  bool paused_ = false;
  bool* destroyed_ = nullptr;  // set while accept_all() is on the stack
  Resume again_{*this};
  Timer retry_;
  FdWatch watch_;
};

}  // namespace weft::io
