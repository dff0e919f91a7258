// Tasks without a loop: what awaits, what is freed, and when.
#include "io/task.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft::io {
namespace {

// Something to wait for by hand; knows whether its waiter was destroyed.
struct Signal {
  std::coroutine_handle<> waiter;

  auto operator()() {
    struct Awaiter {
      explicit Awaiter(Signal& signal) : signal(signal) {}
      Awaiter(const Awaiter&) = delete;
      Awaiter& operator=(const Awaiter&) = delete;
      ~Awaiter() { signal.waiter = {}; }
      bool await_ready() const { return false; }
      void await_suspend(std::coroutine_handle<> handle) { signal.waiter = handle; }
      int await_resume() const { return 7; }
      Signal& signal;
    };
    return Awaiter(*this);
  }
  void fire() { std::exchange(waiter, {}).resume(); }
};

struct Note {
  Note(std::vector<std::string>& log, std::string text) : log(log), text(std::move(text)) {}
  Note(const Note&) = delete;
  Note& operator=(const Note&) = delete;
  ~Note() { log.push_back(text); }
  std::vector<std::string>& log;
  std::string text;
};

Task<int> answer() { co_return 42; }
Task<int> wait_and_add(Signal& signal, int more) { co_return co_await signal() + more; }

TEST(Task, DoesNothingUntilItIsSpawned) {
  bool ran = false;
  auto make = [](bool* ran) -> Task<void> {
    *ran = true;
    co_return;
  };
  Task<void> task = make(&ran);
  EXPECT_FALSE(ran);
  TaskScope scope;
  scope.spawn(std::move(task));
  EXPECT_TRUE(ran);
  EXPECT_EQ(scope.running(), 0u);
}

TEST(Task, HandsResultsUpAChainThatWaits) {
  Signal signal;
  int result = 0;
  auto middle = [](Signal& signal) -> Task<int> { co_return co_await wait_and_add(signal, 1) * 2; };
  auto top = [&middle](Signal& signal, int* out) -> Task<void> { *out = co_await middle(signal); };
  TaskScope scope;
  scope.spawn(top(signal, &result));
  EXPECT_EQ(scope.running(), 1u);
  EXPECT_EQ(result, 0);
  signal.fire();
  EXPECT_EQ(result, 16);
  EXPECT_EQ(scope.running(), 0u);
}

TEST(Task, MillionsOfChildrenThatDoNotWaitLeaveTheStackFlat) {
  int64_t sum = 0;
  auto loop = [](int64_t* sum) -> Task<void> {
    for (int i = 0; i < 3'000'000; ++i) *sum += co_await answer();
  };
  TaskScope scope;
  scope.spawn(loop(&sum));
  EXPECT_EQ(sum, int64_t{3'000'000} * 42);
}

TEST(Task, AChildThatWaitsEachTimeDoesNotGrowTheStackEither) {
  Signal signal;
  int64_t sum = 0;
  auto loop = [](Signal& signal, int64_t* sum) -> Task<void> {
    for (int i = 0; i < 100'000; ++i) *sum += co_await wait_and_add(signal, 0);
  };
  TaskScope scope;
  scope.spawn(loop(signal, &sum));
  while (scope.running() > 0) signal.fire();
  EXPECT_EQ(sum, 700'000);
}

TEST(Task, MovesValuesThatCannotBeCopied) {
  auto make = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(5); };
  std::unique_ptr<int> got;
  auto top = [&make](std::unique_ptr<int>* out) -> Task<void> { *out = co_await make(); };
  TaskScope scope;
  scope.spawn(top(&got));
  EXPECT_EQ(*got, 5);
}

TEST(Task, DestroyingATaskThatNeverRanFreesItsParameters) {
  auto parameter = std::make_shared<int>(1);
  auto make = [](std::shared_ptr<int>) -> Task<void> { co_return; };
  {
    Task<void> never = make(parameter);
    EXPECT_EQ(parameter.use_count(), 2);
  }
  EXPECT_EQ(parameter.use_count(), 1);
}

TEST(TaskScope, DestroysAWholeChainInnermostFirst) {
  Signal signal;
  std::vector<std::string> log;
  auto inner = [](Signal& signal, std::vector<std::string>& log) -> Task<int> {
    const Note note(log, "inner");
    co_return co_await signal();
  };
  auto outer = [&inner](Signal& signal, std::vector<std::string>& log) -> Task<void> {
    const Note note(log, "outer");
    co_await inner(signal, log);
    log.push_back("never");
  };
  {
    TaskScope scope;
    scope.spawn(outer(signal, log));
    EXPECT_TRUE(signal.waiter);
  }
  EXPECT_EQ(log, (std::vector<std::string>{"inner", "outer"}));
  EXPECT_FALSE(signal.waiter);
}

TEST(TaskScope, ATaskMaySpawnIntoItsOwnScope) {
  TaskScope scope;
  int depth = 0;
  // Recursion through spawn; each is done before its parent goes on.
  std::function<Task<void>(int)> nest = [&](int left) -> Task<void> {
    ++depth;
    if (left > 0) scope.spawn(nest(left - 1));
    co_return;
  };
  scope.spawn(nest(50));
  EXPECT_EQ(depth, 51);
  EXPECT_EQ(scope.running(), 0u);
}

TEST(TaskScope, CancelAllFromInsideSparesTheRunningTaskUntilItReturns) {
  Signal first;
  Signal second;
  std::vector<std::string> log;
  TaskScope scope;
  auto sleeper = [](Signal& signal, std::vector<std::string>& log) -> Task<void> {
    const Note note(log, "sleeper");
    co_await signal();
  };
  auto canceller = [](TaskScope& scope, Signal& signal,
                      std::vector<std::string>& log) -> Task<void> {
    const Note note(log, "canceller");
    co_await signal();
    scope.cancel_all();
    log.push_back("after");
  };
  scope.spawn(sleeper(first, log));
  scope.spawn(canceller(scope, second, log));
  second.fire();
  EXPECT_EQ(log, (std::vector<std::string>{"sleeper", "after", "canceller"}));
  EXPECT_EQ(scope.running(), 0u);
}

TEST(TaskScope, ATaskMayDestroyItsScopeAndReturn) {
  Signal signal;
  auto scope = std::make_unique<TaskScope>();
  bool finished = false;
  auto child = [](std::unique_ptr<TaskScope>& scope) -> Task<int> {
    scope.reset();
    co_return 1;
  };
  auto task = [&child](Signal& signal, std::unique_ptr<TaskScope>& scope,
                       bool* done) -> Task<void> {
    co_await signal();
    *done = co_await child(scope) == 1;
  };
  scope->spawn(task(signal, scope, &finished));
  signal.fire();
  EXPECT_TRUE(finished);
}

TEST(TaskScope, ADoomedTaskThatWouldWaitIsFreedAndNeverResumed) {
  Signal signal;
  Signal never;
  std::vector<std::string> log;
  TaskScope scope;
  auto child = [](Signal& never, std::vector<std::string>& log) -> Task<void> {
    const Note note(log, "child");
    co_await never();
    log.push_back("resumed");
  };
  auto task = [&child](TaskScope& scope, Signal& signal, Signal& never,
                       std::vector<std::string>& log) -> Task<void> {
    const Note note(log, "task");
    co_await signal();
    scope.cancel_all();
    co_await child(never, log);
  };
  scope.spawn(task(scope, signal, never, log));
  signal.fire();
  EXPECT_FALSE(never.waiter) << "a doomed task must not register anywhere";
  detail::free_doomed_tasks();
  EXPECT_EQ(log, (std::vector<std::string>{"child", "task"}));
}

TEST(TaskScope, CancellingAtEveryWaitFreesEverything) {
  // A conversation with five waits, cancelled after 0..5 of them.
  auto conversation = [](Signal& signal, std::shared_ptr<int> token) -> Task<void> {
    auto step = [](Signal& signal, std::shared_ptr<int>) -> Task<int> {
      co_return co_await signal();
    };
    for (int i = 0; i < 5; ++i) co_await step(signal, token);
  };
  for (int waits = 0; waits <= 5; ++waits) {
    Signal signal;
    auto token = std::make_shared<int>();
    {
      TaskScope scope;
      scope.spawn(conversation(signal, token));
      for (int i = 0; i < waits; ++i) signal.fire();
      EXPECT_EQ(scope.running(), waits < 5 ? 1u : 0u);
      EXPECT_EQ(token.use_count() > 1, waits < 5);
    }
    EXPECT_EQ(token.use_count(), 1) << waits;
    EXPECT_FALSE(signal.waiter);
  }
}

TEST(TaskScope, ADestructorThatSpawnsDuringCancelIsCancelledToo) {
  Signal signal;
  TaskScope scope;
  auto sleeper = [](Signal& signal, auto at_end) -> Task<void> {
    const std::shared_ptr<void> guard(nullptr, [at_end](void*) { at_end(); });
    co_await signal();
  };
  bool spawned = false;
  scope.spawn(sleeper(signal, [&] {
    spawned = true;
    scope.spawn(sleeper(signal, [] {}));
  }));
  scope.cancel_all();
  EXPECT_TRUE(spawned);
  EXPECT_EQ(scope.running(), 0u);
}

// Shapes of awaiting expressions that compilers have got wrong: temporaries that must live until the
// end of the full expression, exactly once destroyed.
struct Parts {
  std::string name;
  std::vector<int> numbers;
  std::shared_ptr<int> token;
};
Task<size_t> measure(Parts parts) { co_return parts.name.size() + parts.numbers.size(); }
Task<std::pair<int, std::string>> pair_of(int i, std::string s) {
  co_return std::pair(i, std::move(s));
}
Task<size_t> call(std::function<size_t(int)> fn, Signal* signal) {
  const int i = signal ? co_await (*signal)() : 3;
  co_return fn(i);
}

Task<void> awkward(Signal* signal, std::shared_ptr<int> token, std::vector<size_t>* out) {
  out->push_back(co_await measure({"abc", {1, 2, 3, 4}, token}));
  out->push_back(
      co_await measure(Parts{.name = std::string(100, 'x'), .numbers = {1}, .token = token}));
  out->push_back(co_await call(
      [token, text = std::string(40, 'y')](int i) { return text.size() + static_cast<size_t>(i); },
      signal));
  const auto [i, s] = co_await pair_of(5, std::string(30, 'z'));
  out->push_back(static_cast<size_t>(i) + s.size());
  const bool yes = out->size() == 4;
  const size_t chosen =
      yes ? co_await measure({"ab", {}, token}) : co_await measure({"abcd", {}, token});
  out->push_back(chosen);
  switch (co_await call([](int n) { return static_cast<size_t>(n); }, signal)) {
    case 3:
    case 7:
      out->push_back(co_await measure({std::string(3, 'q'), std::vector<int>(7), token}));
      break;
    default: out->push_back(0);
  }
  for (const char c : (co_await pair_of(1, "hey")).second) out->push_back(static_cast<size_t>(c));
  if (auto [n, text] = co_await pair_of(2, "x");
      n == 2 && co_await measure({text, {1}, token}) == 2) {
    out->push_back(99);
  }
  const std::array<size_t, 2> both{co_await measure({"1", {}, token}),
                                   co_await measure({"22", {}, token})};
  out->push_back(both[0] + both[1]);
}

TEST(Task, AwkwardAwaitingExpressionsKeepTheirTemporariesExactlyLongEnough) {
  for (const bool waits : {false, true}) {
    Signal signal;
    auto token = std::make_shared<int>();
    std::vector<size_t> out;
    {
      TaskScope scope;
      scope.spawn(awkward(waits ? &signal : nullptr, token, &out));
      while (scope.running() > 0) signal.fire();
    }
    const size_t called = waits ? 47 : 43;
    EXPECT_EQ(out, (std::vector<size_t>{7, 101, called, 35, 2, 10, 'h', 'e', 'y', 99, 3}));
    EXPECT_EQ(token.use_count(), 1);
  }
}

TEST(Task, AwkwardExpressionsCancelledInTheMiddleFreeTheirTemporaries) {
  for (int fires = 0; fires < 2; ++fires) {
    Signal signal;
    auto token = std::make_shared<int>();
    std::vector<size_t> out;
    {
      TaskScope scope;
      scope.spawn(awkward(&signal, token, &out));
      for (int i = 0; i < fires; ++i) signal.fire();
      EXPECT_EQ(scope.running(), 1u);
    }
    EXPECT_EQ(token.use_count(), 1) << fires;
  }
}

TEST(FramePool, FramesComeBackForTheSameSize) {
  void* const first = allocate_frame(200);
  free_frame(first, 200);
  void* const second = allocate_frame(210);  // the same class of 64 bytes
  free_frame(second, 210);
#if !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer)
  EXPECT_EQ(first, second);
#endif
  void* const large = allocate_frame(100'000);
  free_frame(large, 100'000);
}

}  // namespace
}  // namespace weft::io
