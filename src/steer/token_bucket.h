// Token buckets that any number of threads take from, without a lock: the state of a bucket is one point in
// time, the moment at which it is full again (the "theoretical arrival time" of the generic cell rate
// algorithm, ITU-T I.371). Taking a token moves it on by the time one token needs to grow. A bucket whose
// moment has passed is full, the same as one that was never used.
//
// Times are those of a loop's clock (Instant::ns). Relaxed atomics: a bucket guards nothing but itself.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/time.h"

namespace weft::steer {

// How a bucket fills. Given at each take, so that buckets of one table may differ.
struct TokenRate {
  int64_t token_ns = 0;  // one token grows in that time; 0: none ever grows and none is there
  int64_t full_ns = 0;   // all that fit: token_ns times their number

  // `burst` 0: as many as `tokens`. No tokens: a bucket that is always empty.
  static TokenRate of(uint32_t tokens, Duration per, uint32_t burst);
  friend bool operator==(const TokenRate&, const TokenRate&) = default;
};

class TokenBucket {
 public:
  struct Taken {
    bool granted = false;
    uint64_t left = 0;  // tokens in the bucket now
    Duration until{};   // refused: until one is there; granted: until it is full
  };
  Taken take(const TokenRate& rate, Instant now);
  // Undoes a take that was granted.
  void give_back(const TokenRate& rate);

  int64_t full_at() const { return full_at_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> full_at_{INT64_MIN};
};

}  // namespace weft::steer
