// Reads big-endian numbers and counted fields off untrusted bytes. What is missing reads as nothing and
// is remembered: a caller checks once, at the end. Value type over memory that outlives it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft::wire {

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}
  bool ran_short() const { return short_; }
  bool empty() const { return bytes_.empty(); }
  std::string_view rest() const { return bytes_; }

  // `width` bytes, at most 8.
  size_t number(size_t width) {
    size_t value = 0;
    for (const char c : take(width)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  std::string_view take(size_t size) {
    if (size > bytes_.size()) short_ = true;
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(taken.size());
    return taken;
  }
  // A field with its length in `width` bytes before it.
  std::string_view counted(size_t width) { return take(number(width)); }

 private:
  std::string_view bytes_;
  bool short_ = false;
};

}  // namespace weft::wire
