// Names of the static table are found by a perfect hash that the compiler searches for: one multiplication and
// one comparison, whether the name is there or not.
#include "wire/hpack_table.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/assert.h"

namespace weft::wire {

namespace {

constexpr std::array<HpackEntry, kHpackStaticCount> kStatic = {{
    {":authority", ""},
    {":method", "GET"},
    {":method", "POST"},
    {":path", "/"},
    {":path", "/index.html"},
    {":scheme", "http"},
    {":scheme", "https"},
    {":status", "200"},
    {":status", "204"},
    {":status", "206"},
    {":status", "304"},
    {":status", "400"},
    {":status", "404"},
    {":status", "500"},
    {"accept-charset", ""},
    {"accept-encoding", "gzip, deflate"},
    {"accept-language", ""},
    {"accept-ranges", ""},
    {"accept", ""},
    {"access-control-allow-origin", ""},
    {"age", ""},
    {"allow", ""},
    {"authorization", ""},
    {"cache-control", ""},
    {"content-disposition", ""},
    {"content-encoding", ""},
    {"content-language", ""},
    {"content-length", ""},
    {"content-location", ""},
    {"content-range", ""},
    {"content-type", ""},
    {"cookie", ""},
    {"date", ""},
    {"etag", ""},
    {"expect", ""},
    {"expires", ""},
    {"from", ""},
    {"host", ""},
    {"if-match", ""},
    {"if-modified-since", ""},
    {"if-none-match", ""},
    {"if-range", ""},
    {"if-unmodified-since", ""},
    {"last-modified", ""},
    {"link", ""},
    {"location", ""},
    {"max-forwards", ""},
    {"proxy-authenticate", ""},
    {"proxy-authorization", ""},
    {"range", ""},
    {"referer", ""},
    {"refresh", ""},
    {"retry-after", ""},
    {"server", ""},
    {"set-cookie", ""},
    {"strict-transport-security", ""},
    {"transfer-encoding", ""},
    {"user-agent", ""},
    {"vary", ""},
    {"via", ""},
    {"www-authenticate", ""},
}};

constexpr unsigned kNameBits = 9;

constexpr uint32_t name_slot(std::string_view name, uint32_t factor) {
  auto octet = [&](size_t i) { return uint32_t{static_cast<uint8_t>(name[i])}; };
  const size_t size = name.size();
  const uint32_t key = static_cast<uint32_t>(size) | octet(0) << 5 | octet(size - 1) << 12 |
                       octet(size / 2) << 19 | octet(size / 3) << 25;
  return key * factor >> (32 - kNameBits);
}

struct NameTable {
  uint32_t factor = 0;
  std::array<uint8_t, 1 << kNameBits> index{};
  bool perfect = false;
};

constexpr bool fill(NameTable& table) {
  table.index = {};
  for (size_t i = kHpackStaticCount; i > 0; --i) {  // so that the first of a name is kept
    uint8_t& index = table.index[name_slot(kStatic[i - 1].name, table.factor)];
    if (index != 0 && kStatic[index - 1].name != kStatic[i - 1].name) return false;
    index = static_cast<uint8_t>(i);
  }
  return true;
}

constexpr NameTable make_names() {
  NameTable table;
  for (uint32_t tries = 0; tries < 3000 && !table.perfect; ++tries) {
    table.factor = 0x9e3779b1u + tries * 0x2545f492u;
    table.perfect = fill(table);
  }
  return table;
}

constexpr NameTable kNames = make_names();
static_assert(kNames.perfect, "no factor keeps the names apart");

}  // namespace

HpackEntry hpack_static(size_t index) { return kStatic[index - 1]; }

uint8_t hpack_static_name(std::string_view name) {
  if (name.empty()) return 0;
  const uint8_t index = kNames.index[name_slot(name, kNames.factor)];
  return index != 0 && kStatic[index - 1].name == name ? index : 0;
}

void HpackTable::set_capacity(size_t capacity) {
  capacity_ = capacity;
  evict_to(capacity);
}

void HpackTable::evict_to(size_t size) {
  while (size_ > size) {
    const Slot& oldest = slot(inserted_ - count_);
    size_ -= oldest.name_size + oldest.value_size + kHpackEntryOverhead;
    --count_;
  }
}

void HpackTable::insert(std::string_view name, std::string_view value) {
  const size_t octets = name.size() + value.size();
  if (octets + kHpackEntryOverhead > capacity_) return evict_to(0);
  evict_to(capacity_ - octets - kHpackEntryOverhead);
  make_slot();
  make_room(octets);
  char* const at = octets_.get() + octets_end_;
  if (!name.empty()) std::memcpy(at, name.data(), name.size());
  if (!value.empty()) std::memcpy(at + name.size(), value.data(), value.size());
  slots_[inserted_ & (slots_.size() - 1)] = {
      base_ + octets_end_, static_cast<uint32_t>(name.size()), static_cast<uint32_t>(value.size())};
  octets_end_ += static_cast<uint32_t>(octets);
  ++inserted_;
  ++count_;
  size_ += octets + kHpackEntryOverhead;
}

void HpackTable::make_slot() {
  if (count_ < slots_.size()) return;
  std::vector<Slot> slots(std::max<size_t>(16, slots_.size() * 2));
  for (uint64_t number = inserted_ - count_; number != inserted_; ++number) {
    slots[number & (slots.size() - 1)] = slot(number);
  }
  slots_ = std::move(slots);
}

// Live octets move to the front only when they fill no more than half, so that each octet is moved at most
// once for every octet inserted.
void HpackTable::make_room(size_t octets) {
  if (octets_capacity_ - octets_end_ >= octets) return;
  const uint32_t begin = count_ > 0 ? slot(inserted_ - count_).offset - base_ : octets_end_;
  const uint32_t live = octets_end_ - begin;
  if (live + octets > octets_capacity_ / 2) {
    octets_capacity_ = std::max<uint32_t>(256, 2 * (live + static_cast<uint32_t>(octets)));
    auto grown = std::make_unique_for_overwrite<char[]>(octets_capacity_);
    if (live > 0) std::memcpy(grown.get(), octets_.get() + begin, live);
    octets_ = std::move(grown);
  } else {
    std::memmove(octets_.get(), octets_.get() + begin, live);
  }
  base_ += begin;
  octets_end_ = live;
}

HpackEntry HpackTable::at(size_t age) const {
  WEFT_ASSERT(age < count_);
  const Slot& entry = slot(inserted_ - 1 - age);
  const char* const name = octets_.get() + (entry.offset - base_);
  return {{name, entry.name_size}, {name + entry.name_size, entry.value_size}};
}

}  // namespace weft::wire
