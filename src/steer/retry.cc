// The delays: the first unprocessed retry goes at once (another endpoint is probably well), further ones
// and all retries by rules wait a uniformly drawn part of min(max, base x (2^k - 1)) ("full jitter").
// The budget is asked last, so that what anything else refuses costs nothing.
#include "steer/retry.h"

#include <algorithm>

namespace weft::steer {
namespace {

using model::Retries;

constexpr Duration kUnprocessedBase = Duration::millis(10);
constexpr uint8_t kOnStatus =
    Retries::kGatewayError | Retries::kServerError | Retries::kRateLimited;

Duration full_jitter(Duration base, Duration max, uint32_t retry, Random& random) {
  // Durations reach a day, 2^47 ns: 2^12 of them stay within what int64_t holds.
  const int64_t factor = (int64_t{1} << std::min(retry, 12u)) - 1;
  const Duration cap = std::min(base * factor, max);
  return Duration{static_cast<int64_t>(random.unit() * static_cast<double>(cap.ns))};
}

bool has(const std::vector<int>* list, int value) {
  return list && std::find(list->begin(), list->end(), value) != list->end();
}

bool too_late(const RetryState::Facts& facts, Instant at) {
  return facts.deadline && at >= *facts.deadline;
}

}  // namespace

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" ||
         method == "OPTIONS" || method == "TRACE";
}

RetryRules RetryRules::of(const model::RetryPolicy* route, const Retries* policy,
                          const model::RetryConstraint* constraint) {
  RetryRules rules;
  if (!route && !policy) return rules;
  static const Retries kDefaults{.conditions = Retries::kConnectFailure | Retries::kReset |
                                               Retries::kTimeout};
  const Retries& from = policy ? *policy : kDefaults;
  rules.attempts = from.attempts;
  rules.conditions = from.conditions;
  rules.statuses = &from.statuses;
  rules.grpc_statuses = &from.grpc_statuses;
  rules.any_method = from.any_method;
  rules.per_try_timeout = from.per_try_timeout;
  rules.base_backoff = from.base_backoff;
  rules.max_backoff = std::max(from.max_backoff, from.base_backoff);
  if (from.honour_retry_after) rules.longest_retry_after = from.longest_retry_after;
  rules.budget.percent = from.budget_percent;
  rules.budget.min_retries = from.budget_min_per_second;
  if (constraint) rules.budget = *constraint;
  rules.constrained = constraint != nullptr;
  if (route) {
    rules.attempts = route->attempts;
    rules.base_backoff = route->backoff;
    rules.max_backoff = route->backoff * 10;
    if (!route->codes.empty()) {
      rules.statuses = &route->codes;
      rules.conditions &= static_cast<uint8_t>(~kOnStatus);
    }
  }
  return rules;
}

RetryState::RetryState(const RetryRules& rules, BackendState& bounds, uint32_t most_retries,
                       Instant now)
    : rules_(rules), most_retries_(most_retries) {
  if (rules.attempts == 0) return;
  bounds_ = &bounds;
  bounds.retry_budget.request(now, rules.budget);
}

std::optional<Duration> RetryState::after_failure(const Error& error, const Facts& facts,
                                                  Instant now, Random& random) {
  refusal_ = kNone;
  if (facts.answered || !facts.replayable) return std::nullopt;
  if (error.retry() == Retry::kYes) {
    if (unprocessed_ + 1 < kUnprocessedTries) {
      const Duration delay =
          full_jitter(kUnprocessedBase, kUnprocessedBase * 10, unprocessed_, random);
      if (too_late(facts, now + delay)) return std::nullopt;
      ++unprocessed_;
      ++retries_;
      return delay;
    }
    if (!(rules_.conditions & Retries::kConnectFailure)) return std::nullopt;
    return by_rules(facts, {}, now, random);
  }
  // A bound of ours is no failure of theirs.
  if (error.kind() == ErrorKind::kLimit && error.source() == ErrorSource::kInternal)
    return std::nullopt;
  if (error.retry() == Retry::kIdempotent && facts.idempotent && !reused_once_) {
    reused_once_ = true;
    ++retries_;
    return Duration{};
  }
  const uint8_t condition =
      error.kind() == ErrorKind::kTimeout ? Retries::kTimeout : Retries::kReset;
  if (!(rules_.conditions & condition) || !(facts.idempotent || rules_.any_method))
    return std::nullopt;
  return by_rules(facts, {}, now, random);
}

std::optional<Duration> RetryState::after_connect_failure(Instant now, Random& random) {
  refusal_ = kNone;
  if (!(rules_.conditions & Retries::kConnectFailure)) return std::nullopt;
  return by_rules({}, {}, now, random);
}

bool RetryState::names(const Answer& answer, bool idempotent) const {
  if (answer.grpc_status >= 0 && has(rules_.grpc_statuses, answer.grpc_status)) return true;
  if (has(rules_.statuses, answer.status)) return true;
  if (!idempotent && !rules_.any_method) return false;
  const uint8_t on = rules_.conditions;
  const int status = answer.status;
  return ((on & Retries::kGatewayError) && status >= 502 && status <= 504) ||
         ((on & Retries::kServerError) && status >= 500 && status <= 599) ||
         ((on & Retries::kRateLimited) && status == 429);
}

std::optional<Duration> RetryState::after_answer(const Answer& answer, const Facts& facts,
                                                 Instant now, Random& random) {
  refusal_ = kNone;
  if (facts.answered || !facts.replayable || !names(answer, facts.idempotent)) return std::nullopt;
  Duration at_least{};
  if (rules_.longest_retry_after) {
    at_least = answer.pacing.wait.value_or(Duration{});
    if (answer.pacing.never || at_least > *rules_.longest_retry_after) {
      refusal_ = kPacing;
      return std::nullopt;
    }
  }
  return by_rules(facts, at_least, now, random);
}

std::optional<Duration> RetryState::by_rules(const Facts& facts, Duration at_least, Instant now,
                                             Random& random) {
  if (!bounds_) return std::nullopt;
  auto refuse = [this](Refusal why) {
    refusal_ = why;
    return std::nullopt;
  };
  if (by_rules_ >= rules_.attempts) return refuse(kAttempts);
  const Duration delay = std::max(
      at_least, full_jitter(rules_.base_backoff, rules_.max_backoff, by_rules_ + 1, random));
  if (too_late(facts, now + delay)) return std::nullopt;
  in_flight_.reset();
  in_flight_ = bounds_->breaker.take(Breaker::kRetries, most_retries_);
  if (!in_flight_) return refuse(kBreaker);
  if (!bounds_->retry_budget.withdraw(now, rules_.budget)) {
    in_flight_.reset();
    bounds_->budget_refusals.fetch_add(1, std::memory_order_relaxed);
    return refuse(kBudget);
  }
  ++by_rules_;
  ++retries_;
  return delay;
}

std::string_view to_string(RetryState::Refusal refusal) {
  switch (refusal) {
    case RetryState::kNone: return "";
    case RetryState::kAttempts: return "no attempt is left";
    case RetryState::kBudget: return "the retry budget is spent";
    case RetryState::kBreaker: return "too many retries are in flight";
    case RetryState::kPacing: return "the server asks for a longer wait than the policy allows";
  }
  return "";
}

}  // namespace weft::steer
