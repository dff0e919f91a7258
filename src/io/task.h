// Task<T>: a lazy, single-threaded coroutine for conversations (an accept loop, a request, a copy).
// Decisions and codecs are plain objects; only waiting is written as a coroutine.
//
// - Lazy: nothing runs until it is awaited or spawned in a TaskScope.
// - Cancel = destroy: destroying a Task destroys its frame and everything it awaits; every awaitable
//   of ours unregisters itself in its destructor.
// - A child that completes without waiting does not suspend its parent (await_suspend returns false):
//   millions of synchronously completing awaits do not grow the stack.
// - Frames come from a thread-local pool by size class.
// - Parameters of a coroutine are taken by value (or are references that outlive it); never capture by
//   reference in a coroutine lambda that outlives the statement.
// Exceptions do not cross: unhandled_exception aborts.
#pragma once

#include <coroutine>
#include <cstddef>
#include <optional>
#include <utility>

#include "base/assert.h"

namespace weft::io {

// Pooled allocation for coroutine frames, at most a bounded number kept per size class and thread.
void* allocate_frame(size_t size);
void free_frame(void* frame, size_t size) noexcept;

template <typename T = void>
class Task;

namespace detail {

struct PromiseBase {
  static void* operator new(size_t size) { return allocate_frame(size); }
  static void operator delete(void* frame, size_t size) noexcept { free_frame(frame, size); }

  std::suspend_always initial_suspend() noexcept { return {}; }

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <typename P>
    void await_suspend(std::coroutine_handle<P> self) noexcept {
      // Still inside the parent's await_suspend: it will see done() and go on by itself.
      std::coroutine_handle<> next = self.promise().continuation;
      if (next) next.resume();
    }
    void await_resume() noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }
  [[noreturn]] void unhandled_exception() noexcept {
    assertion_failed("an exception reached a coroutine", __FILE__, __LINE__);
  }

  std::coroutine_handle<> continuation;
};

template <typename T>
struct Promise : PromiseBase {
  Task<T> get_return_object() noexcept;
  template <typename U>
  void return_value(U&& v) {
    value.emplace(std::forward<U>(v));
  }
  std::optional<T> value;
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() noexcept {}
};

}  // namespace detail

template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  explicit operator bool() const { return static_cast<bool>(handle_); }

  // Awaiting runs the child at once, on this stack, until it first waits.
  auto operator co_await() && noexcept {
    struct Awaiter {
      Handle child;
      bool await_ready() noexcept { return false; }
      bool await_suspend(std::coroutine_handle<> parent) noexcept {
        child.resume();
        if (child.done()) return false;
        child.promise().continuation = parent;
        return true;
      }
      T await_resume() {
        if constexpr (!std::is_void_v<T>) return std::move(*child.promise().value);
      }
    };
    WEFT_ASSERT(handle_);
    return Awaiter{handle_};
  }

 private:
  friend class TaskScope;
  Handle handle_;
};

namespace detail {
template <typename T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}
}  // namespace detail

// Owns detached tasks. Destroying the scope destroys those that have not finished: nobody is left
// behind. A task may spawn into its own scope, and may destroy the scope it runs in only as its last
// act before it next waits or returns (the frame of the running task is then freed when it yields).
class TaskScope {
 public:
  TaskScope();
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  ~TaskScope();

  // Starts the task at once, on this stack, until it first waits.
  void spawn(Task<void> task);
  size_t running() const;
  // Destroys all that still runs.
  void cancel_all();

 private:
  struct State;
  State* state_;
};

}  // namespace weft::io
