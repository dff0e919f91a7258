// RAND_set_rand_method is deprecated since OpenSSL 3.0 in favour of providers, but it is still honoured
// by RAND_bytes_ex and RAND_priv_bytes_ex, through which everything goes; a provider for this would be
// a page of boilerplate. A RAND_METHOD has no context argument, hence the one pointer below.
#include "sim/deterministic_crypto.h"

#include <openssl/rand.h>

#include "base/assert.h"

namespace weft::sim {

namespace {

Random* active = nullptr;

int random_bytes(unsigned char* out, int size) {
  uint64_t word = 0;
  for (int i = 0; i < size; ++i) {
    if (i % 8 == 0) word = active->next();
    out[i] = static_cast<unsigned char>(word >> (8 * (i % 8)));
  }
  return 1;
}
int status() { return 1; }

}  // namespace

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"

namespace {
const RAND_METHOD kMethod{nullptr, random_bytes, nullptr, nullptr, random_bytes, status};
}

DeterministicCrypto::DeterministicCrypto(uint64_t seed)
    : random_(seed), previous_(RAND_get_rand_method()) {
  WEFT_ASSERT(active == nullptr);
  active = &random_;
  WEFT_ASSERT(RAND_set_rand_method(&kMethod) == 1);
}

DeterministicCrypto::~DeterministicCrypto() {
  RAND_set_rand_method(static_cast<const RAND_METHOD*>(previous_));
  active = nullptr;
}

#pragma clang diagnostic pop

}  // namespace weft::sim
