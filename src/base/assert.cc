// The end of the road for a broken invariant: say where on stderr and abort, so that a core dump and
// the keeper's log both show it. Plain write calls: the heap may be what broke.
#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace weft {

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "weft: broken invariant: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace weft
