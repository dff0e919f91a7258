// A loop, a network and a connected pair, for tests over real sockets.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "io/epoll_loop.h"
#include "io/socket_network.h"
#include "io/task.h"

namespace weft::io {

inline constexpr Duration kLimit = Duration::seconds(10);

struct Reader final : StreamHandler {
  explicit Reader(StreamPtr taken) : stream(std::move(taken)) { stream->set_handler(this); }
  void on_readable() override {
    ++told;
    while (!paused) {
      Buffer buffer;
      const ReadOutcome outcome = stream->read(buffer, 64 * 1024);
      last = outcome.kind;
      if (outcome.kind != ReadOutcome::kData) return;
      text += buffer.view();
    }
  }
  void on_writable() override { ++writable; }

  StreamPtr stream;
  std::string text;
  bool paused = false;
  int told = 0;
  int writable = 0;
  ReadOutcome::Kind last = ReadOutcome::kWouldBlock;
};

class SocketTest : public testing::Test {
 protected:
  template <typename T>
  T run(Task<T> task) {
    std::optional<T> result;
    const auto store = [](Task<T> task, std::optional<T>* out) -> Task<void> {
      out->emplace(co_await std::move(task));
    };
    TaskScope scope;
    scope.spawn(store(std::move(task), &result));
    EXPECT_TRUE(loop.run_for_test([&] { return result.has_value(); }, kLimit));
    return std::move(*result);
  }
  bool until(const std::function<bool()>& done) { return loop.run_for_test(done, kLimit); }
  // Lets the loop turn until everything in the kernel has been told.
  void settle() {
    loop.run_for_test([] { return false; }, Duration::millis(30));
  }

  AcceptFn take() {
    return [this](StreamPtr stream) { server = std::make_unique<Reader>(std::move(stream)); };
  }
  void connect_pair(const char* address = "127.0.0.1:0") {
    listener = *network.listen(*SocketAddress::parse(address), take());
    client =
        std::make_unique<Reader>(std::move(*run(network.connect(listener->address(), kLimit))));
    ASSERT_TRUE(until([&] { return server != nullptr; }));
  }

  EpollLoop loop;
  SocketNetwork network{loop};
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Reader> server;
  std::unique_ptr<Reader> client;
};

}  // namespace weft::io
