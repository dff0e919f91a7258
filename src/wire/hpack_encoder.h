// HPACK (RFC 7541), the sending half: one encoder for a connection. Blocks must reach the peer in the order
// they were encoded.
//
// What is indexed: fields that usually repeat at first sight; names or values that usually change (:path, dates,
// ids, fields we do not know) when they are seen again soon, so that a stream of unique values does not push
// out what repeats. authorization and short cookies are sent as never-indexed (§7.1.3).
// Memory: the table (HpackTable) and 1.7 KiB.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/buffer.h"
#include "wire/hpack_table.h"

namespace weft::wire {

class HpackEncoder {
 public:
  // `plain_literals`: what comes anew in every message (ids, paths) is not squeezed. By Huffman's code it
  // would be a fifth shorter, at some 5 ns an octet on either end.
  explicit HpackEncoder(bool plain_literals = false) : plain_literals_(plain_literals) {}
  // The peer's SETTINGS_HEADER_TABLE_SIZE; takes effect with the next block. More than 4096 is not used.
  void set_limit(size_t limit);
  // Begins a block: appends the table size updates that are due (§4.2).
  void begin(Buffer& out);
  // Appends one field; `name` in lower case.
  void encode(Buffer& out, std::string_view name, std::string_view value);

 private:
  static constexpr size_t kPairSlots = 256;
  static constexpr size_t kNameSlots = 64;
  static constexpr size_t kSeenSlots = 128;

  // The index of a live entry with that number, 0 otherwise.
  size_t live_index(uint32_t number) const;
  bool seen_before(uint32_t hash);
  size_t find_name(std::string_view name, uint32_t hash) const;
  bool should_insert(uint8_t static_name, size_t name_index, size_t size, uint32_t name_hash,
                     uint32_t hash);

  const bool plain_literals_;
  HpackTable table_{kHpackDefaultTable};
  size_t lowest_limit_ = kHpackDefaultTable;  // since the last block
  size_t limit_ = kHpackDefaultTable;
  bool update_due_ = false;
  // By hash: the number (plus one, low bits) of the newest entry, checked when used.
  std::array<uint32_t, kPairSlots> pairs_{};
  std::array<uint32_t, kNameSlots> names_{};
  // Hashes of what was sent lately without being indexed.
  std::array<uint32_t, kSeenSlots> seen_{};
};

}  // namespace weft::wire
