// A count is raised first and looked at then: a refusal lowers it again.
#include "steer/breaker.h"

namespace weft::steer {

std::optional<io::Tally> Breaker::take(What what, uint32_t most) {
  if (most == 0) return io::Tally();
  Count& count = counts_[what];
  io::Tally one(count.now);
  if (count.now.load(std::memory_order_relaxed) <= most) return one;
  count.refused.fetch_add(1, std::memory_order_relaxed);
  return std::nullopt;
}

const char* to_string(Breaker::What what) {
  switch (what) {
    case Breaker::kConnections: return "connections";
    case Breaker::kPending: return "pending";
    case Breaker::kRequests: return "requests";
    case Breaker::kRetries: return "retries";
  }
  return "";
}

}  // namespace weft::steer
