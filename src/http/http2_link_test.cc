// HTTP/2 connections as a whole: bulk both ways at once, and peers that are there no more.
#include "http/http2_link.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>

#include "http/test_support.h"
#include "sim/world.h"

namespace weft::http {
namespace {

using testing::get;
using testing::post;

// Posts a body to an echo and reads it back, both at once.
struct Echoed {
  io::Task<void> run(ClientConnection& connection, const std::string& body) {
    auto opened = connection.open(post("/echo", {wire::BodyLength::kStreamed, 0}), false);
    if (!opened) co_return;
    stream = std::move(*opened);
    scope.spawn(send(body));
    if (!co_await stream->read_head()) co_return;
    while (true) {
      auto piece = co_await stream->read_body();
      if (!piece) co_return;
      got += piece->data.view();
      if (piece->end) break;
    }
    whole = got == body;
  }
  io::Task<void> send(const std::string& body) {
    for (size_t at = 0; at < body.size(); at += 64 * 1024) {
      if (!co_await stream->send_body(Buffer(std::string_view(body).substr(at, 64 * 1024))))
        co_return;
    }
    stream->finish();
  }
  ClientStreamPtr stream;
  std::string got;
  bool whole = false;
  io::TaskScope scope;
};

TEST(Http2Link, BulkBothWaysAtOnceNeverStandsStill) {
  io::EpollLoop loop;
  testing::Seen seen;
  auto [near, far] = testing::stream_pair(loop);
  ServerLimits server_limits;
  server_limits.stream_window = 1024 * 1024;
  server_limits.connection_window = 16 * 1024 * 1024;
  ClientLimits client_limits;
  client_limits.stream_window = server_limits.stream_window;
  client_limits.connection_window = server_limits.connection_window;
  auto client =
      connect_http(loop, std::move(near), ClientProtocol::kHttp2, {}, client_limits, [] {});
  auto server = serve(
      loop, std::move(far), ServerProtocol::kHttp2, {}, server_limits,
      [&seen](ServerStreamPtr stream) { return testing::answer(std::move(stream), seen); }, [] {});
  const std::string body = testing::big_body(size_t{2} * 1024 * 1024);
  std::list<Echoed> all(16);
  io::TaskScope scope;
  for (Echoed& one : all) scope.spawn(one.run(*client, body));
  auto whole = [&] {
    return std::all_of(all.begin(), all.end(), [](const Echoed& one) { return one.whole; });
  };
  EXPECT_TRUE(loop.run_for_test(whole, Duration::seconds(30)));
  scope.cancel_all();
  for (Echoed& one : all) one.scope.cancel_all();
  all.clear();
}

// The raw far end of a connection on the simulated network: counts PINGs, and answers them or not.
class PingPeer final : public io::StreamHandler {
 public:
  explicit PingPeer(io::StreamPtr stream, bool answers)
      : answers_(answers), stream_(std::move(stream)) {
    stream_->set_handler(this);
    stream_->write(std::string_view("\0\0\0\4\0\0\0\0\0", 9));  // SETTINGS
  }
  ~PingPeer() override { stream_->set_handler(nullptr); }
  void on_readable() override {
    while (true) {
      const io::ReadOutcome outcome = stream_->read(in_);
      if (outcome.kind == io::ReadOutcome::kData) continue;
      ended = ended || outcome.kind != io::ReadOutcome::kWouldBlock;
      break;
    }
    if (!preface_taken_ && in_.size() >= 24) {
      preface_taken_ = true;
      in_.consume(24);
    }
    while (preface_taken_ && in_.size() >= 9) {
      auto octet = [&](size_t at) { return size_t{static_cast<uint8_t>(in_.view()[at])}; };
      const size_t size = octet(0) << 16 | octet(1) << 8 | octet(2);
      if (in_.size() < 9 + size) break;
      if (octet(3) == 6 && octet(4) == 0) {
        ++pings;
        std::string ack(in_.view().substr(0, 17));
        ack[4] = 1;
        if (answers_) stream_->write(ack);
      }
      in_.consume(9 + size);
    }
  }
  void on_writable() override {}
  void speak() { stream_->write(std::string_view("\0\0\0\4\1\0\0\0\0", 9)); }

  int pings = 0;
  bool ended = false;

 private:
  bool answers_;
  bool preface_taken_ = false;
  Buffer in_;
  io::StreamPtr stream_;
};

class SilentPeer : public ::testing::Test {
 protected:
  void connect(bool answers) {
    sim::Node& far = world.node("far");
    auto listening = far.network().listen({far.ip(), 80}, [this, answers](io::StreamPtr stream) {
      peer = std::make_unique<PingPeer>(std::move(stream), answers);
    });
    ASSERT_TRUE(listening);
    listener = std::move(*listening);
    sim::Node& near = world.node("near");
    auto stream = world.run(near.network().connect({far.ip(), 80}, Duration::seconds(5)));
    ASSERT_TRUE(stream);
    ClientLimits limits;
    limits.ping_after = Duration::seconds(5);
    client = connect_http(near.loop(), std::move(*stream), ClientProtocol::kHttp2, {}, limits,
                          [this] { ++changes; });
    world.run_for(Duration::seconds(1));
  }
  void open() {
    auto opened = client->open(get("/"), true);
    ASSERT_TRUE(opened);
    stream = std::move(*opened);
    auto read = [](ClientStream& from, std::optional<Error>& error) -> io::Task<void> {
      auto head = co_await from.read_head();
      if (!head) error = std::move(head.error());
    };
    scope.spawn(read(*stream, error));
  }

  sim::World world{3};
  std::unique_ptr<io::Listener> listener;
  std::unique_ptr<PingPeer> peer;
  std::unique_ptr<ClientConnection> client;
  ClientStreamPtr stream;
  std::optional<Error> error;
  int changes = 0;
  io::TaskScope scope;
};

TEST_F(SilentPeer, IsAskedThenDoubtedThenLeft) {
  connect(false);
  open();
  world.run_for(Duration::millis(4900));
  EXPECT_EQ(peer->pings, 0);
  world.run_for(Duration::millis(600));
  EXPECT_EQ(peer->pings, 1);
  EXPECT_TRUE(client->can_open());
  world.run_for(Duration::seconds(1));
  EXPECT_FALSE(client->can_open());
  EXPECT_FALSE(client->finished());
  world.run_for(Duration::seconds(8));
  EXPECT_FALSE(error);
  world.run_for(Duration::seconds(1));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kClosed);
  EXPECT_NE(error->message().find("no sign of life for 15 s"), std::string::npos)
      << error->message();
  EXPECT_TRUE(client->finished());
  EXPECT_TRUE(peer->ended);
  EXPECT_EQ(peer->pings, 1);
}

TEST_F(SilentPeer, IsTrustedAgainWhenItSpeaks) {
  connect(false);
  open();
  world.run_for(Duration::seconds(14));
  EXPECT_FALSE(client->can_open());
  const int before = changes;
  peer->speak();
  world.run_for(Duration::seconds(1));
  EXPECT_TRUE(client->can_open());
  EXPECT_GT(changes, before);
  world.run_for(Duration::seconds(5));
  EXPECT_FALSE(error);
  EXPECT_EQ(peer->pings, 2);
}

TEST_F(SilentPeer, ThatAnswersIsAskedForHoursAndNeverMoreThanEachFiveSeconds) {
  connect(true);
  open();
  world.run_for(Duration::hours(1));
  EXPECT_FALSE(error);
  EXPECT_TRUE(client->can_open());
  EXPECT_LE(peer->pings, 720);
  EXPECT_GE(peer->pings, 600);
}

TEST_F(SilentPeer, IsNotAskedWhenNothingIsOpen) {
  connect(false);
  world.run_for(Duration::minutes(10));
  EXPECT_EQ(peer->pings, 0);
  open();
  world.run_for(Duration::seconds(1));
  EXPECT_EQ(peer->pings, 0);
  scope.cancel_all();
  stream.reset();
  world.run_for(Duration::minutes(10));
  EXPECT_EQ(peer->pings, 0);
  EXPECT_FALSE(client->finished());
}

}  // namespace
}  // namespace weft::http
