// Strings that are not Huffman-coded are handed out where they lie in the block; only a name that an insertion
// could evict is copied first. An indexed field costs two loads and no copy, so a block of thousands of
// references to one large entry costs no more than its octets do.
#include "wire/hpack_decoder.h"

#include <cstring>

#include "wire/hpack_huffman.h"

namespace weft::wire {

namespace {

// Scratch space beyond this is given back before the next block.
constexpr size_t kKeptScratch = 4096;
// More can be no index, length or table size of ours (RFC 7541 §5.1 asks for a limit).
constexpr size_t kMaxInteger = size_t{1} << 28;

}  // namespace

char* HpackDecoder::Scratch::reserve(size_t size) {
  if (size > capacity) {
    capacity = size < 256 ? 256 : size;
    memory = std::make_unique_for_overwrite<char[]>(capacity);
  }
  return memory.get();
}

void HpackDecoder::set_limit(size_t limit) {
  limit_ = limit;
  if (table_.capacity() > limit) update_due_ = true;
}

void HpackDecoder::begin(std::string_view block) {
  at_ = reinterpret_cast<const uint8_t*>(block.data());
  end_ = at_ + block.size();
  at_start_ = true;
  for (Scratch* scratch : {&name_, &value_}) {
    if (scratch->capacity > kKeptScratch) *scratch = {};
  }
}

HpackDecoder::Step HpackDecoder::next(HpackField& field) {
  for (;;) {
    if (at_ == end_) return at_start_ && update_due_ ? Step::kError : Step::kEnd;
    const uint8_t first = *at_;
    if ((first & 0xe0) == 0x20) {
      if (!at_start_ || !read_size_update()) return Step::kError;
      continue;
    }
    if (update_due_) return Step::kError;
    at_start_ = false;
    if ((first & 0x80) != 0) return read_indexed(field);
    return read_literal(field, (first & 0x40) != 0 ? 6 : 4);
  }
}

// §5.1. `prefix` bits of the octet at at_, then groups of seven.
bool HpackDecoder::read_integer(unsigned prefix, size_t& value) {
  const size_t mask = (size_t{1} << prefix) - 1;
  value = *at_++ & mask;
  if (value < mask) return true;
  for (unsigned shift = 0; shift <= 28; shift += 7) {
    if (at_ == end_) return false;
    const uint8_t octet = *at_++;
    value += size_t{octet & 0x7fu} << shift;
    if ((octet & 0x80) == 0) return value <= kMaxInteger;
  }
  return false;
}

// §5.2
bool HpackDecoder::read_string(Scratch& scratch, std::string_view& text) {
  if (at_ == end_) return false;
  const bool huffman = (*at_ & 0x80) != 0;
  size_t size = 0;
  if (!read_integer(7, size) || size > static_cast<size_t>(end_ - at_)) return false;
  text = {reinterpret_cast<const char*>(at_), size};
  at_ += size;
  if (!huffman) return true;
  char* const out = scratch.reserve(huffman_decoded_bound(size));
  const auto decoded = huffman_decode(text, out);
  if (!decoded) return false;
  text = {out, *decoded};
  return true;
}

// §6.3
bool HpackDecoder::read_size_update() {
  size_t size = 0;
  if (!read_integer(5, size) || size > limit_) return false;
  table_.set_capacity(size);
  update_due_ = false;
  return true;
}

bool HpackDecoder::look_up(size_t index, HpackEntry& entry) const {
  if (index == 0 || index > kHpackStaticCount + table_.count()) return false;
  entry =
      index <= kHpackStaticCount ? hpack_static(index) : table_.at(index - kHpackStaticCount - 1);
  return true;
}

// §6.1
HpackDecoder::Step HpackDecoder::read_indexed(HpackField& field) {
  size_t index = 0;
  HpackEntry entry;
  if (!read_integer(7, index) || !look_up(index, entry)) return Step::kError;
  field.name = entry.name;
  field.value = entry.value;
  field.static_name = index <= kHpackStaticCount ? static_cast<uint8_t>(index) : 0;
  field.never_indexed = false;
  return Step::kField;
}

// §6.2
HpackDecoder::Step HpackDecoder::read_literal(HpackField& field, unsigned prefix) {
  const bool inserts = prefix == 6;
  field.never_indexed = !inserts && (*at_ & 0x10) != 0;
  size_t index = 0;
  if (!read_integer(prefix, index) || !read_name(index, field, inserts)) return Step::kError;
  if (!read_string(value_, field.value)) return Step::kError;
  if (inserts) table_.insert(field.name, field.value);
  return Step::kField;
}

bool HpackDecoder::read_name(size_t index, HpackField& field, bool inserts) {
  field.static_name = index <= kHpackStaticCount ? static_cast<uint8_t>(index) : 0;
  if (index == 0) return read_string(name_, field.name);
  HpackEntry entry;
  if (!look_up(index, entry)) return false;
  field.name = entry.name;
  if (inserts && index > kHpackStaticCount) {
    char* const copy = name_.reserve(entry.name.size());
    if (!entry.name.empty()) std::memcpy(copy, entry.name.data(), entry.name.size());
    field.name = {copy, entry.name.size()};
  }
  return true;
}

}  // namespace weft::wire
