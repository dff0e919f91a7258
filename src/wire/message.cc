// Fields is scanned from the front: requests carry about ten lines, and comparing lengths first makes a
// miss cost one branch a line. A hash map would cost more to build than it saves. Text that was replaced
// stays behind in the block as waste: heads are short-lived, and what a growing block takes along is only
// what lines still show.
#include "wire/message.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "base/assert.h"
#include "base/buffer.h"

namespace weft::wire {

namespace {

// Holds an ordinary head with what sidecars add to it.
constexpr size_t kUsualBlock = 1024;

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

namespace {

uint64_t eight_at(const char* text) {
  uint64_t word = 0;
  std::memcpy(&word, text, sizeof word);
  return word;
}

// Eight octets in lower case at once. In each: bit 7 of the first sum says "at least A", of the second
// "beyond Z"; octets above 127 are left alone.
uint64_t lower_eight(uint64_t word) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  const uint64_t low = word & 0x7f * kOnes;
  const uint64_t capital =
      ((low + (0x80 - 'A') * kOnes) ^ (low + (0x7f - 'Z') * kOnes)) & ~word & 0x80 * kOnes;
  return word | capital >> 2;
}

bool same_letters(const char* a, const char* b, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

// Of the same size.
bool same_name(const char* a, const char* b, size_t size) {
  if (size < 8) return same_letters(a, b, size);
  const auto same_eight = [&](size_t at) {
    const uint64_t x = eight_at(a + at);
    const uint64_t y = eight_at(b + at);
    return x == y || lower_eight(x) == lower_eight(y);
  };
  for (size_t at = 0; at + 8 < size; at += 8) {
    if (!same_eight(at)) return false;
  }
  return same_eight(size - 8);
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && same_name(a.begin(), b.begin(), a.size());
}

bool list_has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (equal_ignoring_case(trim(list.substr(0, comma)), token)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

Fields::Fields(const Fields& other) { *this = other; }

Fields::Fields(Fields&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      capacity_(std::exchange(other.capacity_, 0)),
      used_(std::exchange(other.used_, 0)),
      count_(std::exchange(other.count_, 0)) {}

Fields& Fields::operator=(Fields&& other) noexcept {
  if (this == &other) return *this;
  release();
  memory_ = std::exchange(other.memory_, nullptr);
  capacity_ = std::exchange(other.capacity_, 0);
  used_ = std::exchange(other.used_, 0);
  count_ = std::exchange(other.count_, 0);
  return *this;
}

Fields& Fields::operator=(const Fields& other) {
  if (this == &other) return *this;
  clear();
  for (const Line line : other) add(line.name, line.value);
  return *this;
}

void Fields::release() {
  if (memory_) give_block(memory_, capacity_);
  memory_ = nullptr;
  capacity_ = 0;
}

// Into a block of that size, without the waste; the old one stays the caller's.
void Fields::move_to(size_t capacity) {
  Fields grown;
  grown.memory_ = take_block(capacity);
  grown.capacity_ = static_cast<uint32_t>(capacity);
  for (const Line line : *this) {
    grown.slot(grown.count_++) = {grown.put(line.name), static_cast<uint32_t>(line.name.size()),
                                  grown.put(line.value), static_cast<uint32_t>(line.value.size())};
  }
  std::swap(memory_, grown.memory_);
  std::swap(capacity_, grown.capacity_);
  std::swap(used_, grown.used_);
  grown.memory_ = nullptr;
}

// Makes room for a slot and `size` octets of text. Returns the block there was before if it is to be given
// back once the arguments, which may look into it, have been copied.
char* Fields::make_room(size_t size) {
  const size_t slots = (size_t{count_} + 1) * sizeof(Slot);
  if (used_ + slots + size <= capacity_) return nullptr;
  const size_t wanted = std::bit_ceil(std::max(kUsualBlock, 2 * (used_ + slots + size)));
  WEFT_ASSERT(wanted <= std::numeric_limits<uint32_t>::max());
  char* const old = memory_;
  move_to(wanted);
  return old;
}

uint32_t Fields::put(std::string_view text) {
  const uint32_t at = used_;
  if (!text.empty()) std::memcpy(memory_ + at, text.data(), text.size());
  used_ += static_cast<uint32_t>(text.size());
  return at;
}

void Fields::add(std::string_view name, std::string_view value) {
  const size_t old_capacity = capacity_;
  char* const old = make_room(name.size() + value.size());
  const uint32_t name_at = put(name);
  const uint32_t value_at = put(value);
  slot(count_++) = {name_at, static_cast<uint32_t>(name.size()), value_at,
                    static_cast<uint32_t>(value.size())};
  if (old) give_block(old, old_capacity);
}

void Fields::set(std::string_view name, std::string_view value) {
  const size_t first = find(name);
  if (first == count_) return add(name, value);
  const size_t old_capacity = capacity_;
  char* const old = make_room(value.size());
  Slot& line = slot(first);
  line.value = put(value);
  line.value_size = static_cast<uint32_t>(value.size());
  size_t at = 0;
  remove_if([&](const Line& other) {
    return at++ > first && equal_ignoring_case(other.name, (*this)[first].name);
  });
  if (old) give_block(old, old_capacity);
}

size_t Fields::remove(std::string_view name) {
  if (find(name) == count_) return 0;
  return remove_if([&](const Line& line) { return equal_ignoring_case(line.name, name); });
}

size_t Fields::find(std::string_view name, size_t from) const {
  for (size_t i = from; i < count_; ++i) {
    const Slot& line = slot(i);
    if (line.name_size == name.size() && same_name(memory_ + line.name, name.data(), name.size())) {
      return i;
    }
  }
  return count_;
}

std::optional<std::string_view> Fields::get(std::string_view name) const {
  const size_t at = find(name);
  if (at == count_) return std::nullopt;
  return (*this)[at].value;
}

size_t Fields::count(std::string_view name) const {
  size_t found = 0;
  for (size_t at = find(name); at < count_; at = find(name, at + 1)) ++found;
  return found;
}

bool Fields::has_token(std::string_view name, std::string_view token) const {
  for (size_t at = find(name); at < count_; at = find(name, at + 1)) {
    if (list_has_token((*this)[at].value, token)) return true;
  }
  return false;
}

// RFC 9110 §15 and the IANA registry, the codes in common use.
std::string_view reason_phrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 102: return "Processing";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 207: return "Multi-Status";
    case 208: return "Already Reported";
    case 226: return "IM Used";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 305: return "Use Proxy";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 423: return "Locked";
    case 424: return "Failed Dependency";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    case 511: return "Network Authentication Required";
    default: return {};
  }
}

}  // namespace weft::wire
