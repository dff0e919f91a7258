// xoshiro256**: 32 bytes of state, under a nanosecond a number, long period; good enough to balance
// load and to jitter timers, and repeatable from one 64-bit seed.
#include "base/random.h"

#include <sys/random.h>

#include <bit>

#include "base/assert.h"

namespace weft {

SeededRandom::SeededRandom(uint64_t seed) {
  for (uint64_t& word : state_) {  // splitmix64
    seed += 0x9e3779b97f4a7c15;
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    word = z ^ (z >> 31);
  }
}

SeededRandom SeededRandom::from_os() {
  uint64_t seed = 0;
  WEFT_ASSERT(getrandom(&seed, sizeof seed, 0) == sizeof seed);
  return SeededRandom(seed);
}

uint64_t SeededRandom::next() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

}  // namespace weft
