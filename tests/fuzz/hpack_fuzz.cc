// HPACK on any octets. First as blocks to a decoder and to libnghttp2's side by side: never a crash, and where
// both accept they read the same fields. Then as fields to the encoder: what it writes, both read back.
#include <cstdint>
#include <string>
#include <string_view>

#include "wire/hpack_encoder.h"
#include "wire/hpack_test_support.h"

namespace {

using namespace weft;
using namespace weft::wire;
using namespace weft::wire::hpack_test;

// Bounds what a block of references to a large entry makes this program collect.
constexpr size_t kMaxLines = 1000;

// Pieces of the input: an octet says how long the next one is.
std::string_view piece(std::string_view& input) {
  if (input.empty()) return {};
  const size_t size = std::min<size_t>(static_cast<uint8_t>(input[0]), input.size() - 1);
  const std::string_view out = input.substr(1, size);
  input.remove_prefix(1 + size);
  return out;
}

void decode_blocks(std::string_view input) {
  HpackDecoder ours;
  Inflater theirs;
  while (!input.empty()) {
    const std::string_view block = piece(input);
    const auto mine = decode(ours, block, kMaxLines);
    const auto other = theirs.decode(block, kMaxLines);
    // Each has limits of its own (lengths, integers), so that one alone may refuse.
    if (!mine || !other) return;
    WEFT_ASSERT(mine == other);
  }
}

void encode_fields(std::string_view input) {
  HpackEncoder encoder;
  HpackDecoder ours;
  Inflater theirs;
  while (!input.empty()) {
    const auto control = static_cast<uint8_t>(input[0]);
    input.remove_prefix(1);
    if (control >= 0xf0) {
      const size_t limit = size_t{control & 0xfu} * 300;
      encoder.set_limit(limit);
      ours.set_limit(limit);
      theirs.set_limit(limit);
    }
    Lines lines;
    for (int i = control % 8; i > 0 && !input.empty(); --i) {
      const std::string_view name = piece(input);
      lines.emplace_back(name.empty() ? "cookie" : name, piece(input));
    }
    Buffer block;
    encoder.begin(block);
    for (const auto& [name, value] : lines) encoder.encode(block, name, value);
    WEFT_ASSERT(decode(ours, block.view(), kMaxLines) == lines);
    WEFT_ASSERT(theirs.decode(block.view(), kMaxLines) == lines);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  decode_blocks(input);
  encode_fields(input);
  return 0;
}
