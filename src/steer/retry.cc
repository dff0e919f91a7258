// The delays: the first unprocessed retry goes at once (another endpoint is probably well), further ones
// and all policy retries wait a uniformly drawn part of min(10 x base, base x (2^k - 1)) ("full jitter").
#include "steer/retry.h"

#include <algorithm>
#include <numeric>

namespace weft::steer {
namespace {

constexpr Duration kUnprocessedBase = Duration::millis(10);

Duration full_jitter(Duration base, uint32_t retry, Random& random) {
  int64_t factor = (int64_t{1} << std::min(retry, 5u)) - 1;
  Duration cap = std::min(base * factor, base * 10);
  return Duration{static_cast<int64_t>(random.unit() * static_cast<double>(cap.ns))};
}

}  // namespace

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" ||
         method == "OPTIONS" || method == "TRACE";
}

void RetryBudget::turn(Instant now) {
  int64_t second = now.ns / 1'000'000'000;
  for (; second_ < second && second - second_ <= kSlots; ++second_) {
    slots_[static_cast<size_t>((second_ + 1) % kSlots)] = 0;
  }
  if (second_ < second) slots_.fill(0);
  second_ = second;
}

void RetryBudget::request(Instant now) {
  turn(now);
  slots_[static_cast<size_t>(second_ % kSlots)] += 1;
}

bool RetryBudget::withdraw(Instant now) {
  turn(now);
  int64_t balance = std::accumulate(slots_.begin(), slots_.end(), reserve_);
  if (balance < kPrice) return false;
  slots_[static_cast<size_t>(second_ % kSlots)] -= kPrice;
  return true;
}

std::optional<Duration> RetryState::after_failure(const Error& error, const Facts& facts,
                                                  Instant now, Random& random) {
  if (facts.answered || !facts.replayable) return std::nullopt;
  if (error.retry() == Retry::kYes) {
    if (unprocessed_ + 1 >= kUnprocessedTries) return std::nullopt;
    ++unprocessed_;
    ++retries_;
    return full_jitter(kUnprocessedBase, unprocessed_ - 1, random);
  }
  if (!facts.idempotent) return std::nullopt;
  if (error.retry() == Retry::kIdempotent && !reused_once_) {
    reused_once_ = true;
    ++retries_;
    return Duration{};
  }
  return by_policy(now, random);
}

std::optional<Duration> RetryState::after_status(int status, const Facts& facts, Instant now,
                                                 Random& random) {
  if (facts.answered || !facts.replayable || !policy_) return std::nullopt;
  if (std::find(policy_->codes.begin(), policy_->codes.end(), status) == policy_->codes.end()) {
    return std::nullopt;
  }
  return by_policy(now, random);
}

std::optional<Duration> RetryState::by_policy(Instant now, Random& random) {
  if (!policy_ || by_policy_ >= policy_->attempts || !budget_.withdraw(now)) return std::nullopt;
  ++by_policy_;
  ++retries_;
  return full_jitter(policy_->backoff, by_policy_, random);
}

}  // namespace weft::steer
