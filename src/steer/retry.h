// May a request be sent again, and when? Three reasons, tried in this order:
//  1. it was provably never processed (connect refused, REFUSED_STREAM, beyond GOAWAY, wrong identity):
//     always, elsewhere, at most kUnprocessedTries times, whatever the method;
//  2. a reused connection closed before the first byte of an answer: once, idempotent methods only;
//  3. the route's policy: statuses it names for any method (who names them accepts that), failures
//     without an answer for idempotent methods only; up to `attempts`, full jitter, within the budget.
// Never after the head of an answer went downstream, never when the body can no longer be replayed
// (RFC 9110 section 9.2.2, RFC 9113 section 8.7). Pure: randomness and time are arguments.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "model/service.h"

namespace weft::steer {

// RFC 9110 section 9.2.2.
bool is_idempotent(std::string_view method);

// Bounds policy retries to a fifth of the requests of the last ten seconds, plus ten a second, so that
// a failing service gets at most 1.2 times its load (as Finagle's RetryBudget). One per service and
// worker, each with its part of the ten; not thread-safe.
class RetryBudget {
 public:
  explicit RetryBudget(size_t workers = 1) : reserve_(kReserve / static_cast<int64_t>(workers)) {}
  void request(Instant now);
  // Takes one retry if there is one.
  bool withdraw(Instant now);

 private:
  static constexpr int kSlots = 10;
  static constexpr int64_t kPrice = 5;
  static constexpr int64_t kReserve = 10 * kSlots * kPrice;
  void turn(Instant now);

  const int64_t reserve_;
  std::array<int64_t, kSlots> slots_{};
  int64_t second_ = 0;
};

class RetryState {
 public:
  static constexpr uint32_t kUnprocessedTries = 5;

  // What is true of the request at the moment of the failure.
  struct Facts {
    bool idempotent = false;
    bool replayable = true;  // all of the body that was sent is still held
    bool answered = false;   // something other than an interim response went downstream
  };

  // `policy` may be null; it and the budget outlive the state.
  RetryState(const model::RetryPolicy* policy, RetryBudget& budget)
      : policy_(policy), budget_(budget) {}

  // How long to wait before the next try, or nothing: answer with the failure.
  std::optional<Duration> after_failure(const Error& error, const Facts& facts, Instant now,
                                        Random& random);
  std::optional<Duration> after_status(int status, const Facts& facts, Instant now, Random& random);

  uint32_t retries() const { return retries_; }

 private:
  std::optional<Duration> by_policy(Instant now, Random& random);

  const model::RetryPolicy* policy_;
  RetryBudget& budget_;
  uint32_t unprocessed_ = 0;
  uint32_t by_policy_ = 0;
  uint32_t retries_ = 0;
  bool reused_once_ = false;
};

}  // namespace weft::steer
