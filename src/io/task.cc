// Frames: one free list per 64-byte size class and thread, because a request makes three to five
// frames of the same few sizes over and over. Roots: a doubly linked list per scope, so that a task
// finishing costs O(1).
#include "io/task.h"

#include <array>
#include <cstdint>
#include <new>

namespace weft::io {

namespace {

constexpr size_t kClassBytes = 64;
constexpr size_t kLargestPooled = 4096;
// Bytes. A request holds a frame of 3 KiB while it waits, and some hundred requests at once are usual;
// what does not fit goes through the allocator, which costs a tenth of a busy proxy's CPU.
constexpr size_t kKept = 1024 * 1024;

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT_FRAMES_FROM_HEAP 1  // so that a use after free shows
#endif
#endif

#ifdef WEFT_FRAMES_FROM_HEAP
constexpr bool kPooled = false;
#else
constexpr bool kPooled = true;
#endif

constexpr size_t size_class(size_t size) { return (size + kClassBytes - 1) / kClassBytes; }

class FramePool {
 public:
  ~FramePool() {
    for (FreeFrame*& list : free_) {
      while (FreeFrame* frame = list) {
        list = frame->next;
        ::operator delete(frame);
      }
    }
    free_.fill(nullptr);
    kept_ = kKept;  // frames freed during the thread's end go straight to the heap
  }

  void* allocate(size_t index) {
    FreeFrame* frame = free_[index];
    if (!frame) return ::operator new(index * kClassBytes);
    free_[index] = frame->next;
    kept_ -= index * kClassBytes;
    return frame;
  }

  void free(void* memory, size_t index) noexcept {
    if (kept_ + index * kClassBytes > kKept) {
      ::operator delete(memory);
      return;
    }
    free_[index] = new (memory) FreeFrame{free_[index]};
    kept_ += index * kClassBytes;
  }

 private:
  struct FreeFrame {
    FreeFrame* next;
  };
  static constexpr size_t kClasses = kLargestPooled / kClassBytes + 1;
  std::array<FreeFrame*, kClasses> free_{};
  size_t kept_ = 0;  // bytes
};

thread_local FramePool pool;

// Tasks that were cancelled while running and have yielded since.
thread_local constinit detail::Root* doomed_first = nullptr;

void destroy_root(detail::Root* root) noexcept {
  root->frame.destroy();
  root->~Root();
  free_frame(root, sizeof(detail::Root));
}

}  // namespace

void* allocate_frame(size_t size) {
  if (!kPooled || size > kLargestPooled) return ::operator new(size);
  return pool.allocate(size_class(size));
}

void free_frame(void* frame, size_t size) noexcept {
  if (!kPooled || size > kLargestPooled) {
    ::operator delete(frame);
    return;
  }
  pool.free(frame, size_class(size));
}

namespace detail {

void finish_root(Root* root) noexcept {
  if (root->scope) root->scope->unlink(*root);
  destroy_root(root);
}

void bury(Root* root) noexcept {
  root->next = doomed_first;
  doomed_first = root;
}

void free_doomed_tasks() noexcept {
  while (Root* root = doomed_first) {
    doomed_first = root->next;
    destroy_root(root);
  }
}

}  // namespace detail

void TaskScope::link(detail::Root& root) {
  root.scope = this;
  root.next = first_;
  if (first_) first_->prev = &root;
  first_ = &root;
  ++running_;
}

void TaskScope::unlink(detail::Root& root) {
  (root.prev ? root.prev->next : first_) = root.next;
  if (root.next) root.next->prev = root.prev;
  root.prev = root.next = nullptr;
  root.scope = nullptr;
  --running_;
}

void TaskScope::spawn(Task<void> task) {
  WEFT_ASSERT(task.handle_);
  auto* root = new (allocate_frame(sizeof(detail::Root))) detail::Root;
  const auto frame = std::exchange(task.handle_, {});
  root->frame = frame;
  frame.promise().root = root;
  link(*root);
  frame.resume();
}

void TaskScope::cancel_all() {
  // A destructor of a destroyed frame may spawn, cancel or finish others: start over each time.
  while (first_) {
    detail::Root* root = first_;
    unlink(*root);
    if (root->on_stack) {
      root->doomed = true;
    } else {
      destroy_root(root);
    }
  }
}

}  // namespace weft::io
