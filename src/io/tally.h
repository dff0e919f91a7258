// Tally: one of a number of things, counted for as long as it lives. Moves, never copies; the counter
// outlives it. The count may be read from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace weft::io {

class Tally {
 public:
  Tally() = default;  // counts nothing
  explicit Tally(std::atomic<uint32_t>& count) : count_(&count) {
    count_->fetch_add(1, std::memory_order_relaxed);
  }
  Tally(Tally&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
  Tally& operator=(Tally&& other) noexcept {
    std::swap(count_, other.count_);
    return *this;
  }
  ~Tally() {
    if (count_) count_->fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  std::atomic<uint32_t>* count_ = nullptr;
};

}  // namespace weft::io
