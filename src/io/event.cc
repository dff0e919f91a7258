// Waiters sit in an intrusive list inside their own frames, so waiting allocates nothing, and a
// cancelled frame takes its waiter out of the list or of the ready queue by destructor.
#include "io/event.h"

namespace weft::io {

void Event::set() {
  set_ = true;
  pulse();
}

void Event::pulse() {
  while (first_) first_->wake();
}

Event::Awaiter Event::wait() { return Awaiter(*this); }

Task<bool> Event::wait_for(Duration timeout) {
  if (set_) co_return true;
  Awaiter awaiter(*this);
  bool expired = false;
  Timer timer(loop_, [&] {
    if (!awaiter.waiting_) return;  // woken just before, about to run
    expired = true;
    awaiter.wake();
  });
  timer.arm(timeout);
  co_await awaiter;
  co_return !expired;
}

Event::Awaiter::~Awaiter() {
  if (waiting_) leave();
}

void Event::Awaiter::await_suspend(std::coroutine_handle<> handle) noexcept {
  handle_ = handle;
  waiting_ = true;
  // Appended at the end: who waits longest is woken first.
  if (!event_.first_) {
    event_.first_ = next_ = prev_ = this;
    return;
  }
  next_ = event_.first_;
  prev_ = event_.first_->prev_;
  prev_->next_ = this;
  next_->prev_ = this;
}

void Event::Awaiter::leave() {
  waiting_ = false;
  if (next_ == this) {
    event_.first_ = nullptr;
    return;
  }
  prev_->next_ = next_;
  next_->prev_ = prev_;
  if (event_.first_ == this) event_.first_ = next_;
}

void Event::Awaiter::wake() {
  leave();
  event_.loop_.ready(*this);
}

namespace {

struct Sleep {
  Sleep(Loop& loop, Duration after) : timer(loop, [this] { handle.resume(); }), after(after) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    handle = waiting;
    timer.arm(after);
  }
  void await_resume() const noexcept {}

  std::coroutine_handle<> handle;
  Timer timer;
  Duration after;
};

}  // namespace

Task<void> sleep_for(Loop& loop, Duration after) { co_await Sleep(loop, after); }

}  // namespace weft::io
