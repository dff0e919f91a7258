// The counts are read and then one is raised, without a lock between: it happens once a connection, and to
// be wrong by one for the length of that gap does no harm.
#include "proxy/worker_group.h"

#include <numeric>
#include <tuple>

#include "base/assert.h"

namespace weft::proxy {

uint32_t WorkerGroup::Load::all() const {
  return std::accumulate(
      std::begin(doors), std::end(doors), uint32_t{0},
      [](uint32_t sum, const auto& door) { return sum + door.load(std::memory_order_relaxed); });
}

WorkerGroup::WorkerGroup(size_t workers) : loads_(workers), upstream_(workers) {
  WEFT_ASSERT(workers >= 1 && workers <= kMostWorkers);
}

WorkerGroup::Place WorkerGroup::place(size_t self, Door door) {
  const auto at = static_cast<size_t>(door);
  const auto cost = [&](size_t worker) {
    const Load& load = loads_[worker];
    return std::tuple(!load.takes.load(std::memory_order_relaxed),
                      load.doors[at].load(std::memory_order_relaxed), load.all());
  };
  size_t best = self;
  auto least = cost(self);
  for (size_t i = 1; i < loads_.size(); ++i) {
    const size_t other = (self + i) % loads_.size();
    if (auto its = cost(other); its < least) {
      best = other;
      least = its;
    }
  }
  return {best, io::Tally(loads_[best].doors[at])};
}

bool WorkerGroup::take(size_t worker, bool takes) {
  loads_[worker].takes.store(takes, std::memory_order_relaxed);
  for (const Load& load : loads_)
    if (load.takes.load(std::memory_order_relaxed)) return true;
  return false;
}

uint32_t WorkerGroup::connections(size_t worker) const { return loads_[worker].all(); }

}  // namespace weft::proxy
