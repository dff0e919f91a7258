// Waiting primitives for coroutines. All resume through the loop's ready queue, never inside the call
// that signals: whoever calls set() can rely on nothing else having run when it returns.
#pragma once

#include <coroutine>

#include "base/assert.h"
#include "io/loop.h"
#include "io/task.h"

namespace weft::io {

// A latched flag any number of coroutines may wait for. set() wakes all and stays set until reset().
class Event {
 public:
  explicit Event(Loop& loop) : loop_(loop) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  // Nobody may still wait; who was woken and has not run yet may be outlived.
  ~Event() { WEFT_ASSERT(first_ == nullptr); }

  void set();
  void reset() { set_ = false; }
  bool is_set() const { return set_; }

  class Awaiter;
  // `co_await event.wait()`: returns at once when set.
  Awaiter wait();
  // True when set or pulsed, false when the time ran out first.
  Task<bool> wait_for(Duration timeout);
  // Wakes all present waiters without latching.
  void pulse();

 private:
  friend class Awaiter;
  Loop& loop_;
  bool set_ = false;
  Awaiter* first_ = nullptr;
};

class Event::Awaiter final : public Runnable {
 public:
  explicit Awaiter(Event& event) : event_(event) {}
  ~Awaiter() override;
  bool await_ready() const noexcept { return event_.set_; }
  void await_suspend(std::coroutine_handle<> handle) noexcept;
  void await_resume() const noexcept {}

 private:
  friend class Event;
  void run() override { handle_.resume(); }
  void leave();
  // Stops waiting and resumes; nothing when already woken.
  void wake();
  Event& event_;
  std::coroutine_handle<> handle_;
  Awaiter* next_ = nullptr;
  Awaiter* prev_ = nullptr;
  bool waiting_ = false;
};

// Completes after `after`.
Task<void> sleep_for(Loop& loop, Duration after);

// A scope that can be waited for: counts who is inside; close() refuses newcomers; drained is set when
// closed and empty. The named primitive for shutdown.
class Gate {
 public:
  explicit Gate(Loop& loop) : drained_(loop) {}
  // False once closed.
  bool enter() {
    if (closed_) return false;
    ++inside_;
    return true;
  }
  void leave() {
    WEFT_ASSERT(inside_ > 0);
    if (--inside_ == 0 && closed_) drained_.set();
  }
  void close() {
    closed_ = true;
    if (inside_ == 0) drained_.set();
  }
  bool closed() const { return closed_; }
  size_t inside() const { return inside_; }
  Event& drained() { return drained_; }

 private:
  bool closed_ = false;
  size_t inside_ = 0;
  Event drained_;
};

}  // namespace weft::io
