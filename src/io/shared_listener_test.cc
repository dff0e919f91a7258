// One listening socket, several loops: what a proxy with more than one worker stands on.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <vector>

#include "io/socket_address.h"
#include "io/socket_test_support.h"
#include "io/thread.h"

namespace weft::io {
namespace {

// A thread that accepts from the socket `shared` and counts.
class Acceptor {
 public:
  explicit Acceptor(const Fd& shared) {
    std::promise<void> listening;
    thread_.emplace("acceptor", [this, &shared, &listening](EpollLoop& loop) {
      auto listener = adopt_shared_listener(loop, dup(shared.get()),
                                            [this](Accepted) { accepted_.fetch_add(1); });
      listener_ = listener.get();
      listening.set_value();
      loop.run();
    });
    listening.get_future().wait();
  }
  void pause() { on_loop(&Listener::pause); }
  void resume() { on_loop(&Listener::resume); }
  int accepted() const { return accepted_.load(); }

 private:
  void on_loop(void (Listener::*what)()) {
    std::promise<void> done;
    thread_->loop().post_remote([&] {
      (listener_->*what)();
      done.set_value();
    });
    done.get_future().wait();
  }

  std::atomic<int> accepted_{0};
  Listener* listener_ = nullptr;
  std::optional<LoopThread> thread_;
};

class SharedListenerTest : public SocketTest {
 protected:
  Fd shared = std::move(*listening_socket({IpAddress::v4(0x7f000001), 0}));
  SocketNetwork network{loop};

  StreamPtr connect() {
    auto made = run(network.connect(local_address(shared.get()), kLimit));
    EXPECT_TRUE(made);
    return made ? std::move(*made) : nullptr;
  }
};

TEST_F(SharedListenerTest, EveryConnectionIsAcceptedOnce) {
  Acceptor first(shared), second(shared);
  std::vector<StreamPtr> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(connect());
  EXPECT_TRUE(until([&] { return first.accepted() + second.accepted() >= 200; }));
  settle();
  EXPECT_EQ(first.accepted() + second.accepted(), 200);
}

TEST_F(SharedListenerTest, NobodyWaitsForALoopThatIsPaused) {
  Acceptor first(shared), second(shared);
  for (Acceptor* paused : {&first, &second}) {
    Acceptor& other = paused == &first ? second : first;
    paused->pause();
    const int before = other.accepted(), none = paused->accepted();
    auto client = connect();
    EXPECT_TRUE(until([&] { return other.accepted() == before + 1; }));
    EXPECT_EQ(paused->accepted(), none);
    paused->resume();
  }
  // Who comes back finds what came meanwhile.
  first.pause();
  second.pause();
  const int before = first.accepted();
  auto client = connect();
  settle();
  EXPECT_EQ(first.accepted(), before);
  first.resume();
  EXPECT_TRUE(until([&] { return first.accepted() == before + 1; }));
}

TEST_F(SharedListenerTest, AConnectionIsCountedUntilItIsClosed) {
  std::atomic<uint32_t> count{0};
  StreamPtr server;
  auto listener = adopt_shared_listener(loop, dup(shared.get()), [&](Accepted accepted) {
    server = accepted_stream(loop, std::move(accepted), Tally(count));
  });
  auto client = connect();
  ASSERT_TRUE(until([&] { return server != nullptr; }));
  EXPECT_EQ(count.load(), 1u);
  EXPECT_EQ(server->peer(), client->local());
  client->write("hello");
  Reader reader(std::move(server));
  EXPECT_TRUE(until([&] { return reader.text == "hello"; }));
  EXPECT_EQ(count.load(), 1u);
  reader.stream.reset();
  EXPECT_EQ(count.load(), 0u);
}

}  // namespace
}  // namespace weft::io
