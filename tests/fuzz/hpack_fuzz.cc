// HPACK on any octets. First as blocks to a decoder and to libnghttp2's side by side: never a crash, and where
// both accept they read the same fields. Then as fields to the encoder: what it writes, both read back.
#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "wire/hpack_decoder.h"
#include "wire/hpack_encoder.h"

namespace {

using namespace weft;
using namespace weft::wire;
using Lines = std::vector<std::pair<std::string, std::string>>;

// Bounds what a block of references to a large entry makes this program collect.
constexpr size_t kMaxLines = 1000;

std::optional<Lines> decode(HpackDecoder& decoder, std::string_view block) {
  Lines out;
  decoder.begin(block);
  HpackField field;
  for (;;) {
    const HpackDecoder::Step step = decoder.next(field);
    if (step == HpackDecoder::Step::kEnd) return out;
    if (step == HpackDecoder::Step::kError) return std::nullopt;
    if (out.size() < kMaxLines) out.emplace_back(field.name, field.value);
  }
}

class Inflater {
 public:
  Inflater() { WEFT_ASSERT(nghttp2_hd_inflate_new(&inflater_) == 0); }
  ~Inflater() { nghttp2_hd_inflate_del(inflater_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  std::optional<Lines> decode(std::string_view block) {
    Lines out;
    const auto* at = reinterpret_cast<const uint8_t*>(block.data());
    size_t left = block.size();
    for (;;) {
      nghttp2_nv nv;
      int flags = 0;
      const ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &nv, &flags, at, left, 1);
      if (used < 0) return std::nullopt;
      at += used;
      left -= static_cast<size_t>(used);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0 && out.size() < kMaxLines) {
        out.emplace_back(std::string(reinterpret_cast<char*>(nv.name), nv.namelen),
                         std::string(reinterpret_cast<char*>(nv.value), nv.valuelen));
      }
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
    return out;
  }
  void set_limit(size_t limit) { nghttp2_hd_inflate_change_table_size(inflater_, limit); }

 private:
  nghttp2_hd_inflater* inflater_ = nullptr;
};

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
    const auto mine = decode(ours, block);
    const auto other = theirs.decode(block);
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
    WEFT_ASSERT(decode(ours, block.view()) == lines);
    WEFT_ASSERT(theirs.decode(block.view()) == lines);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  decode_blocks(input);
  encode_fields(input);
  return 0;
}
