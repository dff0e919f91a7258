// May a request be sent again, and when? Three reasons, tried in this order:
//  1. it was provably never processed (connect refused, REFUSED_STREAM, beyond GOAWAY, wrong identity):
//     always, elsewhere, at most kUnprocessedTries times, whatever the method;
//  2. a reused connection closed before the first byte of an answer: once, idempotent methods only;
//  3. by rules (a route's `retry`, a BackendPolicy's `retries`): up to `attempts` times, after a delay with
//     full jitter or as long as the server asks for, within the budget and the breaker.
// Never after the head of an answer went downstream, never when the body can no longer be replayed
// (RFC 9110 section 9.2.2, RFC 9113 section 8.7). Pure: randomness and time are arguments.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "model/service.h"
#include "steer/backend_state.h"
#include "steer/retry_after.h"

namespace weft::steer {

// RFC 9110 section 9.2.2.
bool is_idempotent(std::string_view method);

// What a route and policies say together. A route's `retry` decides codes (if it names any, the policy's
// statuses and conditions on statuses do not count), attempts and backoff (up to ten times its base); the
// policy all the rest. A route alone: failures without an answer and the defaults of the section. A Service's
// own constraint decides the budget before either, and who is refused by it gets 503 whatever the try got.
// Refers to route and policy, which outlive it.
struct RetryRules {
  uint32_t attempts = 0;  // 0: nothing is tried again by these rules
  uint8_t conditions = 0;
  const std::vector<int>* statuses = nullptr;       // for any method: who names them accepts that
  const std::vector<int>* grpc_statuses = nullptr;  // the same
  bool any_method = false;
  Duration per_try_timeout{};  // 0 = none
  Duration base_backoff{}, max_backoff{};
  std::optional<Duration> longest_retry_after;  // none: what servers ask for is not heeded
  model::RetryConstraint budget;
  bool constrained = false;  // the budget is the Service's own

  // Each may be null.
  static RetryRules of(const model::RetryPolicy* route, const model::Retries* policy,
                       const model::RetryConstraint* constraint = nullptr);
};

class RetryState {
 public:
  static constexpr uint32_t kUnprocessedTries = 5;

  // What is true of the request at the moment of the failure.
  struct Facts {
    bool idempotent = false;
    bool replayable = true;  // all of the body that was sent is still held
    bool answered = false;   // something other than an interim response went downstream
    std::optional<Instant> deadline = {};  // a try that could only begin then has no point
  };
  // The head of an answer, as far as it matters here.
  struct Answer {
    int status = 0;        // of HTTP; of a gRPC answer without messages the one that comes nearest
    int grpc_status = -1;  // of an answer without messages
    ServerPacing pacing;
  };
  // Why the last question was answered with no, if the rules named the case.
  enum Refusal : uint8_t { kNone, kAttempts, kBudget, kBreaker, kPacing };

  // Without rules and bounds: only what needs no policy.
  RetryState() = default;
  // `bounds` outlives the state; `most_retries` is the breaker's, 0 = no bound. Counts the request.
  RetryState(const RetryRules& rules, BackendState& bounds, uint32_t most_retries, Instant now);

  // How long to wait before the next try, or nothing: answer with the failure.
  std::optional<Duration> after_failure(const Error& error, const Facts& facts, Instant now,
                                        Random& random);
  // An opaque connection could not be opened: nothing of it was sent, and it has no method.
  std::optional<Duration> after_connect_failure(Instant now, Random& random);
  std::optional<Duration> after_answer(const Answer& answer, const Facts& facts, Instant now,
                                       Random& random);

  // Do rules say anything? Else no answer needs to be asked about.
  bool has_rules() const { return bounds_ != nullptr; }
  uint32_t retries() const { return retries_; }
  Refusal refusal() const { return refusal_; }
  // Is the caller to get 503 in place of what the last try got?
  bool refused_by_constraint() const { return refusal_ == kBudget && rules_.constrained; }
  Duration per_try_timeout() const { return rules_.per_try_timeout; }

 private:
  bool names(const Answer& answer, bool idempotent) const;
  std::optional<Duration> by_rules(const Facts& facts, Duration at_least, Instant now,
                                   Random& random);

  RetryRules rules_;
  BackendState* bounds_ = nullptr;
  uint32_t most_retries_ = 0;
  std::optional<io::Tally> in_flight_;  // the present try, if it is a retry by the rules
  uint32_t unprocessed_ = 0;
  uint32_t by_rules_ = 0;
  uint32_t retries_ = 0;
  Refusal refusal_ = kNone;
  bool reused_once_ = false;
};

// "the retry budget is spent" and so on; "" for kNone.
std::string_view to_string(RetryState::Refusal refusal);

}  // namespace weft::steer
