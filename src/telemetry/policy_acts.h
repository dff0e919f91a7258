// How often policies acted on what passes: one counter for each policy and what it did. Policies are the
// mesh's own objects, so their names are few; a cap holds besides.
//
// Threading: any; a short lock at each act. Nothing is counted where no policy acts.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "telemetry/prometheus.h"

namespace weft::telemetry {

enum class PolicyAct : uint8_t {
  kDelayed,  // a FaultPolicy held a request or connection back
  kAborted,  // a FaultPolicy answered or reset it
  kLimited,  // a RateLimitPolicy refused it
};

class PolicyActs {
 public:
  using Totals = std::map<std::pair<PolicyAct, std::string>, uint64_t>;
  static constexpr size_t kMaxPolicies = 1024;

  // Past the cap new names are counted as "other".
  void count(PolicyAct act, std::string_view policy);
  // Adds what was counted.
  void add_to(Totals& totals) const;

 private:
  mutable std::mutex mutex_;
  Totals counts_;
};

// weft_injected_faults{policy,fault="delay"|"abort"} and weft_rate_limited_requests{policy}.
void write_policy_acts(MetricsText& text, const PolicyActs::Totals& totals);

}  // namespace weft::telemetry
