#include "steer/retry.h"

#include <gtest/gtest.h>

namespace weft::steer {
namespace {

class HighestRandom final : public Random {
 public:
  uint64_t next() override { return UINT64_MAX; }
};

Error failure(Retry retry) {
  return Error(ErrorKind::kReset, "cut", ErrorSource::kUpstream, retry);
}

struct RetryTest : testing::Test {
  HighestRandom random;
  RetryBudget budget;
  Instant now{1'000'000'000'000};
  model::RetryPolicy policy{.codes = {503}, .attempts = 2, .backoff = Duration::millis(25)};
};

TEST_F(RetryTest, WhatWasNeverProcessedIsRetriedFourTimesWhateverTheMethod) {
  RetryState state(nullptr, budget);
  for (int i = 0; i < 4; ++i)
    EXPECT_TRUE(state.after_failure(failure(Retry::kYes), {}, now, random)) << i;
  EXPECT_FALSE(state.after_failure(failure(Retry::kYes), {}, now, random));
  EXPECT_EQ(state.retries(), 4u);
}

TEST_F(RetryTest, TheFirstUnprocessedRetryDoesNotWait) {
  RetryState state(nullptr, budget);
  EXPECT_EQ(state.after_failure(failure(Retry::kYes), {}, now, random), Duration{});
  EXPECT_GT(*state.after_failure(failure(Retry::kYes), {}, now, random), Duration::millis(9));
}

TEST_F(RetryTest, NothingIsRetriedOnceAnAnswerBeganOrTheBodyIsGone) {
  RetryState state(&policy, budget);
  EXPECT_FALSE(state.after_failure(failure(Retry::kYes), {.idempotent = true, .answered = true},
                                   now, random));
  EXPECT_FALSE(state.after_failure(failure(Retry::kYes), {.idempotent = true, .replayable = false},
                                   now, random));
  EXPECT_FALSE(state.after_status(503, {.idempotent = true, .replayable = false}, now, random));
}

TEST_F(RetryTest, AReusedConnectionThatClosedIsRetriedOnceForIdempotentMethods) {
  RetryState get(nullptr, budget);
  EXPECT_TRUE(get.after_failure(failure(Retry::kIdempotent), {.idempotent = true}, now, random));
  EXPECT_FALSE(get.after_failure(failure(Retry::kIdempotent), {.idempotent = true}, now, random));
  RetryState post(nullptr, budget);
  EXPECT_FALSE(post.after_failure(failure(Retry::kIdempotent), {}, now, random));
}

TEST_F(RetryTest, WithoutAPolicyAFailureUnderWayIsFinal) {
  RetryState state(nullptr, budget);
  EXPECT_FALSE(state.after_failure(failure(Retry::kNo), {.idempotent = true}, now, random));
}

TEST_F(RetryTest, APolicyRetriesFailuresOfIdempotentMethodsUpToItsAttempts) {
  RetryState state(&policy, budget);
  EXPECT_TRUE(state.after_failure(failure(Retry::kNo), {.idempotent = true}, now, random));
  EXPECT_TRUE(state.after_failure(failure(Retry::kNo), {.idempotent = true}, now, random));
  EXPECT_FALSE(state.after_failure(failure(Retry::kNo), {.idempotent = true}, now, random));
  RetryState post(&policy, budget);
  EXPECT_FALSE(post.after_failure(failure(Retry::kNo), {}, now, random));
}

TEST_F(RetryTest, APolicyRetriesTheStatusesItNamesForAnyMethod) {
  RetryState state(&policy, budget);
  EXPECT_TRUE(state.after_status(503, {}, now, random));
  EXPECT_FALSE(state.after_status(500, {}, now, random));
}

TEST_F(RetryTest, PolicyDelaysDrawFromDoublingRangesUpToTenTimesTheBase) {
  policy.attempts = 8;
  RetryState state(&policy, budget);
  for (int64_t cap : {25, 75, 175, 250, 250}) {
    std::optional<Duration> delay = state.after_status(503, {}, now, random);
    ASSERT_TRUE(delay);
    EXPECT_NEAR(delay->to_seconds_f() * 1000, static_cast<double>(cap), 0.01);
  }
}

TEST_F(RetryTest, TheBudgetAllowsAHundredRetriesInTenSecondsWithoutTraffic) {
  int granted = 0;
  while (budget.withdraw(now)) ++granted;
  EXPECT_EQ(granted, 100);
}

TEST_F(RetryTest, TheBudgetGrowsByAFifthOfTheRequestsAndForgetsAfterTenSeconds) {
  for (int i = 0; i < 500; ++i) budget.request(now);
  int granted = 0;
  while (budget.withdraw(now)) ++granted;
  EXPECT_EQ(granted, 200);
  now = now + Duration::seconds(11);
  EXPECT_TRUE(budget.withdraw(now));
}

TEST(Idempotent, FollowsRfc9110) {
  for (const char* method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"}) {
    EXPECT_TRUE(is_idempotent(method)) << method;
  }
  for (const char* method : {"POST", "PATCH", "CONNECT", "get", ""}) {
    EXPECT_FALSE(is_idempotent(method)) << method;
  }
}

}  // namespace
}  // namespace weft::steer
