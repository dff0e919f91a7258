// HPACK (RFC 7541), the receiving half: one decoder for a connection, fed with whole field blocks in the order
// they came. A block must be read to its end even when nobody wants it, or the next ones mean something else.
// Any error is one of the connection (COMPRESSION_ERROR); the decoder is of no use after it.
// Memory: the table, and scratch space for the longest Huffman-coded string of the present block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "wire/hpack_table.h"

namespace weft::wire {

struct HpackField {
  std::string_view name;
  std::string_view value;
  uint8_t static_name = 0;  // index of the name in the static table when the sender said so, else 0
  bool never_indexed = false;
};

class HpackDecoder {
 public:
  enum class Step : uint8_t { kField, kEnd, kError };

  // What our SETTINGS_HEADER_TABLE_SIZE says; call it when the peer has acknowledged it. A table that is
  // larger by then must be made smaller at the beginning of the next block (RFC 9113 §4.3.1).
  void set_limit(size_t limit);
  // The block must stay where it is until next() has said kEnd.
  void begin(std::string_view block);
  // The views hold until the next call.
  Step next(HpackField& field);

 private:
  struct Scratch {
    char* reserve(size_t size);
    std::unique_ptr<char[]> memory;
    size_t capacity = 0;
  };
  bool read_integer(unsigned prefix, size_t& value);
  bool read_string(Scratch& scratch, std::string_view& text);
  bool read_name(size_t index, HpackField& field, bool inserts);
  bool read_size_update();
  Step read_indexed(HpackField& field);
  Step read_literal(HpackField& field, unsigned prefix);
  bool look_up(size_t index, HpackEntry& entry) const;

  HpackTable table_{kHpackDefaultTable};
  size_t limit_ = kHpackDefaultTable;
  bool update_due_ = false;
  bool at_start_ = true;
  const uint8_t* at_ = nullptr;
  const uint8_t* end_ = nullptr;
  Scratch name_;
  Scratch value_;
};

}  // namespace weft::wire
