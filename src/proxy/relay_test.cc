#include "proxy/relay.h"

#include <gtest/gtest.h>

#include "io/event.h"
#include "proxy/replay_stream.h"
#include "sim/world.h"

namespace weft::proxy {
namespace {

// client — (first) relay (second) — server, each leg a simulated connection.
struct RelayTest : testing::Test {
  sim::World world{11};
  sim::Node& client_node = world.node("client");
  sim::Node& relay_node = world.node("relay");
  sim::Node& server_node = world.node("server");
  io::StreamPtr client, first, second, server;
  io::TaskScope tasks;
  std::optional<RelayResult> result;

  RelayTest() {
    connect(client_node, relay_node, client, first);
    connect(relay_node, server_node, second, server);
    auto run = [](RelayTest* test) -> io::Task<void> {
      test->result =
          co_await relay(test->relay_node.loop(), std::move(test->first), std::move(test->second));
    };
    tasks.spawn(run(this));
  }
  ~RelayTest() override { tasks.cancel_all(); }

  void connect(sim::Node& from, sim::Node& to, io::StreamPtr& dialled, io::StreamPtr& accepted) {
    auto listener = to.network().listen(
        {to.ip(), 80}, [&](io::StreamPtr stream) { accepted = std::move(stream); });
    auto stream = world.run(from.network().connect({to.ip(), 80}, Duration::seconds(1)));
    dialled = std::move(*stream);
    world.run_until([&] { return accepted != nullptr; }, Duration::seconds(1));
  }
  std::string read(io::Stream& stream, io::ReadOutcome::Kind* last = nullptr) {
    world.run_for(Duration::millis(100));
    Buffer bytes;
    io::ReadOutcome outcome{};
    while ((outcome = stream.read(bytes)).kind == io::ReadOutcome::kData)
      world.run_for(Duration::millis(5));
    if (last) *last = outcome.kind;
    return bytes.to_string();
  }
};

TEST_F(RelayTest, CarriesBytesBothWays) {
  client->write("ping");
  EXPECT_EQ(read(*server), "ping");
  server->write("pong");
  EXPECT_EQ(read(*client), "pong");
}

TEST_F(RelayTest, LivesWhileSomethingMovesAndEndsADayAfterTheLastByte) {
  for (int hours = 0; hours < 100; hours += 20) {
    world.run_for(Duration::hours(20));
    client->write("x");
    ASSERT_EQ(read(*server), "x") << hours;
  }
  world.run_for(Duration::hours(23));
  EXPECT_FALSE(result);
  world.run_for(Duration::hours(2));
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->reset);
}

TEST_F(RelayTest, AHalfClosedOneIsIdleForAnHourAtMost) {
  client->shutdown_write();
  world.run_for(Duration::minutes(30));
  server->write("late");
  EXPECT_EQ(read(*client), "late");
  world.run_for(Duration::minutes(50));
  EXPECT_FALSE(result);
  world.run_for(Duration::minutes(45));
  EXPECT_TRUE(result);
}

TEST_F(RelayTest, PassesOnTheEndOfOneDirectionAlone) {
  client->write("request");
  client->shutdown_write();
  io::ReadOutcome::Kind last;
  EXPECT_EQ(read(*server, &last), "request");
  EXPECT_EQ(last, io::ReadOutcome::kEof);
  server->write("answer");
  EXPECT_EQ(read(*client), "answer");
  EXPECT_FALSE(result);
  server->shutdown_write();
  read(*client, &last);
  EXPECT_EQ(last, io::ReadOutcome::kEof);
  world.run_for(Duration::seconds(1));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->from_first, 7u);
  EXPECT_EQ(result->from_second, 6u);
  EXPECT_FALSE(result->reset);
}

TEST_F(RelayTest, AResetStaysAResetButFollowsWhatWasSaid) {
  server->write("last words");
  world.run_for(Duration::millis(2));
  server->reset();
  io::ReadOutcome::Kind last;
  EXPECT_EQ(read(*client, &last), "last words");
  EXPECT_EQ(last, io::ReadOutcome::kError);
  world.run_for(Duration::seconds(1));
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->reset);
}

TEST_F(RelayTest, CuttingItIsNoEndOfWhatWasSent) {
  client->write("one");
  EXPECT_EQ(read(*server), "one");
  tasks.cancel_all();
  io::ReadOutcome::Kind last{};
  read(*server, &last);
  EXPECT_EQ(last, io::ReadOutcome::kError);
  read(*client, &last);
  EXPECT_EQ(last, io::ReadOutcome::kError);
}

TEST_F(RelayTest, WhatOneSideCannotTakeIsNotReadFromTheOther) {
  std::string piece(64 * 1024, 'x');
  size_t sent = 0;
  for (int i = 0; i < 400; ++i) {
    client->write(piece);
    sent += piece.size();
    world.run_for(Duration::millis(2));
  }
  // 25 MB were written and the server has read none: most of it still waits at the client.
  EXPECT_GT(client->write_queued(), sent / 2);
}

TEST(ReplayStream, GivesBackWhatWasLookedAt) {
  sim::World world{12};
  sim::Node& a = world.node("a");
  sim::Node& b = world.node("b");
  io::StreamPtr accepted;
  auto listener =
      b.network().listen({b.ip(), 80}, [&](io::StreamPtr stream) { accepted = std::move(stream); });
  auto dialled = world.run(a.network().connect({b.ip(), 80}, Duration::seconds(1)));
  (*dialled)->write("GET /");
  world.run_until([&] { return accepted != nullptr; }, Duration::seconds(1));
  io::Event arrived(b.loop());
  Buffer first;
  {
    Look look(*accepted, arrived);
    world.run_for(Duration::millis(50));
    EXPECT_EQ(look.bytes().view(), "GET /");
    first = look.take();
  }
  (*dialled)->write(" HTTP/1.1");
  io::StreamPtr whole = replay(b.loop(), std::move(first), std::move(accepted));
  world.run_for(Duration::millis(50));
  Buffer bytes;
  while (whole->read(bytes).kind == io::ReadOutcome::kData) {
  }
  EXPECT_EQ(bytes.view(), "GET / HTTP/1.1");
}

}  // namespace
}  // namespace weft::proxy
