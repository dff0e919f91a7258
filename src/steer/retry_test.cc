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

TEST_F(RetryTest, DelaysOfAPolicyReachItsOwnMaximum) {
  policy.attempts = 20;
  policy.base_backoff = Duration::seconds(1);
  policy.max_backoff = Duration::hours(24);
  RetryState retry = by(nullptr, &policy);
  Duration last{};
  for (int i = 0; i < 20; ++i) last = *answers(retry, 503);
  EXPECT_NEAR(last.to_seconds_f(), 4095, 0.01);
  policy.max_backoff = Duration::millis(1);  // below the base: the base counts
  RetryState small = by(nullptr, &policy);
  EXPECT_NEAR(answers(small, 503)->to_seconds_f(), 1, 0.01);
}

struct ConditionCase {
  uint8_t condition;
  std::vector<int> statuses;  // that it tries again
  std::vector<int> not_statuses;
};

TEST_F(RetryTest, EachConditionOnStatusesNamesItsOwn) {
  const ConditionCase cases[] = {
      {Retries::kGatewayError, {502, 503, 504}, {500, 501, 505, 429, 200}},
      {Retries::kServerError, {500, 501, 502, 503, 504, 599}, {429, 404, 200}},
      {Retries::kRateLimited, {429}, {500, 503}},
      {Retries::kReset | Retries::kConnectFailure | Retries::kTimeout, {}, {500, 503, 429}},
  };
  for (const ConditionCase& c : cases) {
    policy.conditions = c.condition;
    for (int status : c.statuses) {
      RetryState get = by(nullptr, &policy), post = by(nullptr, &policy);
      EXPECT_TRUE(answers(get, status)) << int{c.condition} << " " << status;
      EXPECT_FALSE(answers(post, status, false)) << int{c.condition} << " " << status;
    }
    for (int status : c.not_statuses) {
      RetryState get = by(nullptr, &policy);
      EXPECT_FALSE(answers(get, status)) << int{c.condition} << " " << status;
    }
  }
}

TEST_F(RetryTest, ConditionsOnFailuresTellResetsTimeoutsAndConnectsApart) {
  policy.attempts = 10;
  policy.conditions = Retries::kReset;
  RetryState reset = by(nullptr, &policy);
  EXPECT_TRUE(fails(reset, failure(Retry::kNo)));
  EXPECT_FALSE(fails(reset, failure(Retry::kNo, ErrorKind::kTimeout)));
  policy.conditions = Retries::kTimeout;
  RetryState timeout = by(nullptr, &policy);
  EXPECT_FALSE(fails(timeout, failure(Retry::kNo)));
  EXPECT_TRUE(fails(timeout, failure(Retry::kNo, ErrorKind::kTimeout)));
  // Four tries come without being asked for; connect failures go on from there.
  policy.conditions = Retries::kConnectFailure;
  RetryState connect = by(nullptr, &policy);
  for (int i = 0; i < 14; ++i) EXPECT_TRUE(fails(connect, failure(Retry::kYes), false)) << i;
  EXPECT_FALSE(fails(connect, failure(Retry::kYes), false));
}

TEST_F(RetryTest, AnyMethodLiftsTheLimitToIdempotentOnes) {
  policy.any_method = true;
  RetryState post = by(nullptr, &policy);
  EXPECT_TRUE(answers(post, 503, false));
  EXPECT_TRUE(fails(post, failure(Retry::kNo), false));
}

TEST_F(RetryTest, GrpcStatusesAreNamedByNumber) {
  policy.grpc_statuses = {10};
  RetryState retry = by(nullptr, &policy);
  EXPECT_TRUE(retry.after_answer({.status = 200, .grpc_status = 10}, {}, now, random));
  EXPECT_FALSE(retry.after_answer({.status = 200, .grpc_status = 9}, {}, now, random));
  EXPECT_FALSE(retry.after_answer({.status = 10}, {.idempotent = true}, now, random));
}

TEST_F(RetryTest, ARoutesCodesAttemptsAndBackoffWinAndThePolicySuppliesTheRest) {
  policy.conditions = Retries::kServerError | Retries::kReset;
  policy.statuses = {404};
  policy.attempts = 7;
  policy.any_method = true;
  policy.per_try_timeout = Duration::seconds(3);
  policy.honour_retry_after = false;
  policy.budget_percent = 33;
  const RetryRules rules = RetryRules::of(&route, &policy);
  EXPECT_EQ(rules.attempts, 2u);
  EXPECT_EQ(*rules.statuses, (std::vector<int>{503}));
  EXPECT_EQ(rules.conditions, Retries::kReset);
  EXPECT_EQ(rules.base_backoff, Duration::millis(25));
  EXPECT_EQ(rules.max_backoff, Duration::millis(250));
  EXPECT_TRUE(rules.any_method);
  EXPECT_EQ(rules.per_try_timeout, Duration::seconds(3));
  EXPECT_FALSE(rules.longest_retry_after);
  EXPECT_EQ(rules.budget.percent, 33u);
  EXPECT_FALSE(rules.constrained);
  // A route that names no codes leaves the policy's in force.
  route.codes.clear();
  const RetryRules open = RetryRules::of(&route, &policy);
  EXPECT_EQ(*open.statuses, (std::vector<int>{404}));
  EXPECT_EQ(open.conditions, Retries::kServerError | Retries::kReset);
}

TEST_F(RetryTest, AServersPacingIsWaitedForOrEndsTheRetries) {
  RetryState retry = by(nullptr, &policy);
  auto asked = [&](ServerPacing pacing) {
    return retry.after_answer({.status = 503, .pacing = pacing}, {.idempotent = true}, now, random);
  };
  EXPECT_EQ(asked({.wait = Duration::seconds(10)}), Duration::seconds(10));
  EXPECT_FALSE(asked({.wait = Duration::millis(10'001)}));
  EXPECT_EQ(retry.refusal(), RetryState::kPacing);
  EXPECT_FALSE(asked({.never = true}));
  // A wait shorter than our own backoff does not shorten it.
  EXPECT_GT(*asked({.wait = Duration::millis(1)}), Duration::millis(70));
  policy.honour_retry_after = false;
  RetryState deaf = by(nullptr, &policy);
  EXPECT_LT(*deaf.after_answer({.status = 503, .pacing = {.wait = Duration::hours(1)}},
                               {.idempotent = true}, now, random),
            Duration::millis(26));
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
  EXPECT_EQ(granted, 10 + 18);  // one a second, and nine tenths of a fifth of the requests
  EXPECT_EQ(state.budget_refusals.load(), 72u);
}

TEST_F(RetryTest, AServicesConstraintDecidesTheBudgetBeforeAnyPolicy) {
  policy.attempts = 100;
  policy.budget_percent = 100;
  const model::RetryConstraint constraint{.percent = 0,
                                          .interval = Duration::seconds(60),
                                          .min_retries = 2,
                                          .min_interval = Duration::seconds(30)};
  const RetryRules rules = RetryRules::of(nullptr, &policy, &constraint);
  EXPECT_EQ(rules.budget, constraint);
  EXPECT_EQ(rules.attempts, 100u);
  RetryState retry(rules, state, 0, now);
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(answers(retry, 503)) << i;
    EXPECT_FALSE(retry.refused_by_constraint());
  }
  EXPECT_FALSE(answers(retry, 503));
  EXPECT_TRUE(retry.refused_by_constraint());
  // It makes nothing be tried again by itself.
  EXPECT_EQ(RetryRules::of(nullptr, nullptr, &constraint).attempts, 0u);
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
