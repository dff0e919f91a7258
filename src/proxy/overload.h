// Overload: when a sidecar has too much of something, and what it does about it. Pure: readings in, level
// out; the worker takes them, the request path asks for the level.
//
//   what                kShed from             kRefuse from         back below
//   memory              92 % of the limit      95 %                 85 %
//   descriptors         92 % of the limit      95 %                 85 %
//   event loop delay    500 ms                 2 s                  250 ms   (the least of three readings:
//                                                                             a single hiccup is none)
//
// kShed: new requests are answered at once (503, gRPC RESOURCE_EXHAUSTED), what is under way goes on.
// kRefuse: besides, no connection is accepted; it waits in the kernel. Both end by themselves.
// Belongs to the worker loop; the counters may be read from any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "base/time.h"

namespace weft::proxy {

enum class Pressure : uint8_t { kNone, kShed, kRefuse };

// What the process uses. How it is found out is the program's business.
struct Usage {
  uint64_t memory = 0;  // resident octets
  uint64_t descriptors = 0;
};

// 0: no limit.
struct UsageLimits {
  uint64_t memory = 0;
  uint64_t descriptors = 0;
};

class Overload {
 public:
  explicit Overload(UsageLimits limits = {}) : limits_(limits) {}
  void limit(UsageLimits limits) { limits_ = limits; }

  // True: the pressure is another than before.
  bool take(const Usage& usage, Duration loop_delay);

  Pressure pressure() const { return pressure_.load(std::memory_order_relaxed); }
  // Of the present pressure: "memory", "descriptors", "event loop delay"; "" when there is none.
  std::string_view cause() const { return cause_; }
  const Usage& usage() const { return usage_; }

  // A request was turned away.
  void count_shed() { shed_.fetch_add(1, std::memory_order_relaxed); }
  uint64_t shed() const { return shed_.load(std::memory_order_relaxed); }
  // How often accepting has stopped.
  uint64_t pauses() const { return pauses_.load(std::memory_order_relaxed); }

 private:
  UsageLimits limits_;
  Usage usage_;
  std::array<Duration, 3> delays_{};
  size_t next_delay_ = 0;
  std::array<Pressure, 3> levels_{};
  std::string_view cause_;
  std::atomic<Pressure> pressure_{Pressure::kNone};
  std::atomic<uint64_t> shed_{0}, pauses_{0};
};

}  // namespace weft::proxy
