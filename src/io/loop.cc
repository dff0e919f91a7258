// The parts of a loop that the kernel's and the simulated one share. Queues are intrusive, so queueing
// costs no allocation and a destroyed object leaves by itself; timers are a binary heap of pointers
// that know their slot, so arm and cancel are O(log n) and an idle timer costs nothing.
#include "io/loop.h"

#include <utility>

#include "base/assert.h"
#include "io/task.h"

namespace weft::io {

namespace {

// After so many rounds the network gets its turn, even if tasks keep waking each other.
constexpr int kRoundsPerTurn = 32;

// A posted closure owns itself.
class Closure final : public Runnable {
 public:
  explicit Closure(std::move_only_function<void()> fn) : fn_(std::move(fn)) {}

 private:
  void run() override {
    auto fn = std::move(fn_);
    delete this;
    fn();
  }
  void abandoned() override { delete this; }
  std::move_only_function<void()> fn_;
};

}  // namespace

void RunQueue::push(Runnable& work) {
  if (work.queued()) return;
  work.prev_ = head_.prev_;
  work.next_ = &head_;
  head_.prev_->next_ = &work;
  head_.prev_ = &work;
}

Runnable* RunQueue::pop(Head& head) {
  Runnable* first = head.next_;
  if (first == &head) return nullptr;
  first->unlink();
  return first;
}

size_t RunQueue::run_all() {
  if (empty()) return 0;
  // Everything queued moves to a list of its own, from which it can still unlink.
  Head batch;
  batch.next_ = std::exchange(head_.next_, &head_);
  batch.prev_ = std::exchange(head_.prev_, &head_);
  batch.next_->prev_ = batch.prev_->next_ = &batch;
  size_t ran = 0;
  while (Runnable* work = pop(batch)) {
    work->run();
    ++ran;
  }
  return ran;
}

void RunQueue::abandon_all() {
  while (Runnable* work = pop(head_)) work->abandoned();
}

Timer::Timer(Loop& loop, std::function<void()> callback)
    : loop_(loop), callback_(std::move(callback)) {}

Timer::~Timer() {
  cancel();
  if (loop_.firing_ == this) loop_.firing_ = nullptr;
}

void Timer::arm(Duration after) { arm_at(loop_.now() + after); }

void Timer::arm_at(Instant deadline) {
  cancel();
  deadline_ = deadline;
  loop_.timer_insert(*this);
}

void Timer::cancel() {
  if (armed()) loop_.timer_remove(*this);
}

Loop::~Loop() {
  drop_work();
  WEFT_ASSERT(timers_.empty());  // a Timer may not outlive its loop
}

void Loop::drop_work() {
  // What is dropped may queue again from its destructor.
  while (!ready_.empty() || !flush_.empty() || !burst_.empty() || !orphans_.empty()) {
    ready_.abandon_all();
    flush_.abandon_all();
    burst_.abandon_all();
    orphans_.abandon_all();
  }
}

void Loop::post(std::move_only_function<void()> fn) { ready(*new Closure(std::move(fn))); }

void Loop::finish_turn(bool burst_over) {
  for (int round = 0; round < kRoundsPerTurn; ++round) {
    fire_due_timers();
    for (; round < kRoundsPerTurn && ready_.run_all() > 0; ++round) detail::free_doomed_tasks();
    if (flush_.run_all() > 0 || !ready_.empty()) continue;
    if (!burst_over || burst_.run_all() == 0) break;
  }
  detail::free_doomed_tasks();
}

bool Loop::next_deadline(Instant& deadline) const {
  if (timers_.empty()) return false;
  deadline = timers_.front()->deadline_;
  return true;
}

void Loop::fire_due_timers() {
  const Instant present = now();
  const uint64_t armed_meanwhile = timer_order_;
  while (!timers_.empty()) {
    Timer& timer = *timers_.front();
    if (timer.deadline_ > present || timer.order_ >= armed_meanwhile) return;
    timer_remove(timer);
    // The callback may destroy its timer: it runs from here, and goes back only if there is a back.
    auto callback = std::move(timer.callback_);
    firing_ = &timer;
    callback();
    if (firing_) firing_->callback_ = std::move(callback);
    firing_ = nullptr;
  }
}

namespace {
bool before(Instant a, uint64_t a_order, Instant b, uint64_t b_order) {
  return a < b || (a == b && a_order < b_order);
}
}  // namespace

void Loop::timer_insert(Timer& timer) {
  timer.order_ = timer_order_++;
  timer.slot_ = timers_.size();
  timers_.push_back(&timer);
  sift_up(timer.slot_);
}

void Loop::timer_remove(Timer& timer) {
  const size_t slot = std::exchange(timer.slot_, Timer::kIdle);
  Timer* last = timers_.back();
  timers_.pop_back();
  if (last == &timer) return;
  timers_[slot] = last;
  last->slot_ = slot;
  sift_down(slot);
  sift_up(last->slot_);
}

void Loop::sift_up(size_t slot) {
  Timer* moving = timers_[slot];
  while (slot > 0) {
    const size_t parent = (slot - 1) / 2;
    Timer* above = timers_[parent];
    if (!before(moving->deadline_, moving->order_, above->deadline_, above->order_)) break;
    timers_[slot] = above;
    above->slot_ = slot;
    slot = parent;
  }
  timers_[slot] = moving;
  moving->slot_ = slot;
}

void Loop::sift_down(size_t slot) {
  Timer* moving = timers_[slot];
  for (;;) {
    size_t child = 2 * slot + 1;
    if (child >= timers_.size()) break;
    if (child + 1 < timers_.size() &&
        before(timers_[child + 1]->deadline_, timers_[child + 1]->order_, timers_[child]->deadline_,
               timers_[child]->order_)) {
      ++child;
    }
    Timer* below = timers_[child];
    if (!before(below->deadline_, below->order_, moving->deadline_, moving->order_)) break;
    timers_[slot] = below;
    below->slot_ = slot;
    slot = child;
  }
  timers_[slot] = moving;
  moving->slot_ = slot;
}

}  // namespace weft::io
