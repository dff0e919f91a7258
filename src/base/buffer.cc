// Buffer: contiguous on purpose. Parsers want one string_view, OpenSSL and nghttp2 want one pointer,
// and the pieces that flow through a sidecar are small; a chain would save a copy only for bodies far
// larger than the read size.
#include "base/buffer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

#include "base/assert.h"

namespace weft {

namespace {

// What a bulk transfer takes from the allocator in such sizes comes back as page faults: glibc returns it
// to the kernel at once.
constexpr size_t kLargestPooled = 256 * 1024;
constexpr size_t kKept = 1024 * 1024;  // bytes, of all sizes

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT_BUFFERS_FROM_HEAP 1  // so that a use after free shows
#endif
#endif
#ifdef WEFT_BUFFERS_FROM_HEAP
constexpr bool kPooled = false;
#else
constexpr bool kPooled = true;
#endif

// Free blocks by size. A block may come back on another thread than the one that took it.
class BlockPool {
 public:
  ~BlockPool() {
    for (Block*& list : free_) {
      while (Block* block = list) {
        list = block->next;
        ::operator delete(block);
      }
    }
    kept_ = kKept;  // buffers freed during the thread's end go straight to the heap
  }

  char* allocate(size_t capacity) {
    const size_t index = index_of(capacity);
    if (!kPooled || index >= kSizes || !free_[index]) {
      return static_cast<char*>(::operator new(capacity));
    }
    Block* block = free_[index];
    free_[index] = block->next;
    kept_ -= capacity;
    return reinterpret_cast<char*>(block);
  }

  void free(char* memory, size_t capacity) {
    const size_t index = index_of(capacity);
    if (!kPooled || index >= kSizes || kept_ + capacity > kKept) {
      ::operator delete(memory);
      return;
    }
    free_[index] = new (memory) Block{free_[index]};
    kept_ += capacity;
  }

 private:
  struct Block {
    Block* next;
  };
  static constexpr size_t kSizes =
      std::countr_zero(kLargestPooled) - std::countr_zero(kSmallestBlock) + 1;
  static size_t index_of(size_t capacity) {
    return static_cast<size_t>(std::countr_zero(capacity) - std::countr_zero(kSmallestBlock));
  }
  std::array<Block*, kSizes> free_{};
  size_t kept_ = 0;
};

thread_local BlockPool pool;

}  // namespace

char* take_block(size_t capacity) { return pool.allocate(capacity); }
void give_block(char* memory, size_t capacity) noexcept { pool.free(memory, capacity); }

void Buffer::release() {
  if (memory_) pool.free(memory_, capacity_);
}

Buffer::Buffer(Buffer&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      capacity_(std::exchange(other.capacity_, 0)),
      begin_(std::exchange(other.begin_, 0)),
      end_(std::exchange(other.end_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this == &other) return *this;
  release();
  memory_ = std::exchange(other.memory_, nullptr);
  capacity_ = std::exchange(other.capacity_, 0);
  begin_ = std::exchange(other.begin_, 0);
  end_ = std::exchange(other.end_, 0);
  return *this;
}

std::span<char> Buffer::prepare(size_t size) {
  if (capacity_ - end_ < size) {
    const size_t used = this->size();
    if (begin_ > 0 && capacity_ - used >= size && begin_ >= used) {
      std::memcpy(memory_, memory_ + begin_, used);
    } else {
      const size_t capacity = std::bit_ceil(std::max({used + size, capacity_ * 2, kSmallestBlock}));
      char* memory = pool.allocate(capacity);
      if (used > 0) std::memcpy(memory, memory_ + begin_, used);
      release();
      memory_ = memory;
      capacity_ = capacity;
    }
    begin_ = 0;
    end_ = used;
  }
  return {memory_ + end_, capacity_ - end_};
}

void Buffer::append(std::string_view bytes) {
  if (bytes.empty()) return;
  std::memcpy(prepare(bytes.size()).data(), bytes.data(), bytes.size());
  end_ += bytes.size();
}

void Buffer::append(Buffer&& other) {
  if (empty() && capacity_ < other.size()) {
    *this = std::move(other);
    return;
  }
  append(other.view());
  other.clear();
}

void Buffer::consume(size_t size) {
  WEFT_ASSERT(size <= this->size());
  begin_ += size;
  if (begin_ == end_) begin_ = end_ = 0;
}

Buffer Buffer::take(size_t size) {
  WEFT_ASSERT(size <= this->size());
  if (size == this->size()) return std::move(*this);
  Buffer front(view().substr(0, size));
  consume(size);
  return front;
}

void Buffer::release_if_empty() {
  if (!empty()) return;
  release();
  memory_ = nullptr;
  capacity_ = begin_ = end_ = 0;
}

}  // namespace weft
