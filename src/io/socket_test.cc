// Real sockets on loopback: what a Stream promises, and what the kernel does at its edges.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/socket_test_support.h"

namespace weft::io {
namespace {

int option(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  getsockopt(fd, level, name, &value, &size);
  return value;
}

TEST_F(SocketTest, TalksOverIpv4AndIpv6AndKnowsItsAddresses) {
  for (const char* address : {"127.0.0.1:0", "[::1]:0"}) {
    server.reset();
    connect_pair(address);
    client->stream->write("hello ");
    client->stream->write(Buffer("world"));
    ASSERT_TRUE(until([&] { return server->text == "hello world"; })) << address;
    server->stream->write("and back");
    ASSERT_TRUE(until([&] { return client->text == "and back"; }));
    EXPECT_EQ(client->stream->peer(), listener->address());
    EXPECT_EQ(server->stream->peer(), client->stream->local());
    EXPECT_EQ(server->stream->local(), listener->address());
  }
}

TEST_F(SocketTest, BothEndsHaveNoDelayAndGiveUpAVanishedPeerWithinTenSeconds) {
  connect_pair();
  for (const auto* end : {&client, &server}) {
    const int fd = (*end)->stream->descriptor();
    EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    const bool dialled = end == &client;
    EXPECT_EQ(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0) << "over loopback nobody vanishes";
    EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0) << "it ends slow readers as well";
    EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), dialled ? 4 : 60);
    EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), dialled ? 1 : 2);
    EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_KEEPCNT), dialled ? 4 : 9);
    EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  }
}

TEST_F(SocketTest, WritesOfOneTurnLeaveTogetherAtItsEnd) {
  connect_pair();
  settle();
  const int before = server->told;
  loop.post([&] {
    for (int i = 0; i < 100; ++i) client->stream->write("x");
    EXPECT_EQ(client->stream->write_queued(), 100u);
  });
  ASSERT_TRUE(until([&] { return server->text.size() == 100; }));
  EXPECT_EQ(server->told, before + 1) << "one segment, one event";
  EXPECT_EQ(client->stream->write_queued(), 0u);
}

TEST_F(SocketTest, BackpressureStopsTheWriterAndLetsItGoOn) {
  connect_pair();
  server->paused = true;
  const std::string piece(1024 * 1024, 'p');
  size_t written = 0;
  while (client->stream->write_queued() <= Stream::kHighMark) {
    client->stream->write(piece);
    written += piece.size();
    settle();
  }
  EXPECT_FALSE(client->stream->write("y")) << "above the high mark";
  const int told_before = client->writable;  // for pieces that the kernel took at once
  server->paused = false;
  server->on_readable();
  ASSERT_TRUE(until([&] { return server->text.size() == written + 1; }));
  EXPECT_EQ(client->writable, told_before + 1);
  EXPECT_EQ(server->text.back(), 'y');
}

TEST_F(SocketTest, APeerThatDoesNotReadIsNotTakenForVanished) {
  connect_pair();
  server->paused = true;
  std::string piece(1024 * 1024, 'p');
  while (client->stream->write(piece)) {
  }
  EXPECT_FALSE(loop.run_for_test([&] { return client->last == ReadOutcome::kError; },
                                 SilenceWatch::kGiveUp + Duration::seconds(2)));
  EXPECT_EQ(client->stream->error(), nullptr);
}

TEST_F(SocketTest, AHalfClosedConnectionStillCarriesTheAnswer) {
  connect_pair();
  client->stream->write("question");
  client->stream->shutdown_write();
  ASSERT_TRUE(until([&] { return server->last == ReadOutcome::kEof; }));
  EXPECT_EQ(server->text, "question");
  server->stream->write("answer");
  ASSERT_TRUE(until([&] { return client->text == "answer"; }));
  EXPECT_EQ(client->last, ReadOutcome::kWouldBlock);
}

TEST_F(SocketTest, AnEndThatComesWithTheDataIsNotMissed) {
  connect_pair();
  client->stream->write("last words");
  client->stream->shutdown_write();
  // Both are in the kernel before the server looks.
  server->paused = true;
  settle();
  server->paused = false;
  server->on_readable();
  EXPECT_EQ(server->text, "last words");
  EXPECT_EQ(server->last, ReadOutcome::kEof);
}

TEST_F(SocketTest, AResetStaysAReset) {
  connect_pair();
  server->stream->write("seen");
  ASSERT_TRUE(until([&] { return client->text == "seen"; }));
  server->stream->reset();
  ASSERT_TRUE(until([&] { return client->last == ReadOutcome::kError; }));
  EXPECT_EQ(client->stream->error()->kind(), ErrorKind::kReset);
  Buffer buffer;
  EXPECT_EQ(server->stream->read(buffer).kind, ReadOutcome::kError) << "our own end knows too";
  EXPECT_TRUE(server->stream->write("swallowed"));
  EXPECT_EQ(server->stream->local(), listener->address()) << "addresses stay known";
}

TEST_F(SocketTest, DestroyingAStreamWithBytesQueuedResetsAndWithoutEnds) {
  connect_pair();
  server->stream->write("lost");
  server.reset();
  ASSERT_TRUE(until([&] { return client->last == ReadOutcome::kError; }));
  EXPECT_EQ(client->text, "");

  connect_pair();
  server->stream->write("sent");
  ASSERT_TRUE(until([&] { return server->stream->write_queued() == 0; }));
  server.reset();
  ASSERT_TRUE(until([&] { return client->last == ReadOutcome::kEof; }));
  EXPECT_EQ(client->text, "sent");
}

TEST_F(SocketTest, ClosingGracefullyDeliversWhatIsQueued) {
  connect_pair();
  const std::string large(8 * 1024 * 1024, 'g');
  server->paused = true;
  client->stream->write(large);
  client->stream->set_handler(nullptr);
  close_gracefully(loop, std::move(client->stream));
  settle();
  server->paused = false;
  server->on_readable();
  ASSERT_TRUE(until([&] { return server->last == ReadOutcome::kEof; }));
  EXPECT_EQ(server->text.size(), large.size());
}

TEST_F(SocketTest, ANewHandlerIsToldWhatIsWaiting) {
  connect_pair();
  server->stream->set_handler(nullptr);
  client->stream->write("early");
  settle();
  Reader second(std::move(server->stream));
  ASSERT_TRUE(until([&] { return second.text == "early"; }));
}

TEST_F(SocketTest, AHandlerMayDestroyItsStreamInsideItsCallback) {
  connect_pair();
  struct Suicidal final : StreamHandler {
    explicit Suicidal(StreamPtr taken) : stream(std::move(taken)) { stream->set_handler(this); }
    void on_readable() override { stream.reset(); }
    void on_writable() override {}
    StreamPtr stream;
  };
  Suicidal suicidal(std::move(server->stream));
  client->stream->write("die");
  ASSERT_TRUE(until([&] { return suicidal.stream == nullptr; }));
  ASSERT_TRUE(until([&] { return client->last != ReadOutcome::kWouldBlock; }));
}

TEST_F(SocketTest, ConnectErrorsSayThatNothingWasSeen) {
  connect_pair();
  const SocketAddress gone = listener->address();
  listener.reset();
  const auto refused = run(network.connect(gone, kLimit));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kRefused);
  EXPECT_EQ(refused.error().retry(), Retry::kYes);
  EXPECT_EQ(refused.error().message(),
            "connecting to " + gone.to_string() + ": Connection refused");
}

// A listening socket whose backlog is full drops further SYNs: nobody answers.
TEST_F(SocketTest, AConnectThatNobodyAnswersEndsInTime) {
  const Fd full(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in any{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  ASSERT_EQ(bind(full.get(), reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
  ASSERT_EQ(listen(full.get(), 0), 0);
  socklen_t size = sizeof any;
  getsockname(full.get(), reinterpret_cast<sockaddr*>(&any), &size);
  const SocketAddress at{IpAddress::v4(INADDR_LOOPBACK), ntohs(any.sin_port)};
  std::vector<StreamPtr> waiting;
  std::optional<Error> error;
  for (int i = 0; i < 5 && !error; ++i) {
    auto stream = run(network.connect(at, Duration::millis(100)));
    if (stream) {
      waiting.push_back(std::move(*stream));
    } else {
      error = stream.error();
    }
  }
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->kind(), ErrorKind::kTimeout);
  EXPECT_EQ(error->retry(), Retry::kYes);
}

TEST_F(SocketTest, ACancelledConnectLeavesNothingBehind) {
  connect_pair();
  const auto dial = [](Network& network, SocketAddress to) -> Task<void> {
    auto stream = co_await network.connect(to, kLimit);
  };
  TaskScope scope;
  scope.spawn(dial(network, listener->address()));
  scope.cancel_all();
  settle();
  EXPECT_EQ(scope.running(), 0u);
}

TEST_F(SocketTest, APausedListenerLeavesConnectsInTheKernelsQueue) {
  int accepted = 0;
  listener = *network.listen(*SocketAddress::parse("127.0.0.1:0"), [&](StreamPtr) { ++accepted; });
  listener->pause();
  auto stream = run(network.connect(listener->address(), kLimit));
  EXPECT_TRUE(stream.has_value());
  settle();
  EXPECT_EQ(accepted, 0);
  listener->resume();
  EXPECT_TRUE(until([&] { return accepted == 1; }));
}

TEST_F(SocketTest, AListenerMayBeDestroyedWhileAccepting) {
  int accepted = 0;
  listener = *network.listen(*SocketAddress::parse("127.0.0.1:0"), [&](StreamPtr) {
    ++accepted;
    listener.reset();
  });
  auto stream = run(network.connect(listener->address(), kLimit));
  EXPECT_TRUE(until([&] { return accepted == 1; }));
  EXPECT_EQ(listener, nullptr);
}

TEST_F(SocketTest, AListenerOutOfDescriptorsWaitsAndGoesOn) {
  connect_pair();
  int accepted = 0;
  auto second =
      *network.listen(*SocketAddress::parse("127.0.0.1:0"), [&](StreamPtr) { ++accepted; });
  const Fd dialler(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{.rlim_cur = static_cast<rlim_t>(dialler.get() + 1),
                    .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  sockaddr_in to{.sin_family = AF_INET,
                 .sin_port = htons(second->address().port),
                 .sin_addr = {htonl(INADDR_LOOPBACK)}};
  ASSERT_EQ(connect(dialler.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  rusage usage_before{};
  getrusage(RUSAGE_SELF, &usage_before);
  loop.run_for_test([] { return false; }, Duration::millis(300));
  rusage usage_after{};
  getrusage(RUSAGE_SELF, &usage_after);
  EXPECT_EQ(accepted, 0);
  const auto micros = [](const rusage& u) {
    return u.ru_utime.tv_sec * 1'000'000 + u.ru_utime.tv_usec;
  };
  EXPECT_LT(micros(usage_after) - micros(usage_before), 100'000) << "it must not spin";
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(until([&] { return accepted == 1; })) << "without a new connect to wake it";
}

TEST_F(SocketTest, AdoptedSocketsWorkLikeOurOwn) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  Reader left(adopt_stream(loop, pair[0]));
  Reader right(adopt_stream(loop, pair[1]));
  left.stream->write("over");
  ASSERT_TRUE(until([&] { return right.text == "over"; }));
  const auto who = peer_credentials(right.stream->descriptor());
  ASSERT_TRUE(who.has_value());
  EXPECT_EQ(who->pid, getpid());
  EXPECT_EQ(who->uid, getuid());

  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(::listen(fd, 8), 0);  // the kernel picks the port
  listener = adopt_listener(loop, fd, take());
  const SocketAddress to{*IpAddress::parse("127.0.0.1"), listener->address().port};
  auto stream = run(connect_with(loop, socket(AF_INET, SOCK_STREAM, 0), to,
                                 SocketAddress::parse("127.0.0.77:0").value(), kLimit));
  ASSERT_TRUE(stream.has_value());
  ASSERT_TRUE(until([&] { return server != nullptr; }));
  EXPECT_EQ(server->stream->peer().ip.to_string(), "127.0.0.77");
  EXPECT_EQ(option((*stream)->descriptor(), IPPROTO_TCP, TCP_NODELAY), 1);
}

TEST_F(SocketTest, AV6SocketReachesAV4Address) {
  connect_pair();
  auto stream = run(connect_with(loop, socket(AF_INET6, SOCK_STREAM, 0), listener->address(),
                                 std::nullopt, kLimit));
  ASSERT_TRUE(stream.has_value());
  EXPECT_EQ((*stream)->local().ip.to_string(), "127.0.0.1");
}

TEST_F(SocketTest, BindingToAForeignAddressFailsWithBothAddresses) {
  connect_pair();
  const auto stream = run(connect_with(loop, socket(AF_INET, SOCK_STREAM, 0), listener->address(),
                                       SocketAddress::parse("192.0.2.1:0").value(), kLimit));
  ASSERT_FALSE(stream.has_value());
  EXPECT_NE(stream.error().message().find("from 192.0.2.1:0"), std::string::npos)
      << stream.error().message();
}

}  // namespace
}  // namespace weft::io
