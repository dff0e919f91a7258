// What happened, in order: every connect, segment, close and crash with its virtual time. Two runs from
// one seed must have equal traces; the hash is always kept, the lines only on request.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace weft::sim {

class Trace {
 public:
  void keep_lines() { keep_ = true; }
  void add(Instant at, std::string_view what);
  uint64_t hash() const { return hash_; }
  uint64_t count() const { return count_; }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  bool keep_ = false;
  uint64_t hash_ = 0;
  uint64_t count_ = 0;
  std::vector<std::string> lines_;
};

}  // namespace weft::sim
