// Each level is left at a lower mark than it is entered at, so that a value near a mark does not make the
// sidecar flutter.
#include "proxy/overload.h"

#include <algorithm>

namespace weft::proxy {
namespace {

struct Marks {
  double shed, refuse, back;
};

constexpr Marks kShare{0.92, 0.95, 0.85};
constexpr Marks kDelayMillis{500, 2000, 250};

Pressure level(double value, const Marks& marks, Pressure before) {
  if (value >= marks.refuse) return Pressure::kRefuse;
  if (value >= marks.shed) return std::max(before, Pressure::kShed);
  if (value >= marks.back && before != Pressure::kNone) return Pressure::kShed;
  return Pressure::kNone;
}

double share(uint64_t used, uint64_t limit) {
  return limit == 0 ? 0 : static_cast<double>(used) / static_cast<double>(limit);
}

}  // namespace

bool Overload::take(const Usage& usage, Duration loop_delay) {
  static constexpr std::array<std::string_view, 3> kNames{"memory", "descriptors",
                                                          "event loop delay"};
  usage_ = usage;
  delays_[next_delay_++ % delays_.size()] = loop_delay;
  const Duration lasting = *std::min_element(delays_.begin(), delays_.end());
  levels_ = {level(share(usage.memory, limits_.memory), kShare, levels_[0]),
             level(share(usage.descriptors, limits_.descriptors), kShare, levels_[1]),
             level(static_cast<double>(lasting.to_millis()), kDelayMillis, levels_[2])};
  const auto worst = std::max_element(levels_.begin(), levels_.end());
  const Pressure before = pressure();
  pressure_.store(*worst, std::memory_order_relaxed);
  cause_ = *worst == Pressure::kNone ? std::string_view()
                                     : kNames[static_cast<size_t>(worst - levels_.begin())];
  if (*worst == Pressure::kRefuse && before != Pressure::kRefuse)
    pauses_.fetch_add(1, std::memory_order_relaxed);
  return *worst != before;
}

}  // namespace weft::proxy
