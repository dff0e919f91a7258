// The two tables of HPACK (RFC 7541 §2.3): the static one of Appendix A and the dynamic one, which decoder
// and encoder each keep. Not thread-safe; views from a table hold until its next change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace weft::wire {

struct HpackEntry {
  std::string_view name;
  std::string_view value;
};

inline constexpr size_t kHpackStaticCount = 61;
// RFC 7541 §4.1: what an entry counts beyond its octets.
inline constexpr size_t kHpackEntryOverhead = 32;
inline constexpr size_t kHpackDefaultTable = 4096;

// `index` from 1 to kHpackStaticCount.
HpackEntry hpack_static(size_t index);
// The first index with that name; 0: none.
uint8_t hpack_static_name(std::string_view name);

// Octets of all entries lie in one run of memory, in the order they came, and entries in a ring: an insertion
// is two copies and no allocation once the run has grown. Empty tables own no memory; a full one of 4096
// octets owns at most 8 KiB for octets and 2 KiB for entries.
class HpackTable {
 public:
  explicit HpackTable(size_t capacity) : capacity_(capacity) {}

  // Evicts what no longer fits.
  void set_capacity(size_t capacity);
  // Evicts as needed; an entry that is too large leaves the table empty (§4.4). The views must not point
  // into this table.
  void insert(std::string_view name, std::string_view value);

  size_t capacity() const { return capacity_; }
  size_t size() const { return size_; }
  size_t count() const { return count_; }
  // 0: the newest.
  HpackEntry at(size_t age) const;
  // Entries ever inserted; entry `age` was number inserted() - 1 - age.
  uint64_t inserted() const { return inserted_; }

 private:
  struct Slot {
    uint32_t offset;  // from the first octet ever stored, modulo 2^32
    uint32_t name_size;
    uint32_t value_size;
  };
  const Slot& slot(uint64_t number) const { return slots_[number & (slots_.size() - 1)]; }
  void evict_to(size_t size);
  void make_slot();
  void make_room(size_t octets);

  size_t capacity_;
  size_t size_ = 0;
  size_t count_ = 0;
  uint64_t inserted_ = 0;
  std::vector<Slot> slots_;  // a power of two, by number
  std::unique_ptr<char[]> octets_;
  uint32_t octets_capacity_ = 0;
  uint32_t octets_end_ = 0;
  uint32_t base_ = 0;  // the offset of octets_[0]
};

}  // namespace weft::wire
