// Counting is a few relaxed additions, and none to the counts in a row while all is well; a flag is the
// lock of judging. The intervals have no timer: whoever picks or reports first after the end of one closes it
// as of that end. Nothing was counted and nobody was picked since, so that comes to the same, and costs a
// comparison for each pick under a policy; a timer would have to know of every rule's policy.
#include "steer/outlier.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace weft::steer {

struct Outliers::Judgement {
  const model::OutlierDetection& policy;
  Instant now;
  Members members;
  std::vector<Event> events;

  // When the first of those that are out, or of whose return nobody has heard, is back.
  int64_t next_return() const {
    int64_t next = INT64_MAX;
    for (const Member& member : members) {
      if (!member.ejection->told_.load(std::memory_order_relaxed))
        next = std::min(next, member.ejection->until_.load(std::memory_order_relaxed));
    }
    return next;
  }
};

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

struct Rate {
  const Outliers::Member* member;
  double success;  // 0 to 1
};

double share(uint32_t part, uint32_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::vector<Outliers::Event> Outliers::report(Ejection& endpoint, Outcome outcome,
                                              const model::OutlierDetection& policy, Instant now,
                                              const std::function<Members()>& members) {
  std::vector<Event> events;
  if (due(now)) events = settle(policy, now, members);
  count(endpoint, outcome);
  const bool row = (policy.consecutive_errors > 0 &&
                    endpoint.errors_.load(kRelaxed) >= policy.consecutive_errors) ||
                   (policy.consecutive_gateway_errors > 0 &&
                    endpoint.gateway_errors_.load(kRelaxed) >= policy.consecutive_gateway_errors);
  if (!row || judging_.exchange(true, std::memory_order_acquire)) return events;
  Judgement judgement{policy, now, members(), std::move(events)};
  in_a_row(endpoint, judgement);
  look_ahead(judgement);
  judging_.store(false, std::memory_order_release);
  return std::move(judgement.events);
}

std::vector<Outliers::Event> Outliers::settle(const model::OutlierDetection& policy, Instant now,
                                              const std::function<Members()>& members) {
  if (judging_.exchange(true, std::memory_order_acquire)) return {};
  Judgement judgement{policy, now, members(), {}};
  const int64_t length = policy.interval.ns;
  int64_t ends = interval_ends_.load(kRelaxed);
  if (ends == 0) ends = now.ns + length;  // the first one begins
  // Ends of intervals and returns in their order, each at its time.
  while (true) {
    const int64_t back = judgement.next_return();
    if (ends <= std::min(back, now.ns)) {
      judgement.now = {ends};
      close_interval(judgement);
      // Those that have passed since without an answer, up to the next return.
      const int64_t more = (std::min(judgement.next_return(), now.ns) - ends) / length;
      forgive(judgement, more);
      ends += (more + 1) * length;
    } else if (back <= now.ns) {
      judgement.now = {back};
      welcome_back(judgement);
    } else {
      break;
    }
  }
  interval_ends_.store(ends, kRelaxed);
  look_ahead(judgement);
  judging_.store(false, std::memory_order_release);
  return std::move(judgement.events);
}

// When there is something to settle again.
void Outliers::look_ahead(const Judgement& judgement) {
  due_.store(std::min(interval_ends_.load(kRelaxed), judgement.next_return()), kRelaxed);
}

void Outliers::count(Ejection& endpoint, Outcome outcome) {
  endpoint.answers_.fetch_add(1, kRelaxed);
  if (outcome == kSuccess) {
    if (endpoint.errors_.load(kRelaxed) > 0) endpoint.errors_.store(0, kRelaxed);
  } else {
    endpoint.failures_.fetch_add(1, kRelaxed);
    endpoint.errors_.fetch_add(1, kRelaxed);
  }
  if (outcome == kGatewayError) {
    endpoint.gateway_errors_.fetch_add(1, kRelaxed);
  } else if (endpoint.gateway_errors_.load(kRelaxed) > 0) {
    endpoint.gateway_errors_.store(0, kRelaxed);
  }
}

void Outliers::in_a_row(Ejection& endpoint, Judgement& judgement) {
  const auto member =
      std::find_if(judgement.members.begin(), judgement.members.end(),
                   [&](const Member& candidate) { return candidate.ejection == &endpoint; });
  if (member == judgement.members.end()) return;  // it has left
  const uint32_t errors = judgement.policy.consecutive_errors;
  const bool any = errors > 0 && endpoint.errors_.load(kRelaxed) >= errors;
  eject(*member, any ? kErrors : kGatewayErrors, judgement);
}

void Outliers::eject(const Member& member, Reason reason, Judgement& judgement) {
  Ejection& endpoint = *member.ejection;
  const Instant now = judgement.now;
  if (endpoint.out(now)) return;  // answers to what was under way when it was thrown out
  const size_t all = judgement.members.size();
  const auto out = static_cast<size_t>(
      std::count_if(judgement.members.begin(), judgement.members.end(),
                    [now](const Member& other) { return other.ejection->out(now); }));
  const size_t most = std::max<size_t>(1, all * judgement.policy.max_ejection_percent / 100);
  if (all < 2 || out >= std::min(most, all - 1)) {
    withheld_.fetch_add(1, kRelaxed);
    return;
  }
  const uint32_t times = endpoint.times_.fetch_add(1, kRelaxed) + 1;
  const Duration longest = std::max(judgement.policy.max_ejection, judgement.policy.base_ejection);
  // Durations reach a day: the product is cut before it could overflow.
  const Duration length =
      std::min(judgement.policy.base_ejection * std::min(times, 10'000u), longest);
  endpoint.until_.store((now + length).ns, kRelaxed);
  endpoint.told_.store(false, kRelaxed);
  endpoint.errors_.store(0, kRelaxed);
  endpoint.gateway_errors_.store(0, kRelaxed);
  ejections_[reason].fetch_add(1, kRelaxed);
  judgement.events.push_back({std::string(member.name), true, reason, length, times});
}

void Outliers::welcome_back(Judgement& judgement) {
  for (const Member& member : judgement.members) {
    Ejection& endpoint = *member.ejection;
    if (endpoint.out(judgement.now) || endpoint.told_.exchange(true, kRelaxed)) continue;
    // What came late from before it was thrown out says nothing about now.
    for (auto* count :
         {&endpoint.errors_, &endpoint.gateway_errors_, &endpoint.answers_, &endpoint.failures_})
      count->store(0, kRelaxed);
    judgement.events.push_back({.name = std::string(member.name), .times = endpoint.times()});
  }
}

// The interval that ended at the judgement's time.
void Outliers::close_interval(Judgement& judgement) {
  welcome_back(judgement);
  by_rate(judgement);
  for (const Member& member : judgement.members) {
    member.ejection->answers_.store(0, kRelaxed);
    member.ejection->failures_.store(0, kRelaxed);
  }
}

// One ejection less for each interval in which an endpoint was in all the while: the one that ended at the
// judgement's time and `more` after it.
void Outliers::forgive(const Judgement& judgement, int64_t more) {
  const int64_t length = judgement.policy.interval.ns;
  const int64_t last_began = judgement.now.ns + (more - 1) * length;
  for (const Member& member : judgement.members) {
    Ejection& endpoint = *member.ejection;
    const uint32_t times = endpoint.times();
    const int64_t back = endpoint.until_.load(kRelaxed);
    if (times == 0 || back > last_began) continue;
    const int64_t well = std::min((last_began - back) / length, more) + 1;
    endpoint.times_.store(times - static_cast<uint32_t>(std::min<int64_t>(times, well)), kRelaxed);
  }
}

void Outliers::by_rate(Judgement& judgement) {
  const auto rates = [&](uint32_t min_requests) {
    std::vector<Rate> out;
    for (const Member& member : judgement.members) {
      const uint32_t answers = member.ejection->answers_.load(kRelaxed);
      if (answers < std::max(min_requests, 1u) || member.ejection->out(judgement.now)) continue;
      const uint32_t failures = std::min(member.ejection->failures_.load(kRelaxed), answers);
      out.push_back({&member, share(answers - failures, answers)});
    }
    // The worst first: it is what max_ejection_percent lets go.
    std::sort(out.begin(), out.end(), [](const Rate& a, const Rate& b) {
      return std::tie(a.success, a.member->name) < std::tie(b.success, b.member->name);
    });
    return out;
  };
  if (const auto& by = judgement.policy.success_rate) {
    const std::vector<Rate> all = rates(by->min_requests);
    if (!all.empty() && all.size() >= by->min_instances) {
      double sum = 0, squares = 0;
      for (const Rate& rate : all) sum += rate.success;
      const double mean = sum / static_cast<double>(all.size());
      for (const Rate& rate : all) squares += (rate.success - mean) * (rate.success - mean);
      const double deviation = std::sqrt(squares / static_cast<double>(all.size()));
      const double least = mean - deviation * by->stdev_factor / 1000;
      for (const Rate& rate : all) {
        if (rate.success < least) eject(*rate.member, kSuccessRate, judgement);
      }
    }
  }
  if (const auto& by = judgement.policy.failure_percentage) {
    const std::vector<Rate> all = rates(by->min_requests);
    if (all.size() < by->min_instances) return;
    for (const Rate& rate : all) {
      if ((1 - rate.success) * 100 >= by->threshold)
        eject(*rate.member, kFailurePercentage, judgement);
    }
  }
}

std::string_view to_string(Outliers::Reason reason) {
  switch (reason) {
    case Outliers::kErrors: return "consecutive errors";
    case Outliers::kGatewayErrors: return "consecutive gateway errors";
    case Outliers::kSuccessRate: return "success rate";
    case Outliers::kFailurePercentage: return "failure percentage";
  }
  return "";
}

}  // namespace weft::steer
