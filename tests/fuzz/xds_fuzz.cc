// Discovery messages from either end. The first byte chooses the reader; the rest is the message.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "xds/convert.h"
#include "xds/delta_client.h"
#include "xds/delta_server.h"
#include "xds/join_token.h"

namespace {

using namespace weft::xds;

// Whatever is accepted can be written again and read again.
template <typename Decode, typename Encode>
void round_trip(std::string_view bytes, Decode decode, Encode encode) {
  auto value = decode(bytes);
  if (!value) return;
  WEFT_ASSERT(decode(encode(*value)));
}

void feed_server(std::string_view bytes) {
  ResourceCache cache;
  cache.set(ResourceType::kName, "cart.default", "x");
  DeltaServerStream server(cache);
  DeltaClient client({"a", "b", 1});
  client.subscribe(ResourceType::kName, "*");
  client.connected();
  for (const auto& message : client.take_output()) (void)server.receive(message);
  (void)server.take_output();
  (void)server.receive(bytes);
  cache.set(ResourceType::kName, "cart.default", "y");
  for (const auto& key : cache.take_changed()) server.changed(key);
  for (const auto& message : server.take_output()) WEFT_ASSERT(!message.empty());
}

void feed_client(std::string_view bytes) {
  DeltaClient client({"a", "b", 1});
  for (ResourceType type : kAllResourceTypes) client.subscribe(type, "*");
  client.connected();
  (void)client.take_output();
  auto update = client.receive(bytes);
  if (!update) return;
  client.acknowledge(update->id, {{"cart.default", "no"}});
  WEFT_ASSERT(client.take_output().size() == 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  auto with_level = [](auto decode) {
    return [decode](std::string_view b) { return decode(b, kProxyLevel); };
  };
  switch (data[0] % 9) {
    case 0: feed_client(bytes); break;
    case 1: feed_server(bytes); break;
    case 2: round_trip(bytes, with_level(decode_name), encode_name); break;
    case 3: round_trip(bytes, with_level(decode_service), encode_service); break;
    case 4: round_trip(bytes, with_level(decode_endpoints), encode_endpoints); break;
    case 5: round_trip(bytes, with_level(decode_workload_address), encode_workload_address); break;
    case 7: round_trip(bytes, with_level(decode_inbound), encode_inbound); break;
    case 6: (void)JoinToken::decode(bytes); break;
    case 8: (void)decode_rules(bytes); break;
  }
  return 0;
}
