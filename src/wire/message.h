// HTTP messages as Weft sees them, whatever version carried them: RFC 9110 semantics, plus what an
// HTTP/1.1 sender would notice if it got lost (order and letter case of field lines, reason phrase,
// the target's form). Plain values; sizes are bounded by the codecs that fill them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weft::wire {

// Field lines in the order they came, names as they were written. Lookup ignores case. A handful of
// lines is the normal case, so lookup is a scan; all text stands in one block of memory, so an ordinary
// head costs one, from a pool. An empty Fields owns nothing.
// Views of names and values hold until the next add(), set() or clear(), or the end; remove() leaves those of
// the lines that stay. Arguments may look into the Fields itself.
class Fields {
 public:
  struct Line {
    std::string_view name;
    std::string_view value;
  };
  class Iterator {
   public:
    using value_type = Line;
    using difference_type = std::ptrdiff_t;
    Line operator*() const { return (*fields_)[at_]; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    bool operator==(const Iterator& other) const { return at_ == other.at_; }

   private:
    friend class Fields;
    Iterator(const Fields& fields, size_t at) : fields_(&fields), at_(at) {}
    const Fields* fields_;
    size_t at_;
  };

  Fields() = default;
  Fields(const Fields& other);
  Fields(Fields&& other) noexcept;
  Fields& operator=(const Fields& other);
  Fields& operator=(Fields&& other) noexcept;
  ~Fields() { release(); }

  void add(std::string_view name, std::string_view value);
  // Replaces the first line of that name (in its place) and removes the others; adds when absent.
  void set(std::string_view name, std::string_view value);
  // Removes all lines of that name; returns how many.
  size_t remove(std::string_view name);
  // Removes the lines of which `which` says true; it sees each once, in order.
  template <typename Which>
  size_t remove_if(Which&& which) {
    size_t kept = 0;
    for (size_t i = 0; i < count_; ++i) {
      if (which((*this)[i])) continue;
      if (kept != i) slot(kept) = slot(i);
      ++kept;
    }
    const size_t removed = count_ - kept;
    count_ = static_cast<uint32_t>(kept);
    return removed;
  }
  // First line's value, or nothing.
  std::optional<std::string_view> get(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != count_; }
  size_t count(std::string_view name) const;
  // True when a comma-separated list field (all its lines) has this member, case ignored.
  bool has_token(std::string_view name, std::string_view token) const;

  size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  void clear() { used_ = count_ = 0; }
  Line operator[](size_t index) const {
    const Slot& line = slot(index);
    return {{memory_ + line.name, line.name_size}, {memory_ + line.value, line.value_size}};
  }
  Iterator begin() const { return {*this, 0}; }
  Iterator end() const { return {*this, count_}; }

 private:
  // Where a line's text stands. Slots grow from the end of the block to its front, text towards them.
  struct Slot {
    uint32_t name, name_size, value, value_size;
  };
  const Slot& slot(size_t index) const {
    return *(reinterpret_cast<const Slot*>(memory_ + capacity_) - 1 - index);
  }
  Slot& slot(size_t index) { return const_cast<Slot&>(std::as_const(*this).slot(index)); }
  // Index of the first line of that name from `from` on, or size().
  size_t find(std::string_view name, size_t from = 0) const;
  uint32_t put(std::string_view text);
  char* make_room(size_t size);
  void move_to(size_t capacity);
  void release();

  char* memory_ = nullptr;
  uint32_t capacity_ = 0;
  uint32_t used_ = 0;  // of text
  uint32_t count_ = 0;
};

// ASCII case-insensitive comparison, as field names want it.
bool equal_ignoring_case(std::string_view a, std::string_view b);
// Does a comma-separated list have this member, case ignored?
bool list_has_token(std::string_view list, std::string_view token);

enum class Version : uint8_t { kHttp10, kHttp11, kHttp2 };

// How long the content is, as framed by the sender. For answers without content (to HEAD, or 304) it
// is what was announced.
struct BodyLength {
  enum Kind : uint8_t {
    kNone,      // no content at all
    kSized,     // `size` octets announced
    kStreamed,  // chunked, or HTTP/2 without content-length
    kToClose,   // HTTP/1.0-style response until the connection ends
    kTunnel,    // after 101 or 2xx to CONNECT: bytes both ways
  } kind = kNone;
  uint64_t size = 0;
};

struct RequestHead {
  std::string method;
  // origin-form, "*", or empty for CONNECT: path and query exactly as sent.
  std::string target;
  // Host field or :authority or the authority of an absolute-form target; may be empty (HTTP/1.0).
  std::string authority;
  std::string scheme = "http";
  Version version = Version::kHttp11;
  bool absolute_form = false;  // the client wrote an absolute target (it talks to a proxy)
  // Extended CONNECT (RFC 8441) only.
  std::string protocol;
  // All field lines incl. Host for HTTP/1.x, in order; framing fields (Content-Length,
  // Transfer-Encoding) as received. Codecs regenerate framing from `length` when sending.
  Fields fields;
  BodyLength length;
};

struct ResponseHead {
  int status = 200;
  std::string reason;  // HTTP/1.x only; empty = the standard phrase when sent over HTTP/1.1
  // `reason` came from an HTTP/1.x sender and goes out as it is, even when empty.
  bool exact_reason = false;
  Version version = Version::kHttp11;
  Fields fields;
  BodyLength length;

  bool interim() const { return status < 200 && status != 101; }
};

// The standard phrase for a status code, or "".
std::string_view reason_phrase(int status);

}  // namespace weft::wire
