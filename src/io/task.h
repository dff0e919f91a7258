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
// - await_suspend of an awaitable returns void or bool, and never resumes its own handle from inside.
// Exceptions do not cross: unhandled_exception aborts.
#pragma once

#include <coroutine>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/assert.h"

namespace weft::io {

// Pooled allocation for coroutine frames, a bounded number of bytes kept per thread.
void* allocate_frame(size_t size);
void free_frame(void* frame, size_t size) noexcept;

template <typename T = void>
class Task;
class TaskScope;

namespace detail {

struct PromiseBase;

// A task spawned in a scope: the root of a chain of awaiting frames. It knows whether its chain is on
// the C stack now, because then it can only be freed later.
struct Root {
  Root* prev = nullptr;
  Root* next = nullptr;
  TaskScope* scope = nullptr;  // null once doomed
  std::coroutine_handle<> frame;
  bool on_stack = true;
  bool doomed = false;  // cancelled while on the stack: freed when it finishes or waits
};

void finish_root(Root* root) noexcept;
void bury(Root* root) noexcept;
// Frees the doomed tasks that have yielded. Called by the loop between runs, when no task is on the
// stack.
void free_doomed_tasks() noexcept;

// Around every awaitable of a task: keeps Root::on_stack right. Refers to the awaitable, which lives in
// the awaiting expression.
template <typename Awaitable>
struct Watched {
  Awaitable& inner;
  Root* root;

  bool await_ready() { return inner.await_ready(); }
  template <typename P>
  bool await_suspend(std::coroutine_handle<P> self) {
    if (!root) return suspend(self);
    if (root->doomed) {
      bury(root);
      return true;
    }
    root->on_stack = false;
    // From here on this frame may be destroyed, unless the answer is "go on".
    Root* const mine = root;
    if (suspend(self)) return true;
    mine->on_stack = true;
    return false;
  }
  decltype(auto) await_resume() {
    if (root) root->on_stack = true;
    return inner.await_resume();
  }

 private:
  template <typename P>
  bool suspend(std::coroutine_handle<P> self) {
    using Answer = decltype(inner.await_suspend(self));
    static_assert(
        std::is_void_v<Answer> || std::is_same_v<Answer, bool>,
        "await_suspend returns void or bool: symmetric transfer is no tail call below -O2");
    if constexpr (std::is_void_v<Answer>) {
      inner.await_suspend(self);
      return true;
    } else {
      return inner.await_suspend(self);
    }
  }
};

struct PromiseBase {
  static void* operator new(size_t size) { return allocate_frame(size); }
  static void operator delete(void* frame, size_t size) noexcept { free_frame(frame, size); }

  std::suspend_always initial_suspend() noexcept { return {}; }

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <typename P>
    void await_suspend(std::coroutine_handle<P> self) noexcept {
      PromiseBase& promise = self.promise();
      if (promise.continuation) {
        // The parent may destroy this frame meanwhile: nothing is touched afterwards.
        promise.continuation.resume();
      } else if (promise.root && promise.root->frame == self) {
        finish_root(promise.root);
      }
      // Otherwise the parent is still inside its await_suspend: it sees done() and goes on by itself.
    }
    void await_resume() noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }
  [[noreturn]] void unhandled_exception() noexcept {
    assertion_failed("an exception reached a coroutine", __FILE__, __LINE__);
  }

  // A child runs on its parent's stack and is watched by its own awaits.
  template <typename T>
  auto await_transform(Task<T>&& child) noexcept {
    return std::move(child).awaiter(root);
  }
  template <typename Awaitable>
  Watched<std::remove_reference_t<Awaitable>> await_transform(Awaitable&& awaitable) noexcept {
    return {awaitable, root};
  }

  std::coroutine_handle<> continuation;
  Root* root = nullptr;
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

 private:
  friend class TaskScope;
  friend struct detail::PromiseBase;

  // Awaiting runs the child at once, on this stack, until it first waits.
  struct Awaiter {
    Handle child;
    bool await_ready() noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> parent) noexcept {
      const Handle running = child;
      running.resume();
      if (running.done()) return false;
      running.promise().continuation = parent;
      return true;
    }
    T await_resume() {
      if constexpr (!std::is_void_v<T>) return std::move(*child.promise().value);
    }
  };
  Awaiter awaiter(detail::Root* root) && noexcept {
    WEFT_ASSERT(handle_);
    handle_.promise().root = root;
    return Awaiter{handle_};
  }

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
// behind. A task may spawn into its own scope. A task may cancel or destroy the scope it runs in: it
// then goes on until it returns or would wait, and its frame is freed there or at the end of the turn;
// it must not touch what died with the scope, not even from destructors of its locals.
class TaskScope {
 public:
  TaskScope() = default;
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  ~TaskScope() { cancel_all(); }

  // Starts the task at once, on this stack, until it first waits.
  void spawn(Task<void> task);
  size_t running() const { return running_; }
  // Destroys all that still runs.
  void cancel_all();

 private:
  friend void detail::finish_root(detail::Root* root) noexcept;
  void link(detail::Root& root);
  void unlink(detail::Root& root);

  detail::Root* first_ = nullptr;
  size_t running_ = 0;
};

}  // namespace weft::io
