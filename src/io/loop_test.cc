// Queues and timers on a loop whose clock the test moves.
#include "io/loop.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "io/event.h"

namespace weft::io {
namespace {

class ManualLoop final : public Loop {
 public:
  ~ManualLoop() override { drop_work(); }
  Instant now() const override { return now_; }
  WallTime wall_now() const override { return {}; }
  void post_remote(std::move_only_function<void()> fn) override { post(std::move(fn)); }

  void turn() { finish_turn(); }
  void advance(Duration span) {
    now_ = now_ + span;
    turn();
  }
  using Loop::has_ready_work;
  using Loop::next_deadline;

 private:
  Instant now_{1000};
};

struct Job final : Runnable {
  explicit Job(std::function<void()> fn) : fn(std::move(fn)) {}
  void run() override { fn(); }
  std::function<void()> fn;
};

constexpr Duration ms(int64_t n) { return Duration::millis(n); }

TEST(Loop, RunsReadyWorkInOrderAndAWorkQueuedTwiceOnce) {
  ManualLoop loop;
  std::string order;
  Job a([&] { order += 'a'; });
  Job b([&] { order += 'b'; });
  loop.ready(a);
  loop.ready(b);
  loop.ready(a);
  loop.turn();
  EXPECT_EQ(order, "ab");
  EXPECT_FALSE(a.queued());
}

TEST(Loop, DestroyedWorkLeavesTheQueueEvenWhileItRuns) {
  ManualLoop loop;
  std::string order;
  auto second = std::make_unique<Job>([&] { order += "second"; });
  Job first([&] {
    order += "first";
    second.reset();
  });
  loop.ready(first);
  loop.ready(*second);
  loop.turn();
  EXPECT_EQ(order, "first");
}

TEST(Loop, FlushesOnceAfterAllReadyWork) {
  ManualLoop loop;
  std::string order;
  Job flush([&] { order += 'F'; });
  Job a([&] {
    order += 'a';
    loop.at_end_of_turn(flush);
    loop.post([&] {
      order += 'b';
      loop.at_end_of_turn(flush);
    });
  });
  loop.ready(a);
  loop.turn();
  EXPECT_EQ(order, "abF");
}

TEST(Loop, TheEndOfABurstComesAfterTheEndOfItsLastTurn) {
  ManualLoop loop;
  std::string order;
  Job flush([&] { order += 'F'; });
  Job after([&] { order += 'G'; });
  Job gathered([&] {
    order += 'B';
    loop.at_end_of_turn(after);
  });
  loop.at_end_of_burst(gathered);
  loop.at_end_of_burst(gathered);
  loop.at_end_of_turn(flush);
  loop.turn();
  EXPECT_EQ(order, "FBG");
}

TEST(Loop, GivesTheNetworkATurnWhenWorkNeverEnds) {
  ManualLoop loop;
  int runs = 0;
  Job* self = nullptr;
  Job again([&] {
    ++runs;
    loop.ready(*self);
  });
  self = &again;
  loop.ready(again);
  loop.turn();
  EXPECT_GT(runs, 1);
  EXPECT_TRUE(loop.has_ready_work());
}

TEST(Loop, ClosuresThatNeverRanAreFreedWithTheLoop) {
  auto token = std::make_shared<int>();
  {
    ManualLoop loop;
    loop.post([token] {});
    EXPECT_EQ(token.use_count(), 2);
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(Timer, FiresInOrderOfDeadlineThenOfArming) {
  ManualLoop loop;
  std::string order;
  Timer late(loop, [&] { order += 'c'; });
  Timer first(loop, [&] { order += 'a'; });
  Timer second(loop, [&] { order += 'b'; });
  late.arm(ms(20));
  first.arm(ms(10));
  second.arm(ms(10));
  loop.advance(ms(9));
  EXPECT_EQ(order, "");
  loop.advance(ms(1));
  EXPECT_EQ(order, "ab");
  EXPECT_FALSE(first.armed());
  loop.advance(ms(100));
  EXPECT_EQ(order, "abc");
}

TEST(Timer, MovesWhenArmedAgainAndStaysSilentWhenCancelled) {
  ManualLoop loop;
  int fired = 0;
  Timer moved(loop, [&] { ++fired; });
  Timer cancelled(loop, [&] { fired += 100; });
  moved.arm(ms(1));
  cancelled.arm(ms(1));
  moved.arm(ms(50));
  cancelled.cancel();
  loop.advance(ms(49));
  EXPECT_EQ(fired, 0);
  Instant deadline;
  ASSERT_TRUE(loop.next_deadline(deadline));
  EXPECT_EQ(deadline, loop.now() + ms(1));
  loop.advance(ms(1));
  EXPECT_EQ(fired, 1);
  EXPECT_FALSE(loop.next_deadline(deadline));
}

TEST(Timer, MayDestroyOrRearmItselfInItsCallback) {
  ManualLoop loop;
  auto token = std::make_shared<int>();
  int fired = 0;
  std::unique_ptr<Timer> dying;
  dying = std::make_unique<Timer>(loop, [&, token] {
    dying.reset();
    fired += static_cast<int>(token.use_count()) > 0 ? 1 : 0;
  });
  dying->arm(ms(1));
  Timer* self = nullptr;
  int repeats = 0;
  Timer repeating(loop, [&] {
    if (++repeats < 3) self->arm(ms(1));
  });
  self = &repeating;
  repeating.arm(ms(1));
  for (int i = 0; i < 5; ++i) loop.advance(ms(1));
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_EQ(repeats, 3);
}

TEST(Timer, ArmedForNowInItsOwnCallbackLetsOthersRun) {
  ManualLoop loop;
  bool other_ran = false;
  int fired = 0;
  Timer* self = nullptr;
  Timer hot(loop, [&] {
    ++fired;
    if (!other_ran) self->arm(Duration{});
  });
  self = &hot;
  hot.arm(Duration{});
  loop.post([&] { other_ran = true; });
  loop.turn();
  EXPECT_TRUE(other_ran);
  EXPECT_LE(fired, 2);
}

TEST(Timer, ThousandsInRandomOrderComeOutSorted) {
  ManualLoop loop;
  std::vector<int64_t> fired;
  std::vector<std::unique_ptr<Timer>> timers;
  uint64_t state = 12345;
  for (int i = 0; i < 5000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const auto after = static_cast<int64_t>((state >> 33) % 100'000);
    timers.push_back(std::make_unique<Timer>(loop, [&fired, after] { fired.push_back(after); }));
    timers.back()->arm(Duration{after});
    if (i % 3 == 0) timers[static_cast<size_t>(state >> 40) % timers.size()]->cancel();
  }
  size_t armed = 0;
  for (const auto& timer : timers) armed += timer->armed() ? 1 : 0;
  loop.advance(Duration{100'000});
  EXPECT_EQ(fired.size(), armed);
  EXPECT_TRUE(std::is_sorted(fired.begin(), fired.end()));
}

Task<void> wait_on(Event& event, std::string& log, char name) {
  co_await event.wait();
  log += name;
}

TEST(Event, WakesAllInOrderButNeverInsideSet) {
  ManualLoop loop;
  Event event(loop);
  std::string log;
  TaskScope scope;
  scope.spawn(wait_on(event, log, 'a'));
  scope.spawn(wait_on(event, log, 'b'));
  scope.spawn(wait_on(event, log, 'c'));
  event.set();
  EXPECT_EQ(log, "");
  loop.turn();
  EXPECT_EQ(log, "abc");
  scope.spawn(wait_on(event, log, 'd'));
  EXPECT_EQ(log, "abcd") << "a set event does not wait";
}

TEST(Event, PulseWakesThosePresentWithoutLatching) {
  ManualLoop loop;
  Event event(loop);
  std::string log;
  TaskScope scope;
  scope.spawn(wait_on(event, log, 'a'));
  event.pulse();
  scope.spawn(wait_on(event, log, 'b'));
  loop.turn();
  EXPECT_EQ(log, "a");
  EXPECT_EQ(scope.running(), 1u);
}

TEST(Event, CancelledWaitersLeaveItFromAnyPlace) {
  for (const bool woken : {false, true}) {
    ManualLoop loop;
    Event event(loop);
    std::string log;
    TaskScope left;
    TaskScope middle;
    TaskScope right;
    left.spawn(wait_on(event, log, 'l'));
    middle.spawn(wait_on(event, log, 'm'));
    right.spawn(wait_on(event, log, 'r'));
    if (woken) event.set();
    middle.cancel_all();
    event.set();
    loop.turn();
    EXPECT_EQ(log, "lr") << woken;
  }
}

TEST(Event, MayBeDestroyedOnceItsWaitersAreWoken) {
  ManualLoop loop;
  auto event = std::make_unique<Event>(loop);
  std::string log;
  TaskScope scope;
  scope.spawn(wait_on(*event, log, 'a'));
  event->set();
  event.reset();
  loop.turn();
  EXPECT_EQ(log, "a");
}

Task<void> wait_at_most(Event& event, Duration limit, std::string& log) {
  log += co_await event.wait_for(limit) ? "set " : "late ";
}

TEST(Event, WaitForEndsByTheEventOrByTheClock) {
  ManualLoop loop;
  Event event(loop);
  std::string log;
  TaskScope scope;
  scope.spawn(wait_at_most(event, ms(10), log));
  loop.advance(ms(10));
  EXPECT_EQ(log, "late ");
  scope.spawn(wait_at_most(event, ms(10), log));
  loop.advance(ms(9));
  event.set();
  loop.turn();
  EXPECT_EQ(log, "late set ");
  Instant deadline;
  EXPECT_FALSE(loop.next_deadline(deadline)) << "the timer is gone";
  scope.spawn(wait_at_most(event, ms(10), log));
  EXPECT_EQ(log, "late set set ");
}

TEST(Event, WhenSetJustAsTheTimeRunsOutItCountsAsSet) {
  ManualLoop loop;
  Event event(loop);
  std::string log;
  TaskScope scope;
  Timer setter(loop, [&] { event.set(); });
  setter.arm(ms(10));
  scope.spawn(wait_at_most(event, ms(10), log));
  loop.advance(ms(10));
  EXPECT_EQ(log, "set ");
}

TEST(Event, WaitForCanBeCancelledBeforeAndAfterItsTimerFired) {
  ManualLoop loop;
  Event event(loop);
  std::string log;
  {
    TaskScope scope;
    scope.spawn(wait_at_most(event, ms(10), log));
  }
  TaskScope scope;
  scope.spawn(wait_at_most(event, ms(5), log));
  Timer canceller(loop, [&] { scope.cancel_all(); });
  canceller.arm(ms(5));  // fires right after the timeout made the waiter ready
  loop.advance(ms(10));
  EXPECT_EQ(log, "");
}

TEST(Sleep, EndsAtItsTimeAndCanBeCancelled) {
  ManualLoop loop;
  bool woke = false;
  auto sleeper = [](Loop& loop, bool* woke) -> Task<void> {
    co_await sleep_for(loop, ms(3));
    *woke = true;
  };
  TaskScope scope;
  scope.spawn(sleeper(loop, &woke));
  loop.advance(ms(2));
  EXPECT_FALSE(woke);
  loop.advance(ms(1));
  EXPECT_TRUE(woke);
  woke = false;
  scope.spawn(sleeper(loop, &woke));
  scope.cancel_all();
  loop.advance(ms(10));
  EXPECT_FALSE(woke);
}

TEST(Gate, IsDrainedWhenClosedAndEmpty) {
  ManualLoop loop;
  Gate gate(loop);
  EXPECT_TRUE(gate.enter());
  gate.close();
  EXPECT_FALSE(gate.enter());
  EXPECT_FALSE(gate.drained().is_set());
  gate.leave();
  EXPECT_TRUE(gate.drained().is_set());
  Gate empty(loop);
  empty.close();
  EXPECT_TRUE(empty.drained().is_set());
}

TEST(Loop, ATaskThatDestroysItsOwnScopeIsFreedByTheEndOfTheTurn) {
  ManualLoop loop;
  Event event(loop);
  Event never(loop);
  auto token = std::make_shared<int>();
  auto scope = std::make_unique<TaskScope>();
  auto task = [](Event& event, Event& never, std::unique_ptr<TaskScope>& scope,
                 std::shared_ptr<int>) -> Task<void> {
    co_await event.wait();
    scope.reset();
    co_await never.wait();
  };
  scope->spawn(task(event, never, scope, token));
  event.set();
  loop.turn();
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
}  // namespace weft::io
