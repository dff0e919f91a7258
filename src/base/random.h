// Randomness is an argument, like time: the product hands in the kernel's, a simulation a seeded one.
// Not for keys: those come from OpenSSL inside `trust`.
#pragma once

#include <cstdint>

namespace weft {

class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t next() = 0;

  // Uniform in [0, bound); bound > 0. (Lemire's multiply-shift; the bias is below 2^-32 for our bounds.)
  uint64_t below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }
  // Uniform in [0, 1).
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
};

// xoshiro256** seeded through splitmix64 (Blackman, Vigna: "Scrambled linear pseudorandom number
// generators", 2018). One per worker; not thread-safe.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed);
  // Seeded by the kernel.
  static SeededRandom from_os();
  uint64_t next() override;

 private:
  uint64_t state_[4];
};

}  // namespace weft
