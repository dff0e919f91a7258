// DeterministicCrypto: while it lives, OpenSSL draws every random byte (keys, nonces, serial numbers,
// TLS randoms) from a seed, so that a simulation with TLS in it repeats byte for byte. One at a time in a
// process, one thread. Never near a product: the resulting keys are worthless.
#pragma once

#include <cstdint>

#include "base/random.h"

namespace weft::sim {

class DeterministicCrypto {
 public:
  explicit DeterministicCrypto(uint64_t seed);
  DeterministicCrypto(const DeterministicCrypto&) = delete;
  DeterministicCrypto& operator=(const DeterministicCrypto&) = delete;
  ~DeterministicCrypto();

 private:
  SeededRandom random_;
  const void* previous_;
};

}  // namespace weft::sim
