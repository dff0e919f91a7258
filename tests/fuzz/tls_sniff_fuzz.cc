// The sniffer of TLS server names: whatever arrives, it comes to an answer within its bound, an answer once
// given holds for every longer input, and a name is one that could stand in a route.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "wire/client_hello.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using weft::wire::ClientHello;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ClientHello decided;
  // Every cut of what is short; of what is long, the beginning and some.
  const size_t step = size > 2048 ? size / 64 : 1;
  for (size_t cut = 0; cut <= size; cut += cut < 64 ? 1 : step) {
    ClientHello now = weft::wire::read_client_hello(bytes.substr(0, cut));
    if (decided.kind != ClientHello::kNeedMore &&
        (now.kind != decided.kind || now.server_name != decided.server_name)) {
      std::abort();
    }
    decided = std::move(now);
  }
  const ClientHello whole = weft::wire::read_client_hello(bytes);
  if (size >= weft::wire::kClientHelloLimit && whole.kind == ClientHello::kNeedMore) std::abort();
  if (whole.kind != ClientHello::kHello && !whole.server_name.empty()) std::abort();
  if (whole.server_name.size() > 255) std::abort();
  if (std::ranges::any_of(whole.server_name, [](unsigned char c) {
        return c <= 0x20 || c >= 0x7f || (c >= 'A' && c <= 'Z');
      })) {
    std::abort();
  }
  return 0;
}
