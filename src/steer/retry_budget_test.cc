#include "steer/retry_budget.h"

#include <gtest/gtest.h>

#include <barrier>
#include <thread>
#include <vector>

namespace weft::steer {
namespace {

constexpr Instant kNow{1'000'000'000'000};

int granted(RetryBudget& budget, Instant now, uint32_t percent = 20, uint32_t min = 10) {
  int count = 0;
  while (budget.withdraw(now, {.percent = percent, .min_retries = min})) ++count;
  return count;
}

TEST(RetryBudget, GivesTheMinimumOfTenSecondsWithoutTraffic) {
  RetryBudget budget;
  EXPECT_EQ(granted(budget, kNow), 100);
  RetryBudget none;
  EXPECT_EQ(granted(none, kNow, 20, 0), 0);
}

TEST(RetryBudget, GrowsByTheShareOfTheRequests) {
  RetryBudget budget;
  for (int i = 0; i < 500; ++i) budget.request(kNow);
  EXPECT_EQ(granted(budget, kNow), 200);
  RetryBudget half;
  for (int i = 0; i < 500; ++i) half.request(kNow);
  EXPECT_EQ(granted(half, kNow, 50, 0), 250);
}

TEST(RetryBudget, CountsTheLastTenSecondsAndNoMore) {
  RetryBudget budget;
  for (int second = 0; second < 30; ++second) {
    for (int i = 0; i < 100; ++i) budget.request(kNow + Duration::seconds(second));
  }
  const Instant last = kNow + Duration::seconds(29);
  EXPECT_EQ(budget.requests(last), 1000u);
  EXPECT_EQ(granted(budget, last, 20, 0), 200);
  EXPECT_EQ(granted(budget, last + Duration::seconds(9), 20, 0), 0);
  // Both what came in and what was taken are forgotten.
  EXPECT_EQ(budget.requests(last + Duration::seconds(10)), 0u);
  EXPECT_EQ(granted(budget, last + Duration::seconds(10)), 100);
}

TEST(RetryBudget, ARefusedRetryCostsNothing) {
  RetryBudget budget;
  EXPECT_EQ(granted(budget, kNow, 20, 1), 10);
  for (int i = 0; i < 100; ++i)
    EXPECT_FALSE(budget.withdraw(kNow, {.percent = 20, .min_retries = 1}));
  EXPECT_EQ(budget.retries(kNow), 10u);
}

TEST(RetryBudget, CountsWithinItsIntervalWhateverItsLength) {
  for (const Duration interval :
       {Duration::seconds(1), Duration::seconds(25), Duration::hours(1)}) {
    const model::RetryConstraint terms{.percent = 10, .interval = interval, .min_retries = 0};
    RetryBudget budget;
    for (int i = 0; i < 1000; ++i) budget.request(kNow + interval * i / 1000, interval);
    const Instant last = kNow + interval * 999 / 1000;
    EXPECT_NEAR(budget.requests(last, interval), 1000, 100);
    int count = 0;
    while (budget.withdraw(last, terms)) ++count;
    EXPECT_NEAR(count, 100, 10);
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
  budget.request(kNow, Duration::seconds(60));
  EXPECT_EQ(budget.requests(kNow, Duration::seconds(60)), 1u);
}

TEST(RetryBudget, WorkersShareItAndNeverTakeMoreThanThereIs) {
  constexpr int kThreads = 4;
  RetryBudget budget;
  for (int i = 0; i < 1000; ++i) budget.request(kNow);
  std::atomic<int> taken{0};
  std::barrier start(kThreads);
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      for (int i = 0; i < 200; ++i) {
        if (budget.withdraw(kNow, {.percent = 20, .min_retries = 0})) taken.fetch_add(1);
      }
    });
  }
  threads.clear();
  EXPECT_LE(taken.load(), 200);
  EXPECT_GE(taken.load(), 200 - kThreads);
  EXPECT_EQ(budget.retries(kNow), static_cast<uint32_t>(taken.load()));
}

}  // namespace
}  // namespace weft::steer
