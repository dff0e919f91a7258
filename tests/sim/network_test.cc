// The simulated network keeps TCP's promises, and a seed decides everything.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/hash.h"
#include "sim/world.h"

namespace weft::sim {
namespace {

using io::ReadOutcome;
using io::StreamPtr;

constexpr Duration ms(int64_t n) { return Duration::millis(n); }

// Reads everything into a string; can answer.
struct Reader final : io::StreamHandler {
  explicit Reader(StreamPtr taken) : stream(std::move(taken)) { stream->set_handler(this); }
  void on_readable() override {
    while (!paused) {
      Buffer buffer;
      const ReadOutcome outcome = stream->read(buffer, 64 * 1024);
      if (outcome.kind == ReadOutcome::kWouldBlock) return;
      if (outcome.kind == ReadOutcome::kEof) {
        eof = true;
        return;
      }
      if (outcome.kind == ReadOutcome::kError) {
        error = stream->error()->kind();
        return;
      }
      text += buffer.view();
      if (echo) stream->write(buffer.view());
    }
  }
  void on_writable() override { ++writable; }

  StreamPtr stream;
  std::string text;
  bool eof = false;
  bool paused = false;
  bool echo = false;
  int writable = 0;
  std::optional<ErrorKind> error;
};

struct Pair {
  Pair(World& world, Node& a, Node& b) {
    listener = *b.network().listen({b.ip(), 80}, [this](StreamPtr stream) {
      server = std::make_unique<Reader>(std::move(stream));
    });
    auto dialled = world.run(a.network().connect({b.ip(), 80}, ms(1000)));
    EXPECT_TRUE(dialled.has_value());
    client = std::make_unique<Reader>(std::move(*dialled));
    EXPECT_TRUE(world.run_until([&] { return server != nullptr; }, ms(100)));
  }
  std::unique_ptr<io::Listener> listener;
  std::unique_ptr<Reader> server;
  std::unique_ptr<Reader> client;
};

std::string pattern(size_t size) {
  std::string out;
  for (size_t i = 0; out.size() < size; ++i) out += std::to_string(i) + ",";
  out.resize(size);
  return out;
}

TEST(SimNetwork, CarriesBytesInOrderBothWaysAndHalfCloses) {
  World world(1);
  Pair pair(world, world.node("a"), world.node("b"));
  const std::string up = pattern(100'000);
  pair.client->stream->write(up);
  pair.client->stream->shutdown_write();
  world.run_for(ms(100));
  EXPECT_EQ(pair.server->text, up);
  EXPECT_TRUE(pair.server->eof);
  EXPECT_FALSE(pair.client->eof);
  pair.server->stream->write("answer after the peer's end");
  pair.server.reset();
  world.run_for(ms(100));
  EXPECT_EQ(pair.client->error, ErrorKind::kReset) << "destroyed with bytes queued";
}

TEST(SimNetwork, TellsBothEndsTheirAddresses) {
  World world(1);
  Node& a = world.node("a");
  Node& b = world.node("b");
  Pair pair(world, a, b);
  EXPECT_EQ(pair.client->stream->peer().to_string(), "10.0.0.2:80");
  EXPECT_EQ(pair.server->stream->local().to_string(), "10.0.0.2:80");
  EXPECT_EQ(pair.server->stream->peer(), pair.client->stream->local());
  EXPECT_EQ(pair.client->stream->local().ip, a.ip());
}

TEST(SimNetwork, ASmallWindowMakesTheWriterWait) {
  World world(2);
  Pair pair(world, world.node("a"), world.node("b"));
  pair.server->paused = true;
  EXPECT_FALSE(pair.client->stream->write(std::string(1'000'000, 'x')));
  world.run_for(ms(1000));
  EXPECT_EQ(pair.client->stream->write_queued(), 1'000'000 - Fabric::kWindow);
  EXPECT_EQ(pair.client->writable, 0);
  pair.server->paused = false;
  pair.server->on_readable();
  world.run_for(ms(1000));
  EXPECT_EQ(pair.server->text.size(), 1'000'000u);
  EXPECT_EQ(pair.client->writable, 1);
}

TEST(SimNetwork, RefusesWhereNobodyListens) {
  World world(3);
  Node& a = world.node("a");
  world.node("b");
  const auto refused = world.run(a.network().connect({world.node("b").ip(), 81}, ms(1000)));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kRefused);
  EXPECT_EQ(refused.error().retry(), Retry::kYes);
}

TEST(SimNetwork, APartitionTimesOutConnectsAndHoldsBytesUntilHealed) {
  World world(4);
  Node& a = world.node("a");
  Node& b = world.node("b");
  Pair pair(world, a, b);
  world.partition(a, b);
  const Instant before = world.now();
  const auto timed_out = world.run(a.network().connect({b.ip(), 80}, ms(700)));
  ASSERT_FALSE(timed_out.has_value());
  EXPECT_EQ(timed_out.error().kind(), ErrorKind::kTimeout);
  EXPECT_EQ((world.now() - before).to_millis(), 700);
  pair.client->stream->write("held ");
  world.run_for(Duration::seconds(100));
  EXPECT_EQ(pair.server->text, "");
  world.heal(a, b);
  pair.client->stream->write("back");
  world.run_for(ms(10));
  EXPECT_EQ(pair.server->text, "held back");
}

TEST(SimNetwork, ACrashResetsPeersAndRefusesUntilTheNodeListensAgain) {
  World world(5);
  Node& a = world.node("a");
  Node& b = world.node("b");
  auto pair = std::make_unique<Pair>(world, a, b);
  bool ran = false;
  io::Timer timer(b.loop(), [&] { ran = true; });
  timer.arm(ms(50));
  world.crash(b);
  world.run_for(ms(100));
  EXPECT_EQ(pair->client->error, ErrorKind::kReset);
  EXPECT_FALSE(ran) << "a crashed node's timers do not fire";
  EXPECT_EQ(world.run(a.network().connect({b.ip(), 80}, ms(100))).error().kind(),
            ErrorKind::kRefused);
  timer.cancel();
  pair.reset();
  world.restart(b);
  Pair again(world, a, b);
  again.client->stream->write("hello");
  world.run_for(ms(10));
  EXPECT_EQ(again.server->text, "hello");
}

TEST(SimNetwork, ResettingALinkIsSeenFromBothEnds) {
  World world(6);
  Node& a = world.node("a");
  Node& b = world.node("b");
  Pair pair(world, a, b);
  world.reset_connections(a, b);
  world.run_for(ms(1));
  EXPECT_EQ(pair.client->error, ErrorKind::kReset);
  EXPECT_EQ(pair.server->error, ErrorKind::kReset);
}

TEST(SimNetwork, BytesForSomeoneWhoHasGoneComeBackAsAReset) {
  World world(7);
  Pair pair(world, world.node("a"), world.node("b"));
  pair.server.reset();
  world.run_for(ms(10));
  EXPECT_TRUE(pair.client->eof);
  pair.client->stream->write("anyone?");
  world.run_for(ms(10));
  pair.client->on_readable();
  EXPECT_EQ(pair.client->error, ErrorKind::kReset);
}

TEST(SimNetwork, ConnectsQueueWhileAListenerIsPaused) {
  World world(8);
  Node& a = world.node("a");
  Node& b = world.node("b");
  int accepted = 0;
  std::vector<StreamPtr> streams;
  auto listener = *b.network().listen({b.ip(), 80}, [&](StreamPtr stream) {
    ++accepted;
    streams.push_back(std::move(stream));
  });
  listener->pause();
  auto first = world.run(a.network().connect({b.ip(), 80}, ms(100)));
  auto second = world.run(a.network().connect({b.ip(), 80}, ms(100)));
  EXPECT_TRUE(first.has_value() && second.has_value());
  world.run_for(ms(100));
  EXPECT_EQ(accepted, 0);
  listener->resume();
  world.run_for(ms(1));
  EXPECT_EQ(accepted, 2);
}

TEST(SimNetwork, RedirectedConnectsKeepTheirOriginalDestination) {
  World world(9);
  Node& app = world.node("app");
  Node& proxy = world.node("proxy");
  app.redirect_connects({proxy.ip(), 15001});
  SocketAddress wanted;
  auto listener = *proxy.network().listen({proxy.ip(), 15001},
                                          [&](StreamPtr stream) { wanted = stream->local(); });
  const SocketAddress service = *SocketAddress::parse("240.240.0.9:80");
  EXPECT_TRUE(world.run(app.network().connect(service, ms(100))).has_value());
  world.run_for(ms(10));
  EXPECT_EQ(wanted, service);
}

TEST(SimNetwork, ASidecarDialsItsAppFromTheCallersAddress) {
  World world(9);
  Node& proxy = world.node("proxy");
  Node& app = world.node("app");
  SocketAddress peer;
  auto listener =
      *app.network().listen({app.ip(), 8080}, [&](StreamPtr stream) { peer = stream->peer(); });
  const IpAddress caller = *IpAddress::parse("240.241.0.7");
  EXPECT_TRUE(
      world.run(proxy.network().connect_from(caller, {app.ip(), 8080}, ms(100))).has_value());
  world.run_for(ms(10));
  EXPECT_EQ(peer.ip, caller);
}

TEST(SimNetwork, LoopbackAndUnixPathsBelongToOneNode) {
  World world(10);
  Node& a = world.node("a");
  Node& b = world.node("b");
  std::vector<StreamPtr> streams;
  const auto keep = [&](StreamPtr stream) { streams.push_back(std::move(stream)); };
  auto tcp = *a.network().listen(*SocketAddress::parse("127.0.0.1:9000"), keep);
  auto unix_listener = *a.network().listen_unix("/run/weft.sock", keep);
  EXPECT_FALSE(a.network().listen_unix("/run/weft.sock", keep).has_value());
  const SocketAddress local = *SocketAddress::parse("127.0.0.1:9000");
  EXPECT_TRUE(world.run(a.network().connect(local, ms(100))).has_value());
  EXPECT_FALSE(world.run(b.network().connect(local, ms(100))).has_value());
  EXPECT_TRUE(world.run(a.network().connect_unix("/run/weft.sock", ms(100))).has_value());
  EXPECT_EQ(world.run(b.network().connect_unix("/run/weft.sock", ms(100))).error().kind(),
            ErrorKind::kNotFound);
}

TEST(SimNetwork, CancellingAConnectLetsGoOfItCleanly) {
  World world(11);
  Node& a = world.node("a");
  Node& b = world.node("b");
  std::unique_ptr<Reader> server;
  auto listener = *b.network().listen({b.ip(), 80}, [&](StreamPtr stream) {
    server = std::make_unique<Reader>(std::move(stream));
  });
  auto dial = [](Node& a, SocketAddress to) -> io::Task<void> {
    auto stream = co_await a.network().connect(to, ms(100));
  };
  for (const int64_t us : {0, 100, 350, 500}) {
    io::TaskScope scope;
    scope.spawn(dial(a, {b.ip(), 80}));
    world.run_for(Duration::micros(us));
    scope.cancel_all();
    world.run_for(ms(10));
    if (server) {
      EXPECT_TRUE(server->eof);
    }
    server.reset();
  }
}

TEST(SimNetwork, ClosingGracefullyDeliversEverythingFirst) {
  World world(12);
  Pair pair(world, world.node("a"), world.node("b"));
  const std::string text = pattern(900'000);
  pair.server->paused = true;
  pair.client->stream->set_handler(nullptr);
  pair.client->stream->write(text);
  io::close_gracefully(world.node("a").loop(), std::move(pair.client->stream));
  world.run_for(Duration::seconds(1));
  pair.server->paused = false;
  pair.server->on_readable();
  world.run_for(Duration::seconds(20));
  EXPECT_EQ(pair.server->text, text);
  EXPECT_TRUE(pair.server->eof);
  EXPECT_EQ(pair.server->error, std::nullopt);
}

TEST(SimNetwork, AnObserverSeesEveryByteOnTheWire) {
  World world(13);
  std::string seen;
  world.observe([&](const Segment& segment) {
    if (segment.to_host == "b") seen += segment.bytes;
  });
  Pair pair(world, world.node("a"), world.node("b"));
  pair.client->stream->write("GET / HTTP/1.1\r\n");
  pair.client->stream->write("secret");
  world.run_for(ms(10));
  EXPECT_EQ(seen, "GET / HTTP/1.1\r\nsecret");
}

// A small mesh of echoes with faults, all drawn from the seed.
std::vector<std::string> busy_day(uint64_t seed, uint64_t* hash) {
  World world(seed);
  world.trace().keep_lines();
  std::vector<std::unique_ptr<Reader>> readers;
  std::vector<std::unique_ptr<io::Listener>> listeners;
  for (const char* name : {"x", "y", "z"}) {
    Node& node = world.node(name);
    listeners.push_back(*node.network().listen({node.ip(), 7}, [&](StreamPtr stream) {
      readers.push_back(std::make_unique<Reader>(std::move(stream)));
      readers.back()->echo = true;
    }));
  }
  Node& client = world.node("client");
  io::TaskScope scope;
  auto talk = [](Node& client, SocketAddress to, uint64_t bytes, auto& readers) -> io::Task<void> {
    auto stream = co_await client.network().connect(to, ms(50));
    if (!stream) co_return;
    (*stream)->write(std::string(bytes, 'e'));
    readers.push_back(std::make_unique<Reader>(std::move(*stream)));
  };
  for (int i = 0; i < 30; ++i) {
    Node& target = world.node(std::string(1, static_cast<char>('x' + world.random().below(3))));
    scope.spawn(talk(client, {target.ip(), 7}, world.random().below(20'000), readers));
    if (i == 10) world.partition(client, world.node("x"));
    if (i == 20) world.heal(client, world.node("x"));
    if (i == 15) world.reset_connections(client, world.node("y"));
    world.run_for(Duration::micros(static_cast<int64_t>(world.random().below(3000))));
  }
  world.run_for(Duration::seconds(1));
  *hash = world.trace().hash();
  return world.trace().lines();
}

TEST(World, TheSameSeedGivesTheSameTraceAndAnotherSeedAnother) {
  uint64_t first_hash = 0;
  uint64_t second_hash = 0;
  uint64_t other_hash = 0;
  const auto first = busy_day(77, &first_hash);
  const auto second = busy_day(77, &second_hash);
  busy_day(78, &other_hash);
  EXPECT_GT(first.size(), 100u);
  EXPECT_EQ(first, second);
  EXPECT_EQ(first_hash, second_hash);
  EXPECT_NE(first_hash, other_hash);
}

TEST(World, TimeJumpsToTheNextTimerAndRunUntilStopsAtItsLimit) {
  World world(1);
  Node& node = world.node("a");
  const Instant start = world.now();
  io::Timer timer(node.loop(), [] {});
  timer.arm(Duration::hours(30));
  EXPECT_TRUE(world.run_until([&] { return !timer.armed(); }, Duration::hours(48)));
  EXPECT_EQ(world.now() - start, Duration::hours(30));
  EXPECT_FALSE(world.run_until([] { return false; }, Duration::hours(1)));
  EXPECT_EQ(world.now() - start, Duration::hours(31));
}

TEST(World, ThreadsOfANodeMeetThroughPostRemote) {
  World world(1);
  Node& node = world.node("a");
  std::string order;
  SimThread& worker = node.thread("worker");
  node.loop().post([&] {
    order += "main ";
    worker.loop.post_remote([&] { order += "worker"; });
  });
  world.run_for(ms(1));
  EXPECT_EQ(order, "main worker");
}

}  // namespace
}  // namespace weft::sim
