// gRPC's length-prefixed messages from any octets in any pieces; what is read can be written again.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "http/grpc.h"
#include "http/grpc_status.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::http;
  if (size < 1) return 0;
  const size_t piece = 1 + data[0] % 32;
  std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string message = percent_decode_message(input);
  WEFT_ASSERT(percent_decode_message(percent_encode_message(message)) == message);

  GrpcFrameReader reader;
  std::string again;
  while (!input.empty()) {
    const size_t take = std::min(piece, input.size());
    reader.receive(input.substr(0, take));
    again += input.substr(0, take);
    input.remove_prefix(take);
    for (;;) {
      auto read = reader.next(4096);
      if (!read) return 0;
      if (!*read) break;
      const std::string frame = grpc_frame(**read);
      WEFT_ASSERT(again.starts_with(frame));
      again.erase(0, frame.size());
    }
  }
  WEFT_ASSERT(reader.idle() == again.empty());
  return 0;
}
