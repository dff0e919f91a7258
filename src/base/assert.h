// WEFT_ASSERT: a broken invariant of our own crashes loudly, in every build. Never for anything a
// peer, a file or the kernel can cause: that is a Result. Costs one predictable branch.
#pragma once

namespace weft {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}

#define WEFT_ASSERT(expression) \
  ((expression) ? static_cast<void>(0) : ::weft::assertion_failed(#expression, __FILE__, __LINE__))
