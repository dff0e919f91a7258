// What the tests and the fuzzer of HPACK share: octets from hex, whole blocks read at once, and libnghttp2's
// decoder to compare with.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "wire/hpack_decoder.h"

namespace weft::wire::hpack_test {

using Lines = std::vector<std::pair<std::string, std::string>>;

inline std::string octets(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return out;
}

// The fields of a block, none when it is refused. `most` bounds what is collected of a block of references
// to a large entry; all of it is read.
inline std::optional<Lines> decode(HpackDecoder& decoder, std::string_view block,
                                   size_t most = SIZE_MAX) {
  Lines out;
  decoder.begin(block);
  HpackField field;
  for (;;) {
    const HpackDecoder::Step step = decoder.next(field);
    if (step == HpackDecoder::Step::kEnd) return out;
    if (step == HpackDecoder::Step::kError) return std::nullopt;
    if (out.size() < most) out.emplace_back(field.name, field.value);
  }
}

// The same by libnghttp2.
class Inflater {
 public:
  Inflater() { WEFT_ASSERT(nghttp2_hd_inflate_new(&inflater_) == 0); }
  ~Inflater() { nghttp2_hd_inflate_del(inflater_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  void set_limit(size_t limit) {
    WEFT_ASSERT(nghttp2_hd_inflate_change_table_size(inflater_, limit) == 0);
  }

  std::optional<Lines> decode(std::string_view block, size_t most = SIZE_MAX) {
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
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0 && out.size() < most) {
        out.emplace_back(std::string(reinterpret_cast<char*>(nv.name), nv.namelen),
                         std::string(reinterpret_cast<char*>(nv.value), nv.valuelen));
      }
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
    return out;
  }

 private:
  nghttp2_hd_inflater* inflater_ = nullptr;
};

}  // namespace weft::wire::hpack_test
