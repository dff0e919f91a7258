// A thin wrapper keeps xxhash.h (a large header) out of everyone's sight.
#include "base/hash.h"

#include <xxhash.h>

namespace weft {

uint64_t xxh64(std::string_view bytes, uint64_t seed) {
  return XXH64(bytes.data(), bytes.size(), seed);
}

}  // namespace weft
