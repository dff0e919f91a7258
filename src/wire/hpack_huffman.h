// The Huffman code of HPACK (RFC 7541 §5.2, Appendix B). Pure functions on octets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace weft::wire {

// Octets that `text` takes when encoded.
size_t huffman_size(std::string_view text);
// Writes huffman_size(text) octets; returns the end.
char* huffman_encode(std::string_view text, char* out);

// No encoded text decodes to more octets than this.
constexpr size_t huffman_decoded_bound(size_t encoded) { return encoded * 8 / 5; }
// Writes at most huffman_decoded_bound(text.size()) octets and returns how many; nothing for a code that
// does not exist, EOS, or padding that is longer than 7 bits or has a zero.
std::optional<size_t> huffman_decode(std::string_view text, char* out);

}  // namespace weft::wire
