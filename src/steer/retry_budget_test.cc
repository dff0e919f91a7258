#include "steer/retry_budget.h"

#include <gtest/gtest.h>

#include <barrier>
#include <cmath>
#include <thread>
#include <vector>

#include "base/random.h"

namespace weft::steer {
namespace {

constexpr Instant kNow{1'000'000'000'000};

int granted(RetryBudget& budget, Instant now, uint32_t percent = 20, uint32_t min = 10) {
  int count = 0;
  while (budget.withdraw(now, {.percent = percent, .min_retries = min})) ++count;
  return count;
}

void request(RetryBudget& budget, Instant now, int times, uint32_t percent = 20) {
  for (int i = 0; i < times; ++i) budget.request(now, {.percent = percent});
}

TEST(RetryBudget, GivesTheMinimumOfTenSecondsWithoutTrafficAndThenSoManyASecond) {
  RetryBudget budget;
  EXPECT_EQ(granted(budget, kNow), 100);
  EXPECT_EQ(granted(budget, kNow + Duration::seconds(1)), 10);
  EXPECT_EQ(granted(budget, kNow + Duration::seconds(60)), 100);
  RetryBudget none;
  EXPECT_EQ(granted(none, kNow, 20, 0), 0);
}

// Nine tenths of the share as requests come; of what is left over, a tenth of
// ten seconds' share.
TEST(RetryBudget, GrowsByTheShareOfTheRequests) {
  RetryBudget budget;
  request(budget, kNow, 500);
  EXPECT_EQ(granted(budget, kNow, 20, 0), 10);  // were left over
  int taken = 0;
  for (int i = 0; i < 500; ++i) {
    budget.request(kNow);
    if (budget.withdraw(kNow, {.percent = 20, .min_retries = 0})) ++taken;
  }
  EXPECT_EQ(taken, 90);
  RetryBudget half;
  request(half, kNow, 500, 50);
  EXPECT_EQ(granted(half, kNow, 50, 0), 25);
}

TEST(RetryBudget, TheMinimumIsInAddition) {
  RetryBudget budget;
  request(budget, kNow, 500);
  EXPECT_EQ(granted(budget, kNow), 10 + 100);
}

TEST(RetryBudget, OneRetryIsKeptHoweverSeldomRequestsCome) {
  RetryBudget budget;
  Instant now = kNow;
  for (int i = 0; i < 20; ++i) {
    now = now + Duration::seconds(20);
    budget.request(now);
  }
  EXPECT_EQ(granted(budget, now, 20, 0), 1);
}

TEST(RetryBudget, WhatIsKeptIsOfTheLastTenSeconds) {
  RetryBudget budget;
  for (int second = 0; second < 30; ++second)
    request(budget, kNow + Duration::seconds(second), 100);
  const Instant last = kNow + Duration::seconds(29);
  EXPECT_EQ(budget.requests(last), 1000u);
  EXPECT_EQ(budget.requests(last + Duration::seconds(10)), 0u);
  RetryBudget same;
  for (int second = 0; second < 30; ++second) request(same, kNow + Duration::seconds(second), 100);
  EXPECT_EQ(granted(budget, last, 20, 0), 20);
  EXPECT_EQ(granted(same, last + Duration::seconds(10), 20, 0), 1);
}

// Whatever may be retried is, as soon as it is asked: in bursts and in a
// stream, after a quiet time and for ever. No window of ten seconds or more,
// wherever it begins, holds more retries than the share of its requests.
TEST(RetryBudget, NoWindowOfTenSecondsOrMoreHoldsMoreThanItsShare) {
  constexpr int kTicks = 900;  // of 100 ms
  constexpr int kPerTick = 10;
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6, 7, 8}) {
    SeededRandom random(seed);
    RetryBudget budget;
    std::vector<int> retries(kTicks);
    bool storm = false;
    for (int tick = 0; tick < kTicks; ++tick) {
      const Instant now = kNow + Duration::millis(100 * tick);
      request(budget, now, kPerTick);
      if (random.below(40) == 0) storm = !storm;
      if (storm) retries[static_cast<size_t>(tick)] = granted(budget, now, 20, 0);
    }
    for (int from = 100; from < kTicks; ++from) {
      int sum = 0;
      for (int to = from; to < kTicks; ++to) {
        sum += retries[static_cast<size_t>(to)];
        const int length = to - from + 1;
        if (length >= 100) {
          ASSERT_LE(sum, length * kPerTick / 5) << seed << ": " << from << " to " << to;
        }
      }
    }
  }
}

TEST(RetryBudget, ARefusedRetryCostsNothing) {
  RetryBudget budget;
  EXPECT_EQ(granted(budget, kNow, 20, 1), 10);
  for (int i = 0; i < 100; ++i)
    EXPECT_FALSE(budget.withdraw(kNow, {.percent = 20, .min_retries = 1}));
  EXPECT_EQ(granted(budget, kNow + Duration::seconds(1), 20, 1), 1);
}

TEST(RetryBudget, CountsWithinItsIntervalWhateverItsLength) {
  for (const Duration interval :
       {Duration::seconds(1), Duration::seconds(25), Duration::hours(1)}) {
    const model::RetryConstraint terms{.percent = 10, .interval = interval, .min_retries = 0};
    RetryBudget budget;
    for (int i = 0; i < 1000; ++i) budget.request(kNow + interval * i / 1000, terms);
    const Instant last = kNow + interval * 999 / 1000;
    EXPECT_NEAR(budget.requests(last, interval), 1000, 100);
    int count = 0;
    while (budget.withdraw(last, terms)) ++count;
    EXPECT_NEAR(count, 10, 1) << "what is kept";
    EXPECT_EQ(budget.requests(last + interval, interval), 0u);
  }
}

TEST(RetryBudget, AMinimumCountsByItsOwnInterval) {
  const auto granted_by = [](uint32_t retries, Duration per) {
    RetryBudget budget;
    int count = 0;
    while (budget.withdraw(kNow, {.percent = 0, .min_retries = retries, .min_interval = per}))
      ++count;
    return count;
  };
  EXPECT_EQ(granted_by(3, Duration::seconds(1)), 30);
  EXPECT_EQ(granted_by(3, Duration::seconds(5)), 6);
  EXPECT_EQ(granted_by(7, Duration::millis(500)), 140);
  EXPECT_EQ(granted_by(1, Duration::hours(1)), 1) << "a small rate is not none";
  EXPECT_EQ(granted_by(0, Duration::seconds(1)), 0);
}

TEST(RetryBudget, WhoChangesTheIntervalBeginsAnew) {
  RetryBudget budget;
  for (int i = 0; i < 500; ++i) budget.request(kNow);
  EXPECT_EQ(budget.requests(kNow, Duration::seconds(60)), 0u);
  budget.request(kNow, {.interval = Duration::seconds(60)});
  EXPECT_EQ(budget.requests(kNow, Duration::seconds(60)), 1u);
}

TEST(RetryBudget, WorkersShareItAndNeverTakeMoreThanThereIs) {
  constexpr int kThreads = 4;
  RetryBudget budget;
  request(budget, kNow, 10'000);
  std::atomic<int> taken{0};
  std::barrier start(kThreads);
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      for (int i = 0; i < 200; ++i) {
        if (budget.withdraw(kNow, {.percent = 20, .min_retries = 10})) taken.fetch_add(1);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(taken.load(), 200 + 100);
}

}  // namespace
}  // namespace weft::steer
