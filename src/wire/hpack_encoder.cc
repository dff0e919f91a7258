// Entries are found by two direct-mapped tables of entry numbers, for pairs and for names: a lookup is one hash
// and one comparison, a collision only costs compression. They hold numbers and not places, so eviction has
// nothing to clean up.
#include "wire/hpack_encoder.h"

#include <algorithm>
#include <cstring>

#include "wire/hpack_huffman.h"

namespace weft::wire {

namespace {

// Static names whose values seldom repeat.
constexpr uint64_t bit(unsigned index) { return uint64_t{1} << index; }
constexpr uint64_t kChanging = bit(4) | bit(21) | bit(28) | bit(30) | bit(33) | bit(34) | bit(36) |
                               bit(39) | bit(40) | bit(41) | bit(42) | bit(43) | bit(44) | bit(46) |
                               bit(50) | bit(51) | bit(53) | bit(55);
constexpr uint8_t kAuthorization = 23, kCookie = 32, kProxyAuthorization = 49, kSetCookie = 55;
// Shorter cookies can be guessed by trying (RFC 7541 §7.1.3).
constexpr size_t kGuessableCookie = 20;

bool is_secret(uint8_t static_name, std::string_view value) {
  if (static_name == kAuthorization || static_name == kProxyAuthorization) return true;
  return (static_name == kCookie || static_name == kSetCookie) && value.size() < kGuessableCookie;
}

uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
  return hash ^ hash >> 29;
}

uint64_t hash_of(uint64_t hash, std::string_view text) {
  hash = mix(hash, text.size());
  while (text.size() >= 8) {
    uint64_t word = 0;
    std::memcpy(&word, text.data(), 8);
    hash = mix(hash, word);
    text.remove_prefix(8);
  }
  uint64_t rest = 0;
  std::memcpy(&rest, text.data(), text.size());
  return mix(hash, rest);
}

// §5.1; at most 6 octets for what is encoded here.
char* put_integer(char* out, uint8_t pattern, unsigned prefix, size_t value) {
  const size_t mask = (size_t{1} << prefix) - 1;
  if (value < mask) {
    *out++ = static_cast<char>(pattern | value);
    return out;
  }
  *out++ = static_cast<char>(pattern | mask);
  for (value -= mask; value >= 0x80; value >>= 7) *out++ = static_cast<char>(value | 0x80);
  *out++ = static_cast<char>(value);
  return out;
}

// §5.2
char* put_string(char* out, std::string_view text, bool squeezed) {
  const size_t huffman = squeezed ? huffman_size(text) : text.size();
  if (huffman < text.size()) {
    return huffman_encode(text, put_integer(out, 0x80, 7, huffman));
  }
  out = put_integer(out, 0, 7, text.size());
  if (!text.empty()) std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

constexpr size_t kMaxIntegers = 3 * 8;

}  // namespace

void HpackEncoder::set_limit(size_t limit) {
  limit_ = std::min(limit, kHpackDefaultTable);
  lowest_limit_ = std::min(lowest_limit_, limit_);
  update_due_ = update_due_ || limit_ != table_.capacity();
}

void HpackEncoder::begin(Buffer& out) {
  if (!update_due_) return;
  update_due_ = false;
  char* const start = out.prepare(kMaxIntegers).data();
  char* at = start;
  // The lowest in between must be said, because it evicted entries at the peer's.
  if (lowest_limit_ < limit_) at = put_integer(at, 0x20, 5, lowest_limit_);
  at = put_integer(at, 0x20, 5, limit_);
  out.commit(static_cast<size_t>(at - start));
  table_.set_capacity(lowest_limit_);
  table_.set_capacity(limit_);
  lowest_limit_ = limit_;
}

size_t HpackEncoder::live_index(uint32_t number) const {
  const uint32_t age = static_cast<uint32_t>(table_.inserted()) - number;
  return age < table_.count() ? kHpackStaticCount + 1 + age : 0;
}

bool HpackEncoder::seen_before(uint32_t hash) {
  uint32_t& slot = seen_[hash % kSeenSlots];
  if (slot == hash) return true;
  slot = hash;
  return false;
}

size_t HpackEncoder::find_name(std::string_view name, uint32_t hash) const {
  const size_t index = live_index(names_[hash % kNameSlots]);
  return index != 0 && table_.at(index - kHpackStaticCount - 1).name == name ? index : 0;
}

bool HpackEncoder::should_insert(uint8_t static_name, size_t name_index, size_t size,
                                 uint32_t name_hash, uint32_t hash) {
  if (size + kHpackEntryOverhead > table_.capacity() / 4 * 3) return false;
  if (static_name != 0 && (kChanging >> static_name & 1) == 0) return true;
  if (seen_before(hash)) return true;
  // A name that comes with changing values is worth one entry to refer to.
  return name_index == 0 && seen_before(name_hash);
}

void HpackEncoder::encode(Buffer& out, std::string_view name, std::string_view value) {
  char* const start = out.prepare(kMaxIntegers + name.size() + value.size()).data();
  auto commit = [&](const char* end) { out.commit(static_cast<size_t>(end - start)); };
  const uint8_t static_name = hpack_static_name(name);
  for (size_t i = static_name; i != 0 && i <= kHpackStaticCount; ++i) {
    const HpackEntry entry = hpack_static(i);
    if (entry.name != name) break;
    if (entry.value == value) return commit(put_integer(start, 0x80, 7, i));
  }

  const uint64_t name_hash64 = hash_of(0, name);
  const auto name_hash = static_cast<uint32_t>(name_hash64);
  const auto hash = static_cast<uint32_t>(hash_of(name_hash64, value));
  const size_t found = live_index(pairs_[hash % kPairSlots]);
  if (found != 0) {
    const HpackEntry entry = table_.at(found - kHpackStaticCount - 1);
    if (entry.name == name && entry.value == value) {
      return commit(put_integer(start, 0x80, 7, found));
    }
  }

  const size_t name_index = static_name != 0 ? static_name : find_name(name, name_hash);
  const bool secret = is_secret(static_name, value);
  const bool inserts = !secret && should_insert(static_name, name_index, name.size() + value.size(),
                                                name_hash, hash);
  char* at = inserts ? put_integer(start, 0x40, 6, name_index)
                     : put_integer(start, secret ? 0x10 : 0, 4, name_index);
  if (name_index == 0) at = put_string(at, name, true);
  commit(put_string(at, value, inserts || !plain_literals_));
  if (!inserts) return;
  table_.insert(name, value);
  const auto number = static_cast<uint32_t>(table_.inserted());
  pairs_[hash % kPairSlots] = number;
  if (static_name == 0) names_[name_hash % kNameSlots] = number;
}

}  // namespace weft::wire
