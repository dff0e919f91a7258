// A chained hash: equal hashes mean equal lines in equal order.
#include "sim/trace.h"

#include <fmt/format.h>

#include "base/hash.h"

namespace weft::sim {

void Trace::add(Instant at, std::string_view what) {
  std::string line = fmt::format("{} {}", at.ns, what);
  hash_ = xxh64(line, hash_);
  ++count_;
  if (keep_) lines_.push_back(std::move(line));
}

}  // namespace weft::sim
