// Loop: one thread's world. It owns the ready queue, the timers and the end-of-turn flush list; what
// differs between the kernel and the simulation (waiting, the clock, waking from another thread) is
// virtual. One turn: deliver what the network has → run ready work and due timers until none is left
// → flush every writer that asked. Flushing once per turn is what makes many small writes one send.
// A burst is a run of turns between which the loop did not sleep, because the network had more each
// time; an implementation bounds it. Whoever gathers for many (a connection that carries many
// requests) flushes at its end.
//
// Threading: everything except post_remote() belongs to the loop's own thread.
// Lifetime: a Runnable or Timer unlinks itself when destroyed; the loop outlives them all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/time.h"

namespace weft::io {

class Loop;

// Intrusive list node: work that can be queued without allocating. Queue twice = once.
class Runnable {
 public:
  Runnable() = default;
  Runnable(const Runnable&) = delete;
  Runnable& operator=(const Runnable&) = delete;
  virtual ~Runnable() { unlink(); }

  bool queued() const { return next_ != nullptr; }
  void unlink() {
    if (!next_) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    next_ = prev_ = nullptr;
  }

 protected:
  virtual void run() = 0;
  // The queue ended while this was in it: run() will not come. Whoever owns itself frees itself here.
  virtual void abandoned() {}

 private:
  friend class RunQueue;
  Runnable* prev_ = nullptr;
  Runnable* next_ = nullptr;
};

// A list of Runnables; whoever is destroyed leaves it.
class RunQueue {
 public:
  RunQueue() = default;
  RunQueue(const RunQueue&) = delete;
  RunQueue& operator=(const RunQueue&) = delete;
  ~RunQueue() { abandon_all(); }

  void push(Runnable& work);
  bool empty() const { return head_.next_ == &head_; }
  // Runs what is queued now; work queued meanwhile waits for the next call. Returns how many ran.
  size_t run_all();
  // Takes everything off without running it.
  void abandon_all();

 private:
  struct Head final : Runnable {
    Head() { next_ = prev_ = this; }
    ~Head() override { next_ = prev_ = nullptr; }
    void run() override {}
  };
  static Runnable* pop(Head& head);
  Head head_;
};

// One-shot timer. arm() again moves it. The callback may arm, cancel or destroy the timer.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> callback);
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer();

  void arm(Duration after);
  void arm_at(Instant deadline);
  void cancel();
  bool armed() const { return slot_ != kIdle; }
  Instant deadline() const { return deadline_; }

 private:
  friend class Loop;
  static constexpr size_t kIdle = SIZE_MAX;
  Loop& loop_;
  std::function<void()> callback_;
  Instant deadline_;
  uint64_t order_ = 0;  // equal deadlines fire in the order they were armed
  size_t slot_ = kIdle;
};

class Loop : public Clock {
 public:
  Loop() = default;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() override;

  // Queues work for this turn (or the next, if called while flushing).
  void ready(Runnable& work) { ready_.push(work); }
  // The same for a closure; allocates. Prefer ready() on the request path.
  void post(std::move_only_function<void()> fn);
  // From any thread: fn runs on the loop's thread. Wakes the loop.
  virtual void post_remote(std::move_only_function<void()> fn) = 0;
  // run() is called once at the end of the present turn.
  void at_end_of_turn(Runnable& flush) { flush_.push(flush); }
  // run() is called once at the end of the present burst, or soon: for small things only.
  void at_end_of_burst(Runnable& flush) { burst_.push(flush); }
  // For what owns itself (a connection closing in the background): never run, only told abandoned()
  // when the loop ends, unless it was destroyed before.
  void keep_until_end(Runnable& orphan) { orphans_.push(orphan); }

 protected:
  // For implementations. Runs ready work, due timers and flushes until all is quiet, or until so many
  // rounds went by that the network deserves a look (then has_ready_work()). `burst_over`: this turn is
  // the last of its burst.
  void finish_turn(bool burst_over = true);
  bool has_ready_work() const { return !ready_.empty() || !flush_.empty() || gathering(); }
  // Something waits for the end of the burst.
  bool gathering() const { return !burst_.empty(); }
  // Earliest deadline, or false when no timer is armed.
  bool next_deadline(Instant& deadline) const;
  // To be called first in an implementation's destructor: drops queued closures and orphans while
  // what they hold can still leave the loop.
  void drop_work();

 private:
  friend class Timer;
  void fire_due_timers();
  void timer_insert(Timer& timer);
  void timer_remove(Timer& timer);
  void sift_up(size_t slot);
  void sift_down(size_t slot);

  std::vector<Timer*> timers_;  // binary heap by (deadline, order)
  uint64_t timer_order_ = 0;
  Timer* firing_ = nullptr;  // its callback runs; null again when the callback destroyed it
  RunQueue ready_;
  RunQueue flush_;
  RunQueue burst_;
  RunQueue orphans_;
};

}  // namespace weft::io
