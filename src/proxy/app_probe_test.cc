// Questions as they reach an app, and its answers as the checks of a policy take them: by gRPC's health
// protocol, by a connection alone, and over time with thresholds and jitter.
#include "proxy/app_probe.h"

#include <gtest/gtest.h>

#include <list>

#include "http/grpc.h"
#include "http/respond.h"
#include "http/server.h"
#include "proxy/readiness.h"
#include "sim/world.h"

namespace weft::proxy {
namespace {

constexpr uint16_t kPort = 8080;

// The app's namespace: connects go to its node, whatever loopback address they name.
class SimSide final : public AppSide {
 public:
  explicit SimSide(sim::Node& app) : app_(app) {}
  io::Task<Result<io::StreamPtr>> connect(SocketAddress to, std::optional<IpAddress>,
                                          Duration timeout) override {
    times.push_back(app_.loop().now());
    co_return co_await app_.network().connect({app_.ip(), to.port}, timeout);
  }
  std::vector<IpAddress> listening(uint16_t) override { return {app_.ip()}; }

  std::vector<Instant> times;

 private:
  sim::Node& app_;
};

class AppProbeTest : public testing::Test {
 protected:
  // Serves gRPC: `message` and `status` to each call.
  void serve(std::string message, std::string status = "0", Duration delay = {}) {
    message_ = std::move(message);
    status_ = std::move(status);
    delay_ = delay;
    if (listener_) return;
    auto listener = node_.network().listen({node_.ip(), kPort}, [this](io::StreamPtr stream) {
      served_.push_back(http::serve(
          node_.loop(), std::move(stream), http::ServerProtocol::kDetect, {}, {},
          [this](http::ServerStreamPtr call) { return answer(std::move(call)); }, [] {}));
    });
    ASSERT_TRUE(listener);
    listener_ = std::move(*listener);
  }
  void close() { listener_.reset(); }
  Result<void> ask_now(AppProbe probe) {
    return world_.run(ask(worker_, dialer_, std::move(probe)));
  }
  static AppProbe grpc(std::string service = "") {
    return {.kind = AppProbe::kGrpc, .app_port = kPort, .path = std::move(service)};
  }
  void check(model::HealthCheck how) {
    readiness_ = std::make_unique<Readiness>(
        worker_, dialer_, std::vector<PortProbe>{{.app_port = kPort, .path = {}}});
    readiness_->start([this](std::vector<PortState> states) { states_ = std::move(states); });
    readiness_->use_checks(
        {{.app_port = kPort, .service = "cart.default", .check = {how, "BackendPolicy d/p"}}});
  }
  bool ready() const { return states_.size() == 1 && states_[0].ready; }
  // How long until the port is as wanted.
  Duration until(bool wanted) {
    const Instant start = world_.now();
    EXPECT_TRUE(world_.run_until([&] { return ready() == wanted; }, Duration::minutes(2)));
    return world_.now() - start;
  }

  sim::World world_{4};
  sim::Node& node_ = world_.node("app");
  MemorySink sink_;
  SimSide app_{node_};
  Worker worker_{
      node_.loop(), node_.network(), app_, node_.random(), {}, Log(sink_, node_.loop(), "test"),
      nullptr};
  AppDialer dialer_{worker_};
  std::unique_ptr<Readiness> readiness_;
  std::vector<PortState> states_;
  std::string target_, asked_;  // of the last call

 private:
  io::Task<void> answer(http::ServerStreamPtr call) {
    target_ = call->request().target;
    auto body = co_await http::read_all(*call, 64 * 1024);
    if (!body) co_return;
    asked_ = *body;
    if (delay_.ns > 0) co_await io::sleep_for(node_.loop(), delay_);
    wire::ResponseHead head;
    head.status = 200;
    head.fields.add("content-type", "application/grpc");
    head.length.kind = wire::BodyLength::kStreamed;
    call->send_response(head, false);
    if (status_ == "0" && !co_await call->send_body(Buffer(http::grpc_frame(message_)))) co_return;
    wire::Fields trailers;
    trailers.add("grpc-status", status_);
    call->finish(std::move(trailers));
  }

  std::string message_, status_;
  Duration delay_{};
  std::unique_ptr<io::Listener> listener_;
  std::list<std::unique_ptr<http::ServerConnection>> served_;
};

const std::string kServing("\x08\x01", 2), kNotServing("\x08\x02", 2), kUnknown("\x08\x00", 2);

TEST_F(AppProbeTest, GrpcPassesWhenItServesAndOnlyThen) {
  serve(kServing);
  EXPECT_TRUE(ask_now(grpc()));
  EXPECT_EQ(target_, "/grpc.health.v1.Health/Check");
  EXPECT_EQ(asked_, http::grpc_frame("")) << "the whole server";
  for (const std::string& other : {kNotServing, kUnknown, std::string()}) {
    serve(other);
    const auto asked = ask_now(grpc());
    ASSERT_FALSE(asked);
    EXPECT_EQ(asked.error().message(), "the health check says that it does not serve");
  }
  serve("", "5");  // the service is not known there
  EXPECT_FALSE(ask_now(grpc()));
  serve("", "12");  // nor the protocol
  EXPECT_FALSE(ask_now(grpc()));
}

TEST_F(AppProbeTest, GrpcNamesTheServiceHoweverLongItsNameIs) {
  serve(kServing);
  EXPECT_TRUE(ask_now(grpc("shop.Cart")));
  EXPECT_EQ(asked_, http::grpc_frame("\x0a\x09shop.Cart"));
  const std::string name(256, 's');
  EXPECT_TRUE(ask_now(grpc(name)));
  EXPECT_EQ(asked_, http::grpc_frame("\x0a\x80\x02" + name));
}

TEST_F(AppProbeTest, AnAnswerAfterItsTimeIsNone) {
  serve(kServing, "0", Duration::millis(300));
  AppProbe probe = grpc();
  probe.timeout = Duration::millis(299);
  const auto late = ask_now(probe);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().message(), "the probe got no answer in time");
  probe.timeout = Duration::millis(400);
  EXPECT_TRUE(ask_now(probe));
}

TEST_F(AppProbeTest, TcpAsksForAConnectionAlone) {
  const AppProbe probe{.app_port = kPort};
  const auto refused = ask_now(probe);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "nothing accepts on port 8080");
  serve(kNotServing);
  EXPECT_TRUE(ask_now(probe));
  EXPECT_EQ(target_, "") << "nothing was said on it";
}

TEST_F(AppProbeTest, AGrpcCheckTakesTheInstanceOutAtTheThresholdAndBackAtTheOther) {
  serve(kServing);
  check({.kind = model::HealthCheck::kGrpc,
         .interval = Duration::seconds(10),
         .jitter_percent = 0,
         .unhealthy_threshold = 3,
         .healthy_threshold = 2});
  world_.run_for(Duration::seconds(21));
  EXPECT_TRUE(ready());
  serve(kNotServing);
  const Duration out = until(false);  // the checks at 30, 40 and 50 s
  EXPECT_GE(out, Duration::seconds(28));
  EXPECT_LE(out, Duration::seconds(30));
  EXPECT_EQ(states_[0].why,
            "the health check says that it does not serve (health check of BackendPolicy d/p)");
  serve(kServing);
  const Duration back = until(true);  // 60 and 70 s
  EXPECT_GE(back, Duration::seconds(19));
  EXPECT_LE(back, Duration::seconds(21));
}

TEST_F(AppProbeTest, ATcpCheckTakesTheInstanceOutAndBack) {
  serve(kServing);
  check({.kind = model::HealthCheck::kTcp,
         .interval = Duration::seconds(2),
         .jitter_percent = 0,
         .unhealthy_threshold = 2});
  world_.run_for(Duration::seconds(5));
  EXPECT_TRUE(ready());
  close();
  const Duration out = until(false);
  EXPECT_GE(out, Duration::seconds(2)) << "two in a row";
  EXPECT_LE(out, Duration::seconds(4));
  serve(kServing);
  EXPECT_LE(until(true), Duration::seconds(3));
}

TEST_F(AppProbeTest, ChecksAreApartByTheIntervalAndUpToItsJitter) {
  serve(kServing);
  check(
      {.kind = model::HealthCheck::kTcp, .interval = Duration::seconds(10), .jitter_percent = 30});
  world_.run_for(Duration::minutes(30));
  ASSERT_GT(app_.times.size(), 120u);
  Duration shortest = Duration::hours(1), longest{};
  for (size_t i = 1; i < app_.times.size(); ++i) {
    const Duration apart = app_.times[i] - app_.times[i - 1];
    shortest = std::min(shortest, apart);
    longest = std::max(longest, apart);
  }
  EXPECT_GE(shortest, Duration::seconds(10));
  EXPECT_LE(longest, Duration::millis(13'010));
  EXPECT_LT(shortest, Duration::millis(10'500)) << "all of the range is used";
  EXPECT_GT(longest, Duration::millis(12'500));
}

}  // namespace
}  // namespace weft::proxy
