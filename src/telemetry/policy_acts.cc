// A map under a lock, because acts are rare against requests: even a flood that is refused at each request
// costs tens of nanoseconds of it.
#include "telemetry/policy_acts.h"

namespace weft::telemetry {

void PolicyActs::count(PolicyAct act, std::string_view policy) {
  const std::lock_guard lock(mutex_);
  std::pair key(act, std::string(policy));
  if (counts_.size() >= kMaxPolicies && !counts_.contains(key)) key.second = "other";
  ++counts_[std::move(key)];
}

void PolicyActs::add_to(Totals& totals) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, count] : counts_) totals[key] += count;
}

void write_policy_acts(MetricsText& text, const PolicyActs::Totals& totals) {
  text.counter("weft_injected_faults", "Requests and connections that a FaultPolicy broke");
  for (const auto& [key, count] : totals) {
    if (key.first == PolicyAct::kLimited) continue;
    text.sample(
        {{"policy", key.second}, {"fault", key.first == PolicyAct::kDelayed ? "delay" : "abort"}},
        count);
  }
  text.counter("weft_rate_limited_requests",
               "Requests and connections that a RateLimitPolicy refused");
  for (const auto& [key, count] : totals) {
    if (key.first == PolicyAct::kLimited) text.sample({{"policy", key.second}}, count);
  }
}

}  // namespace weft::telemetry
