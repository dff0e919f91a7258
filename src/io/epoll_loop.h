// EpollLoop: the kernel's Loop. Edge-triggered epoll, each descriptor registered once for everything;
// an eventfd wakes it for post_remote(). now() is the time at the start of the turn; wall_now() reads
// the clock.
//
// Threading: create, run and destroy it on one thread; only post_remote() and wall_now() may be called
// from others. Another thread stops it with post_remote([&] { loop.stop(); }).
// A process that gets no epoll descriptor cannot do anything: construction asserts.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "io/loop.h"
#include "io/silence_watch.h"

namespace weft::io {

class FdWatch;

class EpollLoop final : public Loop {
 public:
  EpollLoop();
  ~EpollLoop() override;

  // Turns until stop(). May be called again afterwards.
  void run();
  void stop() { stopped_ = true; }
  // Turns until `done` holds or `limit` has passed; returns done().
  bool run_for_test(const std::function<bool()>& done, Duration limit);

  Instant now() const override { return now_; }
  WallTime wall_now() const override;
  void post_remote(std::move_only_function<void()> fn) override;
  SilenceWatch& silence() { return silence_; }

 private:
  friend class FdWatch;
  // Where the kernel's event leads: a watch that was destroyed earlier in the same batch has left its
  // slot, and the generation tells a new tenant from the old.
  struct Slot {
    FdWatch* watch = nullptr;
    uint32_t generation = 0;
  };

  void turn(Duration longest_wait);
  void dispatch(uint64_t tag, uint32_t events);
  void run_remote();
  void read_clock();
  void add(FdWatch& watch, uint32_t events);
  void remove(FdWatch& watch);

  int epoll_fd_;
  int wake_fd_;
  bool stopped_ = false;
  Instant now_;
  Instant burst_since_;  // when the first turn began after which something was left to its end
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  std::mutex remote_mutex_;
  std::vector<std::move_only_function<void()>> remote_;
  SilenceWatch silence_{*this};
};

// Watches one descriptor, edge-triggered, for reading, writing and the peer's close: the callback gets
// EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLERR, EPOLLHUP as they newly come up. The first report comes with
// the next turn and says what holds then. Does not own the descriptor: destroy the watch before
// closing it. The callback may destroy the watch, and is never called after that.
class FdWatch {
 public:
  using Callback = std::move_only_function<void(uint32_t events)>;

  // kExclusive: of several loops that watch the same socket for reading, one that sleeps is woken, not all
  // (EPOLLEXCLUSIVE); those that are busy look when they come to it. Tells of nothing but reading.
  enum class Wake : uint8_t { kAll, kExclusive };

  FdWatch(EpollLoop& loop, int fd, Callback callback, Wake wake = Wake::kAll);
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;
  ~FdWatch();

  int fd() const { return fd_; }
  EpollLoop& loop() const { return loop_; }
  // For a descriptor that changes hands (a connect that succeeded). Not from inside the callback.
  void set_callback(Callback callback) { callback_ = std::move(callback); }

 private:
  friend class EpollLoop;
  EpollLoop& loop_;
  int fd_;
  uint32_t slot_ = 0;
  Callback callback_;
};

}  // namespace weft::io
