// How an opaque connection ends, through a pair of sidecars: whichever side does it, the other learns the same.
#include <gtest/gtest.h>

#include "scenarios/mesh.h"

namespace weft::scenarios {
namespace {

// Reads and keeps; resets when told.
class End final : public io::StreamHandler {
 public:
  explicit End(io::StreamPtr stream) : stream_(std::move(stream)) { stream_->set_handler(this); }
  ~End() override { stream_->set_handler(nullptr); }
  io::Stream& stream() { return *stream_; }

  std::string in;
  bool ended = false, reset = false;

 private:
  void on_readable() override {
    while (!ended && !reset) {
      Buffer bytes;
      const io::ReadOutcome outcome = stream_->read(bytes);
      if (outcome.kind == io::ReadOutcome::kWouldBlock) return;
      in += bytes.to_string();
      ended = outcome.kind == io::ReadOutcome::kEof;
      reset = outcome.kind == io::ReadOutcome::kError;
    }
  }
  void on_writable() override {}

  io::StreamPtr stream_;
};

// The parameter: does the app that connected act first, or the one that was connected to?
class TcpEnds : public testing::TestWithParam<bool> {
 protected:
  TcpEnds() : mesh(5) {
    mesh.add({.name = "client", .services = {}, .behaviour = {}});
    mesh.add({.name = "db",
              .services = {{"db", 5432, 5432, model::Protocol::kTcp, true}},
              .behaviour = {}});
    mesh.close_app("db");
    sim::Node& app = *mesh.instance("db").app;
    // Its sidecar looks every now and then whether it listens: those connections are let go.
    auto listening = app.network().listen({app.ip(), 5432}, [this](io::StreamPtr stream) {
      if (!client || server) return;
      server = std::make_unique<End>(std::move(stream));
    });
    WEFT_ASSERT(listening);
    listener = std::move(*listening);
    run_for(Duration::seconds(2));
    const SocketAddress to{*IpAddress::parse(mesh.world().run(mesh.resolve("client", "db"))), 5432};
    auto stream =
        mesh.world().run(mesh.instance("client").app->network().connect(to, Duration::seconds(5)));
    WEFT_ASSERT(stream);
    client = std::make_unique<End>(std::move(*stream));
    client->stream().write("hello");
    WEFT_ASSERT(mesh.world().run_until([&] { return server && server->in == "hello"; },
                                       Duration::seconds(5)));
    server->stream().write("hello");
    run_for(Duration::millis(100));
  }
  End& first() { return GetParam() ? *client : *server; }
  End& other() { return GetParam() ? *server : *client; }
  void run_for(Duration time) { mesh.world().run_for(time); }

  Mesh mesh;
  std::unique_ptr<End> client, server;
  std::unique_ptr<io::Listener> listener;
};

TEST_P(TcpEnds, OneSideMayCloseItsHalfAndTheOtherGoOn) {
  first().stream().write("last");
  first().stream().shutdown_write();
  run_for(Duration::millis(200));
  EXPECT_EQ(other().in, "hellolast");
  EXPECT_TRUE(other().ended);
  run_for(Duration::minutes(40));
  other().stream().write("much later");
  run_for(Duration::millis(200));
  EXPECT_EQ(first().in, "hellomuch later");
  EXPECT_FALSE(first().ended);
  other().stream().shutdown_write();
  run_for(Duration::millis(200));
  EXPECT_TRUE(first().ended);
  EXPECT_FALSE(first().reset || other().reset);
}

TEST_P(TcpEnds, AResetArrivesAsOneBehindWhatWasSaid) {
  first().stream().write("last");
  run_for(Duration::millis(50));
  first().stream().reset();
  run_for(Duration::seconds(1));
  EXPECT_EQ(other().in, "hellolast");
  EXPECT_TRUE(other().reset);
  EXPECT_FALSE(other().ended);
}

TEST_P(TcpEnds, AResetArrivesAtOneThatHasClosedItsHalf) {
  other().stream().shutdown_write();
  run_for(Duration::millis(200));
  EXPECT_TRUE(first().ended);
  first().stream().reset();
  run_for(Duration::seconds(1));
  EXPECT_TRUE(other().reset);
}

TEST_P(TcpEnds, HalfClosedAndSilentItIsLeftAnHour) {
  first().stream().shutdown_write();
  run_for(Duration::minutes(55));
  EXPECT_FALSE(first().reset || other().reset);
  run_for(Duration::minutes(35));
  EXPECT_TRUE(first().reset);
}

INSTANTIATE_TEST_SUITE_P(WhoeverActs, TcpEnds, testing::Bool(), [](const auto& info) {
  return info.param ? "TheOneThatConnected" : "TheOneConnectedTo";
});

}  // namespace
}  // namespace weft::scenarios
