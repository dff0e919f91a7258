#include "steer/retry.h"

#include <gtest/gtest.h>

namespace weft::steer {
namespace {

using model::Retries;

class HighestRandom final : public Random {
 public:
  uint64_t next() override { return UINT64_MAX; }
};

Error failure(Retry retry, ErrorKind kind = ErrorKind::kReset) {
  return Error(kind, "cut", ErrorSource::kUpstream, retry);
}

struct RetryTest : testing::Test {
  RetryState by(const model::RetryPolicy* route, const Retries* policy = nullptr,
                uint32_t most_retries = 0) {
    return RetryState(RetryRules::of(route, policy), state, most_retries, now);
  }
  std::optional<Duration> fails(RetryState& retry, Error error, bool idempotent = true) {
    return retry.after_failure(error, {.idempotent = idempotent}, now, random);
  }
  std::optional<Duration> answers(RetryState& retry, int status, bool idempotent = true) {
    return retry.after_answer({.status = status}, {.idempotent = idempotent}, now, random);
  }

  HighestRandom random;
  BackendState state;
  Instant now{1'000'000'000'000};
  model::RetryPolicy route{.codes = {503}, .attempts = 2, .backoff = Duration::millis(25)};
  Retries policy;
};

TEST_F(RetryTest, WhatWasNeverProcessedIsRetriedFourTimesWhateverTheMethod) {
  RetryState retry;
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(fails(retry, failure(Retry::kYes), false)) << i;
  EXPECT_FALSE(fails(retry, failure(Retry::kYes), false));
  EXPECT_EQ(retry.retries(), 4u);
}

TEST_F(RetryTest, TheFirstUnprocessedRetryDoesNotWait) {
  RetryState retry;
  EXPECT_EQ(fails(retry, failure(Retry::kYes)), Duration{});
  EXPECT_GT(*fails(retry, failure(Retry::kYes)), Duration::millis(9));
}

TEST_F(RetryTest, NothingIsRetriedOnceAnAnswerBeganOrTheBodyIsGone) {
  RetryState retry = by(&route);
  const Error error = failure(Retry::kYes);
  EXPECT_FALSE(retry.after_failure(error, {.idempotent = true, .answered = true}, now, random));
  EXPECT_FALSE(retry.after_failure(error, {.idempotent = true, .replayable = false}, now, random));
  EXPECT_FALSE(
      retry.after_answer({.status = 503}, {.idempotent = true, .replayable = false}, now, random));
}

TEST_F(RetryTest, AReusedConnectionThatClosedIsRetriedOnceForIdempotentMethods) {
  RetryState get, post;
  EXPECT_TRUE(fails(get, failure(Retry::kIdempotent)));
  EXPECT_FALSE(fails(get, failure(Retry::kIdempotent)));
  EXPECT_FALSE(fails(post, failure(Retry::kIdempotent), false));
}

TEST_F(RetryTest, WithoutRulesAFailureUnderWayIsFinalAndNothingIsCounted) {
  RetryState retry = by(nullptr);
  EXPECT_FALSE(fails(retry, failure(Retry::kNo)));
  EXPECT_FALSE(answers(retry, 503));
  EXPECT_EQ(state.retry_budget.requests(now), 0u);
}

TEST_F(RetryTest, ARouteRetriesFailuresOfIdempotentMethodsUpToItsAttempts) {
  RetryState get = by(&route);
  EXPECT_TRUE(fails(get, failure(Retry::kNo)));
  EXPECT_TRUE(fails(get, failure(Retry::kNo, ErrorKind::kTimeout)));
  EXPECT_FALSE(fails(get, failure(Retry::kNo)));
  EXPECT_EQ(get.refusal(), RetryState::kAttempts);
  RetryState post = by(&route);
  EXPECT_FALSE(fails(post, failure(Retry::kNo), false));
  EXPECT_EQ(post.refusal(), RetryState::kNone);
}

TEST_F(RetryTest, ARouteRetriesTheStatusesItNamesForAnyMethod) {
  RetryState retry = by(&route);
  EXPECT_TRUE(answers(retry, 503, false));
  EXPECT_FALSE(answers(retry, 500, false));
  EXPECT_FALSE(answers(retry, 502, false));
}

TEST_F(RetryTest, DelaysOfARouteDrawFromDoublingRangesUpToTenTimesTheBase) {
  route.attempts = 8;
  RetryState retry = by(&route);
  for (int64_t cap : {25, 75, 175, 250, 250}) {
    std::optional<Duration> delay = answers(retry, 503);
    ASSERT_TRUE(delay);
    EXPECT_NEAR(delay->to_seconds_f() * 1000, static_cast<double>(cap), 0.01);
  }
}

TEST_F(RetryTest, TheBudgetAllowsAHundredRetriesInTenSecondsWithoutTraffic) {
  int granted = 0;
  while (budget.withdraw(now)) ++granted;
  EXPECT_EQ(granted, 100);
}

TEST_F(RetryTest, TheBudgetIsSharedByAllRequestsToTheBackend) {
  policy.attempts = 100;
  policy.budget_min_per_second = 1;
  int granted = 0;
  for (int i = 0; i < 100; ++i) {
    RetryState retry = by(nullptr, &policy);
    if (answers(retry, 503)) {
      ++granted;
    } else {
      EXPECT_EQ(retry.refusal(), RetryState::kBudget);
    }
  }
  EXPECT_EQ(granted, 10 + 20);  // one a second, and a fifth of the hundred requests
  EXPECT_EQ(state.budget_refusals.load(), 70u);
}

TEST_F(RetryTest, TheBreakerBoundsRetriesInFlight) {
  RetryState first = by(nullptr, &policy, 1), second = by(nullptr, &policy, 1);
  EXPECT_TRUE(answers(first, 503));
  EXPECT_FALSE(answers(second, 503));
  EXPECT_EQ(second.refusal(), RetryState::kBreaker);
  // The next retry of the same request takes the place of its last.
  EXPECT_TRUE(answers(first, 503));
  first = RetryState();
  EXPECT_TRUE(answers(second, 503));
  EXPECT_EQ(state.breaker.refused(Breaker::kRetries), 1u);
}

TEST_F(RetryTest, ATryThatCouldOnlyBeginAfterTheDeadlineIsNotMadeAndCostsNothing) {
  RetryState retry = by(nullptr, &policy);
  RetryState::Facts facts{.idempotent = true, .deadline = now + Duration::millis(24)};
  EXPECT_FALSE(retry.after_answer({.status = 503}, facts, now, random));  // would wait 25 ms
  EXPECT_EQ(retry.retries(), 0u);
  EXPECT_EQ(state.retry_budget.retries(now), 0u);
  facts.deadline = now + Duration::millis(26);
  EXPECT_TRUE(retry.after_answer({.status = 503}, facts, now, random));
  facts.deadline = now;
  EXPECT_FALSE(retry.after_failure(failure(Retry::kYes), facts, now, random));
}

TEST_F(RetryTest, ABoundOfOursIsNotTriedAgain) {
  RetryState retry = by(nullptr, &policy);
  const Error error(ErrorKind::kLimit, "too many", ErrorSource::kInternal);
  EXPECT_FALSE(retry.after_failure(error, {.idempotent = true}, now, random));
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
