#include "control/condition_times.h"

namespace weft::control {

void ConditionTimes::stamp(const std::string& owner, std::vector<Condition>& conditions) {
  if (seen_.size() > kEntries) seen_.clear();
  for (Condition& condition : conditions) {
    const auto [it, fresh] = seen_.try_emplace(owner + " " + condition.type);
    if (fresh || it->second.ok != condition.ok) it->second = {condition.ok, clock_.wall_now()};
    condition.since = it->second.since;
  }
}

}  // namespace weft::control
