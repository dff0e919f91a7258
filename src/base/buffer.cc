// Buffer: contiguous on purpose. Parsers want one string_view, OpenSSL and nghttp2 want one pointer,
// and the pieces that flow through a sidecar are small; a chain would save a copy only for bodies far
// larger than the read size.
#include "base/buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace weft {

Buffer::Buffer(Buffer&& other) noexcept
    : memory_(std::move(other.memory_)),
      capacity_(std::exchange(other.capacity_, 0)),
      begin_(std::exchange(other.begin_, 0)),
      end_(std::exchange(other.end_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  memory_ = std::move(other.memory_);
  capacity_ = std::exchange(other.capacity_, 0);
  begin_ = std::exchange(other.begin_, 0);
  end_ = std::exchange(other.end_, 0);
  return *this;
}

std::span<char> Buffer::prepare(size_t size) {
  if (capacity_ - end_ < size) {
    const size_t used = this->size();
    if (begin_ > 0 && capacity_ - used >= size && begin_ >= used) {
      std::memcpy(memory_.get(), memory_.get() + begin_, used);
    } else {
      const size_t capacity = std::max({used + size, capacity_ * 2, size_t{256}});
      auto memory = std::make_unique_for_overwrite<char[]>(capacity);
      if (used > 0) std::memcpy(memory.get(), memory_.get() + begin_, used);
      memory_ = std::move(memory);
      capacity_ = capacity;
    }
    begin_ = 0;
    end_ = used;
  }
  return {memory_.get() + end_, capacity_ - end_};
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
  memory_.reset();
  capacity_ = begin_ = end_ = 0;
}

}  // namespace weft
