// The code of Appendix B is canonical: codes of one length are consecutive, in the order of the symbols, so
// the lengths alone define it and every table here is computed from them by the compiler.
// Decoding looks the next 9 bits up (codes of the 76 usual octets have at most 8) and falls back to a search
// by length for the rest: 1 KiB of table, one load for an octet.
#include "wire/hpack_huffman.h"

#include <array>

namespace weft::wire {

namespace {

constexpr size_t kSymbols = 257;  // all octets and EOS
constexpr uint32_t kEos = 256;
constexpr unsigned kLongest = 30;
constexpr unsigned kFastBits = 9;

constexpr std::array<uint8_t, kSymbols> kLength = {
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,  //
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,  //
    6,  10, 10, 12, 13, 6,  8,  11, 10, 10, 8,  11, 8,  6,  6,  6,   //
    5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8,  15, 6,  12, 10,  //
    13, 6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,   //
    7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8,  13, 19, 13, 14, 6,   //
    15, 5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,   //
    6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7,  15, 11, 14, 13, 28,  //
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,  //
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,  //
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,  //
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,  //
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,  //
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,  //
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,  //
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,  //
    30};

struct Code {
  std::array<uint32_t, kSymbols> bits{};
  // By length: the first code, how many there are, and where their symbols begin in `symbols`.
  std::array<uint32_t, kLongest + 1> first{};
  std::array<uint32_t, kLongest + 1> count{};
  std::array<uint32_t, kLongest + 1> start{};
  std::array<uint16_t, kSymbols> symbols{};
  bool complete = false;
};

constexpr Code make_code() {
  Code code;
  for (const uint8_t length : kLength) ++code.count[length];
  uint32_t next = 0;
  uint32_t start = 0;
  for (unsigned length = 1; length <= kLongest; ++length) {
    next <<= 1;
    code.first[length] = next;
    code.start[length] = start;
    for (uint32_t symbol = 0; symbol < kSymbols; ++symbol) {
      if (kLength[symbol] != length) continue;
      code.bits[symbol] = next++;
      code.symbols[start++] = static_cast<uint16_t>(symbol);
    }
  }
  code.complete = next == uint32_t{1} << kLongest;
  return code;
}

constexpr Code kCode = make_code();
static_assert(kCode.complete, "the lengths are no complete prefix code");
static_assert(kCode.bits['a'] == 0x3 && kCode.bits['~'] == 0x1ffd &&
              kCode.bits[kEos] == 0x3fffffff);

struct Fast {
  uint8_t symbol = 0;
  uint8_t length = 0;  // 0: a longer code
};

constexpr std::array<Fast, 1 << kFastBits> make_fast() {
  std::array<Fast, 1 << kFastBits> fast{};
  for (uint32_t symbol = 0; symbol < kEos; ++symbol) {
    if (kLength[symbol] > kFastBits) continue;
    const unsigned free = kFastBits - kLength[symbol];
    for (uint32_t rest = 0; rest < uint32_t{1} << free; ++rest) {
      fast[(kCode.bits[symbol] << free) + rest] = {static_cast<uint8_t>(symbol), kLength[symbol]};
    }
  }
  return fast;
}

constexpr std::array<Fast, 1 << kFastBits> kFast = make_fast();

// The symbol whose code `window` begins with (its top bit is the next one).
struct Found {
  uint32_t symbol;
  unsigned length;
};
Found find_long(uint64_t window) {
  for (unsigned length = kFastBits + 1; length <= kLongest; ++length) {
    const auto bits = static_cast<uint32_t>(window >> (64 - length));
    const uint32_t offset = bits - kCode.first[length];
    if (bits >= kCode.first[length] && offset < kCode.count[length]) {
      return {kCode.symbols[kCode.start[length] + offset], length};
    }
  }
  return {kEos, kLongest};
}

}  // namespace

size_t huffman_size(std::string_view text) {
  size_t bits = 0;
  for (const char c : text) bits += kLength[static_cast<uint8_t>(c)];
  return (bits + 7) / 8;
}

char* huffman_encode(std::string_view text, char* out) {
  uint64_t window = 0;
  unsigned held = 0;
  for (const char c : text) {
    const auto symbol = static_cast<uint8_t>(c);
    window = window << kLength[symbol] | kCode.bits[symbol];
    held += kLength[symbol];
    while (held >= 8) {
      held -= 8;
      *out++ = static_cast<char>(window >> held);
    }
  }
  // The padding is the beginning of EOS: ones.
  if (held > 0) *out++ = static_cast<char>(window << (8 - held) | 0xffu >> held);
  return out;
}

std::optional<size_t> huffman_decode(std::string_view text, char* out) {
  const char* at = text.data();
  const char* const end = at + text.size();
  const char* const begin = out;
  uint64_t window = 0;
  unsigned held = 0;
  for (;;) {
    while (held <= 56 && at != end) {
      window |= uint64_t{static_cast<uint8_t>(*at++)} << (56 - held);
      held += 8;
    }
    const Fast fast = kFast[window >> (64 - kFastBits)];
    Found found{fast.symbol, fast.length};
    if (fast.length == 0) found = find_long(window);
    if (found.length > held) break;
    if (found.symbol == kEos) return std::nullopt;
    *out++ = static_cast<char>(found.symbol);
    window <<= found.length;
    held -= found.length;
  }
  // No code fits what is left: it must be padding.
  if (held > 7 || (held > 0 && window >> (64 - held) != (uint64_t{1} << held) - 1))
    return std::nullopt;
  return static_cast<size_t>(out - begin);
}

}  // namespace weft::wire
