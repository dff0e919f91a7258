// The kernel's loop: waking, timers in real time, watches that come and go, signals, threads, UDP.
#include "io/epoll_loop.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "io/signals.h"
#include "io/thread.h"
#include "io/udp.h"

namespace weft::io {
namespace {

constexpr Duration kLimit = Duration::seconds(10);

TEST(EpollLoop, TimersFireNotBeforeTheirTime) {
  EpollLoop loop;
  bool fired = false;
  Timer timer(loop, [&] { fired = true; });
  const Instant start = loop.now();
  timer.arm(Duration::millis(20));
  EXPECT_TRUE(loop.run_for_test([&] { return fired; }, kLimit));
  EXPECT_GE(loop.now() - start, Duration::millis(20));
}

TEST(EpollLoop, AnotherThreadWakesItAndNothingIsLost) {
  EpollLoop loop;
  int count = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) loop.post_remote([&] { ++count; });
    });
  }
  EXPECT_TRUE(loop.run_for_test([&] { return count == 4000; }, kLimit));
  for (auto& thread : threads) thread.join();
}

TEST(EpollLoop, RunsUntilStoppedAndMayRunAgain) {
  EpollLoop loop;
  int runs = 0;
  for (int i = 0; i < 2; ++i) {
    loop.post([&] {
      ++runs;
      loop.stop();
    });
    loop.run();
  }
  EXPECT_EQ(runs, 2);
}

TEST(EpollLoop, DropsWhatWasPostedAndNeverRun) {
  auto token = std::make_shared<int>();
  {
    EpollLoop loop;
    loop.post_remote([token] {});
    loop.post([token] {});
  }
  EXPECT_EQ(token.use_count(), 1);
}

struct SocketPair {
  SocketPair() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    near = Fd(fds[0]);
    far = Fd(fds[1]);
  }
  Fd near;
  Fd far;
};

TEST(FdWatch, TellsEachChangeOnce) {
  EpollLoop loop;
  SocketPair pair;
  int readable = 0;
  uint32_t all = 0;
  FdWatch watch(loop, pair.near.get(), [&](uint32_t events) {
    all |= events;
    if (events & EPOLLIN) ++readable;
  });
  ASSERT_EQ(write(pair.far.get(), "x", 1), 1);
  EXPECT_TRUE(loop.run_for_test([&] { return readable == 1; }, kLimit));
  EXPECT_TRUE(all & EPOLLOUT);
  loop.run_for_test([] { return false; }, Duration::millis(20));
  EXPECT_EQ(readable, 1) << "the byte is unread, but that is no news";
  pair.far.close();
  EXPECT_TRUE(loop.run_for_test([&] { return (all & EPOLLRDHUP) != 0; }, kLimit));
}

TEST(FdWatch, AWatchDestroyedByAnotherInTheSameBatchStaysSilent) {
  EpollLoop loop;
  SocketPair one;
  SocketPair two;
  std::unique_ptr<FdWatch> first;
  std::unique_ptr<FdWatch> second;
  std::unique_ptr<FdWatch> tenant;
  SocketPair three;
  int calls = 0;
  int tenant_reads = 0;
  const auto destroy_the_other = [&](std::unique_ptr<FdWatch>& other) {
    return [&](uint32_t events) {
      if (!(events & EPOLLIN)) return;
      ++calls;
      other.reset();
      // Takes the slot that has just become free; events of the batch are not for it.
      if (!tenant) {
        tenant = std::make_unique<FdWatch>(
            loop, three.near.get(), [&](uint32_t now) { tenant_reads += (now & EPOLLIN) != 0; });
      }
    };
  };
  first = std::make_unique<FdWatch>(loop, one.near.get(), destroy_the_other(second));
  second = std::make_unique<FdWatch>(loop, two.near.get(), destroy_the_other(first));
  ASSERT_EQ(write(one.far.get(), "x", 1), 1);
  ASSERT_EQ(write(two.far.get(), "x", 1), 1);
  loop.run_for_test([] { return false; }, Duration::millis(20));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(tenant_reads, 0);
}

TEST(FdWatch, MayDestroyItselfInItsCallback) {
  EpollLoop loop;
  SocketPair pair;
  auto token = std::make_shared<int>();
  std::unique_ptr<FdWatch> watch;
  watch = std::make_unique<FdWatch>(loop, pair.near.get(),
                                    [&watch, token](uint32_t) { watch.reset(); });
  EXPECT_TRUE(loop.run_for_test([&] { return watch == nullptr; }, kLimit));
  EXPECT_EQ(token.use_count(), 1);
}

struct Job final : Runnable {
  explicit Job(std::function<void()> fn) : fn(std::move(fn)) {}
  void run() override { fn(); }
  std::function<void()> fn;
};

TEST(EpollLoop, WhatIsLeftToTheEndOfABurstWaitsForWhatTheNetworkHasAlready) {
  EpollLoop loop;
  SocketPair one;
  SocketPair two;
  std::string order;
  Job flush([&] { order += 'F'; });
  FdWatch second(loop, two.near.get(), [&](uint32_t events) {
    if (events & EPOLLIN) order += 'b';
  });
  FdWatch first(loop, one.near.get(), [&](uint32_t events) {
    if (!(events & EPOLLIN)) return;
    order += 'a';
    loop.at_end_of_burst(flush);
    EXPECT_EQ(write(two.far.get(), "x", 1), 1);
  });
  loop.run_for_test([] { return false; }, Duration::millis(1));  // the first reports
  ASSERT_EQ(write(one.far.get(), "x", 1), 1);
  EXPECT_TRUE(loop.run_for_test([&] { return order.ends_with('F'); }, kLimit));
  EXPECT_EQ(order, "abF");
}

TEST(EpollLoop, ABurstEndsEvenWhenTheNetworkAlwaysHasMore) {
  EpollLoop loop;
  SocketPair pair;
  bool flushed = false;
  Job flush([&] { flushed = true; });
  FdWatch watch(loop, pair.near.get(), [&](uint32_t events) {
    if (!(events & EPOLLIN)) return;
    if (!flushed) loop.at_end_of_burst(flush);
    EXPECT_EQ(write(pair.far.get(), "x", 1), 1);
  });
  ASSERT_EQ(write(pair.far.get(), "x", 1), 1);
  EXPECT_TRUE(loop.run_for_test([&] { return flushed; }, kLimit));
}

TEST(SignalWatch, DeliversSignalsAsEventsAndGivesTheMaskBack) {
  EpollLoop loop;
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  std::vector<int> got;
  {
    SignalWatch watch(loop, {SIGUSR1, SIGUSR2}, [&](int signal) { got.push_back(signal); });
    raise(SIGUSR1);
    EXPECT_TRUE(loop.run_for_test([&] { return got.size() == 1; }, kLimit));
    raise(SIGUSR2);
    EXPECT_TRUE(loop.run_for_test([&] { return got.size() == 2; }, kLimit));
  }
  EXPECT_EQ(got, (std::vector<int>{SIGUSR1, SIGUSR2}));
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(sigismember(&after, SIGUSR1), sigismember(&before, SIGUSR1));
}

TEST(LoopThread, RunsItsMainOnItsOwnThreadAndJoins) {
  std::atomic<int> steps = 0;
  std::thread::id inside;
  {
    LoopThread thread("worker", [&](EpollLoop& loop) {
      inside = std::this_thread::get_id();
      ++steps;
      loop.run();
      ++steps;
    });
    EpollLoop here;
    thread.loop().post_remote([&] { here.post_remote([&] { here.stop(); }); });
    here.run();
    EXPECT_EQ(steps, 1);
  }
  EXPECT_EQ(steps, 2);
  EXPECT_NE(inside, std::this_thread::get_id());
}

TEST(LoopThread, StopsEvenWhenDestroyedBeforeItRuns) {
  for (int i = 0; i < 50; ++i) {
    LoopThread thread("short", [](EpollLoop& loop) { loop.run(); });
  }
}

TEST(UdpSocket, CarriesDatagramsBothWaysOverV4AndV6) {
  for (const char* address : {"127.0.0.1:0", "[::1]:0"}) {
    EpollLoop loop;
    std::unique_ptr<UdpSocket> server;
    server = *UdpSocket::bind(loop, *SocketAddress::parse(address),
                              [&](std::string_view bytes, const SocketAddress& from) {
                                server->send_to("re: " + std::string(bytes), from);
                              });
    std::vector<std::string> got;
    auto client = *UdpSocket::bind(loop, *SocketAddress::parse(address),
                                   [&](std::string_view bytes, const SocketAddress& from) {
                                     EXPECT_EQ(from, server->local());
                                     got.emplace_back(bytes);
                                   });
    for (int i = 0; i < 200; ++i) EXPECT_TRUE(client->send_to(std::to_string(i), server->local()));
    EXPECT_TRUE(client->send_to("", server->local())) << "an empty datagram is a datagram";
    ASSERT_TRUE(loop.run_for_test([&] { return got.size() == 201; }, kLimit)) << got.size();
    EXPECT_EQ(got[199], "re: 199");
    EXPECT_EQ(got[200], "re: ");
  }
}

TEST(UdpSocket, SurvivesTheNewsThatNobodyListens) {
  EpollLoop loop;
  std::unique_ptr<UdpSocket> gone = *UdpSocket::bind(loop, *SocketAddress::parse("127.0.0.1:0"),
                                                     [](std::string_view, const SocketAddress&) {});
  const SocketAddress nobody = gone->local();
  gone.reset();
  int got = 0;
  auto socket = *UdpSocket::bind(loop, *SocketAddress::parse("127.0.0.1:0"),
                                 [&](std::string_view, const SocketAddress&) { ++got; });
  socket->send_to("anyone?", nobody);
  loop.run_for_test([] { return false; }, Duration::millis(10));
  EXPECT_TRUE(socket->send_to("myself", socket->local()));
  EXPECT_TRUE(loop.run_for_test([&] { return got == 1; }, kLimit));
}

TEST(UdpSocket, LeavesWhatComesToAnotherHolderButStillAnswers) {
  EpollLoop loop;
  std::string heard, answer;
  auto first = *UdpSocket::bind(loop, *SocketAddress::parse("127.0.0.1:0"),
                                [&](std::string_view bytes, const SocketAddress&) {
                                  heard += "first:" + std::string(bytes) + " ";
                                });
  auto client =
      *UdpSocket::bind(loop, *SocketAddress::parse("127.0.0.1:0"),
                       [&](std::string_view bytes, const SocketAddress&) { answer += bytes; });
  const SocketAddress place = first->local();
  ASSERT_TRUE(client->send_to("a", place));
  ASSERT_TRUE(loop.run_for_test([&] { return !heard.empty(); }, kLimit));
  first->stop_receiving();
  ASSERT_TRUE(client->send_to("b", place));
  loop.run_for_test([] { return false; }, Duration::millis(20));
  EXPECT_EQ(heard, "first:a ");
  ASSERT_TRUE(first->send_to("answer", client->local()));
  auto second = UdpSocket::adopt(loop, ::dup(first->descriptor()),
                                 [&](std::string_view bytes, const SocketAddress&) {
                                   heard += "second:" + std::string(bytes);
                                 });
  ASSERT_TRUE(loop.run_for_test([&] { return heard != "first:a " && !answer.empty(); }, kLimit));
  EXPECT_EQ(heard, "first:a second:b");
}

TEST(UdpSocket, MayBeDestroyedInItsCallback) {
  EpollLoop loop;
  std::unique_ptr<UdpSocket> socket;
  int got = 0;
  socket = *UdpSocket::bind(loop, *SocketAddress::parse("127.0.0.1:0"),
                            [&](std::string_view, const SocketAddress&) {
                              ++got;
                              socket.reset();
                            });
  socket->send_to("1", socket->local());
  socket->send_to("2", socket->local());
  EXPECT_TRUE(loop.run_for_test([&] { return socket == nullptr; }, kLimit));
  EXPECT_EQ(got, 1);
}

}  // namespace
}  // namespace weft::io
