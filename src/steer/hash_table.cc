// A point's hash keeps 48 bits and carries its member in the other 16, so the ring is one sorted array of
// integers; two points that fall together are ordered by member, the same everywhere.
#include "steer/hash_table.h"

#include <algorithm>

namespace weft::steer {
namespace {

constexpr uint16_t kFree = 0xffff;

// The finalizer of splitmix64: every bit of the input moves half of those of the output.
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

HashTable HashTable::ring(std::span<const uint64_t> members) {
  HashTable table;
  if (members.empty()) return table;
  const auto count = static_cast<uint32_t>(members.size());
  const uint32_t points = std::clamp(kMostPoints / count, 1u, kPoints);
  table.ring_.reserve(size_t{points} * count);
  for (uint32_t member = 0; member < count; ++member) {
    for (uint64_t point = 1; point <= points; ++point) {
      const uint64_t hash = mix(members[member] + point * 0x9e3779b97f4a7c15);
      table.ring_.push_back((hash & ~uint64_t{0xffff}) | member);
    }
  }
  std::sort(table.ring_.begin(), table.ring_.end());
  return table;
}

HashTable HashTable::maglev(std::span<const uint64_t> members) {
  HashTable table;
  if (members.empty()) return table;
  struct Permutation {
    uint32_t next, skip;
  };
  std::vector<Permutation> turns;
  turns.reserve(members.size());
  for (uint64_t member : members) {
    turns.push_back({static_cast<uint32_t>(mix(member) % kMaglevSlots),
                     static_cast<uint32_t>(mix(~member) % (kMaglevSlots - 1) + 1)});
  }
  table.slots_.assign(kMaglevSlots, kFree);
  for (uint32_t taken = 0; taken < kMaglevSlots;) {
    for (size_t i = 0; i < turns.size() && taken < kMaglevSlots; ++i, ++taken) {
      Permutation& turn = turns[i];
      while (table.slots_[turn.next] != kFree) turn.next = (turn.next + turn.skip) % kMaglevSlots;
      table.slots_[turn.next] = static_cast<uint16_t>(i);
    }
  }
  return table;
}

uint32_t HashTable::places() const {
  return static_cast<uint32_t>(slots_.empty() ? ring_.size() : slots_.size());
}

uint32_t HashTable::place_of(uint64_t key) const {
  if (!slots_.empty()) return static_cast<uint32_t>(key % kMaglevSlots);
  auto found = std::lower_bound(ring_.begin(), ring_.end(), key & ~uint64_t{0xffff});
  return found == ring_.end() ? 0 : static_cast<uint32_t>(found - ring_.begin());
}

uint16_t HashTable::member_at(uint32_t place) const {
  if (!slots_.empty()) return slots_[place % kMaglevSlots];
  return static_cast<uint16_t>(ring_[place % ring_.size()]);
}

}  // namespace weft::steer
