// A table made once per rule, so that a 90/10 split is exact over any hundred exchanges of a proxy under one version
// of the rule instead of right on average; it costs at most 2 kB and a turn one relaxed increment.
#include "steer/weights.h"

#include <algorithm>
#include <numeric>

namespace weft::steer {
namespace {

constexpr uint64_t kLongestSchedule = 1000;

std::vector<uint32_t> weights_of(const std::vector<model::Backend>& backends) {
  std::vector<uint32_t> weights;
  for (const model::Backend& backend : backends) weights.push_back(backend.weight);
  return weights;
}

}  // namespace

Turns::Turns(const std::vector<model::Backend>& backends)
    : schedule_(weighted_schedule(weights_of(backends))) {}

const model::Backend* Turns::next(const std::vector<model::Backend>& backends,
                                  Random& random) const {
  if (schedule_.empty()) return nullptr;
  if (schedule_.size() == 1) return &backends[schedule_.front()];
  if (turn_.load(std::memory_order_relaxed) == 0) {
    uint32_t none = 0;
    const auto begin = static_cast<uint32_t>(1 + (random.next() >> 33));
    turn_.compare_exchange_strong(none, begin, std::memory_order_relaxed);
  }
  const uint32_t turn = turn_.fetch_add(1, std::memory_order_relaxed);
  return &backends[schedule_[turn % schedule_.size()]];
}

std::vector<uint16_t> weighted_schedule(const std::vector<uint32_t>& weights) {
  uint64_t total = std::accumulate(weights.begin(), weights.end(), uint64_t{0});
  if (total == 0) return {};
  uint64_t divisor = 0;
  for (uint32_t weight : weights) divisor = std::gcd(divisor, uint64_t{weight});

  std::vector<int64_t> shares;
  int64_t turns = 0;
  for (uint32_t weight : weights) {
    uint64_t share = weight / divisor;
    if (total / divisor > kLongestSchedule && weight > 0) {
      share = std::max<uint64_t>(1, (weight * kLongestSchedule + total / 2) / total);
    }
    shares.push_back(static_cast<int64_t>(share));
    turns += shares.back();
  }

  // Each turn everybody gains his share; the richest goes and pays the total.
  std::vector<int64_t> credit(shares.size(), 0);
  std::vector<uint16_t> schedule;
  for (int64_t turn = 0; turn < turns; ++turn) {
    for (size_t i = 0; i < shares.size(); ++i) credit[i] += shares[i];
    auto richest = std::max_element(credit.begin(), credit.end());
    *richest -= turns;
    schedule.push_back(static_cast<uint16_t>(richest - credit.begin()));
  }
  return schedule;
}

}  // namespace weft::steer
