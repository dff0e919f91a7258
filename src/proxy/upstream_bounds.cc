// A count is raised first and looked at then: of two that meet at the bound both may be turned away, but
// never both let through.
#include "proxy/upstream_bounds.h"

namespace weft::proxy {
namespace {

std::optional<io::Tally> counted(std::atomic<uint32_t>& count, uint32_t most) {
  io::Tally one(count);
  if (count.load(std::memory_order_relaxed) > most) return std::nullopt;
  return one;
}

}  // namespace

std::shared_ptr<UpstreamBounds::Counts> UpstreamBounds::of(const UpstreamTarget& target) {
  const std::lock_guard lock(mutex_);
  if (auto found = all_.find(target); found != all_.end()) {
    if (auto counts = found->second.lock()) return counts;
  }
  // A new target is the moment to forget those that nobody holds.
  std::erase_if(all_, [](const auto& entry) { return entry.second.expired(); });
  auto counts = std::make_shared<Counts>();
  all_[target] = counts;
  return counts;
}

std::optional<io::Tally> UpstreamBounds::wait(Counts& counts) {
  return counted(counts.waiting, kMostWaiting);
}

std::optional<io::Tally> UpstreamBounds::connect_further(Counts& counts) const {
  return counted(counts.further, kMostConnections - workers_);
}

}  // namespace weft::proxy
