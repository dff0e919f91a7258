// Buffer: a growable run of bytes with a moving front, for what arrives from and goes to the network.
// Append at the back, consume at the front; both are amortised O(1): the front is reclaimed when the
// buffer empties or when growing. Move-only, so a body piece changes hands without a copy; clone()
// where a copy is meant. An empty Buffer owns no memory. Not thread-safe. Memory comes in powers of two
// from a pool of the thread's own, bounded at 1 MiB: a connection that lets go of its buffer
// after each request costs no work in the allocator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace weft {

// A block of that pool, for others that hold bytes by the thousand. `capacity` is a power of two, at least
// kSmallestBlock, and the same when the block is given back; which may happen on another thread.
inline constexpr size_t kSmallestBlock = 256;
char* take_block(size_t capacity);
void give_block(char* memory, size_t capacity) noexcept;

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::string_view bytes) { append(bytes); }
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer() { release(); }

  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  const char* data() const { return memory_ + begin_; }
  std::string_view view() const { return {data(), size()}; }
  std::string to_string() const { return std::string(view()); }
  Buffer clone() const { return Buffer(view()); }

  void append(std::string_view bytes);
  void append(char c) { append(std::string_view(&c, 1)); }
  // Takes all of `other`; no copy when this buffer is empty.
  void append(Buffer&& other);

  // Room for at least `size` more bytes; write there, then commit what was written.
  std::span<char> prepare(size_t size);
  void commit(size_t size) { end_ += size; }

  // Drops `size` bytes at the front (size <= size()).
  void consume(size_t size);
  void clear() { begin_ = end_ = 0; }
  // Splits off the first `size` bytes (size <= size()); the whole buffer moves without a copy.
  Buffer take(size_t size);
  // Gives the memory back when empty: an idle connection should cost nothing.
  void release_if_empty();

 private:
  void release();

  char* memory_ = nullptr;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace weft
