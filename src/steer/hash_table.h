// Tables that give a key its member so that most keys keep theirs when members come and go: a ring of points
// (ketama) and Maglev (Eisenbud et al., NSDI 2016). Members are told apart by a stable 64-bit hash of
// their name. A caller that cannot use the member of a place goes on to the next place.
// Immutable. Cost: ring 8 bytes for each of 512 points a member (fewer each from 256 members on), a lookup is
// a binary search; Maglev 128 KiB and one access, about a millisecond to build, and an even spread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace weft::steer {

class HashTable {
 public:
  static constexpr uint32_t kPoints = 512;          // of a member on the ring
  static constexpr uint32_t kMostPoints = 131'072;  // of all
  static constexpr uint32_t kMaglevSlots = 65'537;  // a prime, 100 times as many as members at best

  HashTable() = default;
  // At most 65 535 members; a table of none is empty().
  static HashTable ring(std::span<const uint64_t> members);
  static HashTable maglev(std::span<const uint64_t> members);

  bool empty() const { return ring_.empty() && slots_.empty(); }
  uint32_t places() const;
  // Where the key falls.
  uint32_t place_of(uint64_t key) const;
  // Whose place it is; `place` counts on beyond the last one to the first.
  uint16_t member_at(uint32_t place) const;

 private:
  std::vector<uint64_t> ring_;  // sorted; the lower 16 bits are the member
  std::vector<uint16_t> slots_;
};

}  // namespace weft::steer
