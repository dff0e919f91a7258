// Protocol detection: whatever arrives, an answer once given holds for every longer input.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "wire/detect.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using weft::wire::Detected;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Detected decided = Detected::kNeedMore;
  for (size_t prefix = 0; prefix <= bytes.size() && prefix <= 2 * weft::wire::kDetectLimit;
       ++prefix) {
    const Detected now = weft::wire::detect(bytes.substr(0, prefix));
    if (decided != Detected::kNeedMore && now != decided) std::abort();
    decided = now;
  }
  if (size >= weft::wire::kDetectLimit && decided == Detected::kNeedMore) std::abort();
  return 0;
}
