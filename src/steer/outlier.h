// Outlier detection (model::OutlierDetection): which instances of a backend answer so much worse than they
// should, or than the others, that they are left out for a while. What each of them did is in its Ejection;
// here are the judgements:
//   in a row:  so many errors, or gateway errors, one after the other: at once
//   by rate:   every interval, of those with enough requests: a success rate below the mean minus so many
//              standard deviations; a share of failures above a threshold
// One is out for base_ejection times the number of its ejections, at most max_ejection; each interval that
// it is in all the while takes one off that number. Never more are out than max_ejection_percent of those
// that are there (but one may always go if there are two).
//
// One per backend service and proxy, shared by the workers: relaxed atomics; of two workers that would
// judge at once one does, and the other's next answer brings it back to that. Time comes from callers: an
// interval that has ended is closed by the next pick or answer, as of its end and before either, so the outcome
// is the same as a timer's; intervals without any answer are made up for in one go. An ejection ends by its
// time alone. Allocates only when it judges.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "model/policy.h"
#include "steer/ejection.h"

namespace weft::steer {

class Outliers {
 public:
  enum Outcome : uint8_t {
    kSuccess,
    kError,         // another 5xx
    kGatewayError,  // 502, 503, 504, or no answer
  };
  // By what it was thrown out.
  enum Reason : uint8_t { kErrors, kGatewayErrors, kSuccessRate, kFailurePercentage };
  static constexpr int kReasons = 4;

  // An instance that is there: ready, whether out or not.
  struct Member {
    Ejection* ejection;
    std::string_view name;
  };
  using Members = std::vector<Member>;
  struct Event {
    std::string name;
    bool ejected = false;  // else it is back
    Reason reason = kErrors;
    Duration length{};  // of the ejection
    uint32_t times = 0;
  };

  // Has an interval or an ejection ended that nobody has looked at? To be asked before each pick.
  bool due(Instant now) const { return now.ns >= due_.load(std::memory_order_relaxed); }
  // Then this. `members` as now. What happened goes to the log.
  std::vector<Event> settle(const model::OutlierDetection& policy, Instant now,
                            const std::function<Members()>& members);
  // An answer came, or none. `members` is asked when something is to be judged. What happened, seldom
  // anything, goes to the log.
  std::vector<Event> report(Ejection& endpoint, Outcome outcome,
                            const model::OutlierDetection& policy, Instant now,
                            const std::function<Members()>& members);

  uint64_t ejections(Reason reason) const {
    return ejections_[reason].load(std::memory_order_relaxed);
  }
  // Ejections that did not happen because too many were out.
  uint64_t withheld() const { return withheld_.load(std::memory_order_relaxed); }

 private:
  struct Judgement;
  static void count(Ejection& endpoint, Outcome outcome);
  void in_a_row(Ejection& endpoint, Judgement& judgement);
  void close_interval(Judgement& judgement);
  static void forgive(const Judgement& judgement, int64_t more);
  void look_ahead(const Judgement& judgement);
  void by_rate(Judgement& judgement);
  void eject(const Member& member, Reason reason, Judgement& judgement);
  static void welcome_back(Judgement& judgement);

  std::atomic<bool> judging_{false};
  std::atomic<int64_t> interval_ends_{0};
  std::atomic<int64_t> due_{0};  // the end of the interval, or of an ejection before it
  std::atomic<uint64_t> ejections_[kReasons] = {};
  std::atomic<uint64_t> withheld_{0};
};

// "consecutive errors", "consecutive gateway errors", "success rate", "failure percentage".
std::string_view to_string(Outliers::Reason reason);

}  // namespace weft::steer
