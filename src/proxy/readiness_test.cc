#include "proxy/readiness.h"

#include <gtest/gtest.h>

#include "proxy/worker.h"
#include "sim/world.h"

namespace weft::proxy {
namespace {

// An app whose listeners the kernel lists, or does not; every connect to it is counted.
class CountingApp final : public AppSide {
 public:
  io::Task<Result<io::StreamPtr>> connect(SocketAddress, std::optional<IpAddress>,
                                          Duration) override {
    ++connects;
    co_return fail(ErrorKind::kRefused, "nobody listens");
  }
  std::vector<IpAddress> listening(uint16_t port) override {
    return port == open ? std::vector{IpAddress::v4(0x7f000001)} : std::vector<IpAddress>{};
  }

  uint16_t open = 0;
  int connects = 0;
};

class ReadinessTest : public testing::Test {
 protected:
  void watch(PortProbe probe) {
    readiness_ = std::make_unique<Readiness>(worker_, dialer_, std::vector{std::move(probe)});
    readiness_->start([this](std::vector<PortState> states) { states_ = std::move(states); });
  }
  bool ready() const { return states_.size() == 1 && states_[0].ready; }

  sim::World world_{4};
  sim::Node& node_ = world_.node("proxy");
  MemorySink sink_;
  CountingApp app_;
  Worker worker_{
      node_.loop(), node_.network(), app_, node_.random(), {}, Log(sink_, node_.loop(), "test"),
      nullptr};
  AppDialer dialer_{worker_};
  std::unique_ptr<Readiness> readiness_;
  std::vector<PortState> states_;
};

TEST_F(ReadinessTest, NeverConnectsToAnAppWhoseListenerTheKernelShows) {
  app_.open = 8080;
  watch({.app_port = 8080, .path = {}});
  world_.run_for(Duration::minutes(5));
  EXPECT_TRUE(ready());
  EXPECT_EQ(app_.connects, 0);
}

TEST_F(ReadinessTest, NoticesWithinSecondsThatTheListenerIsGoneAndAtOnceThatItIsBack) {
  app_.open = 8080;
  watch({.app_port = 8080, .path = {}});
  world_.run_for(Duration::seconds(1));
  ASSERT_TRUE(ready());
  app_.open = 0;
  world_.run_for(Readiness::kWhileOpen + Duration::millis(1));
  EXPECT_FALSE(ready());
  EXPECT_EQ(states_[0].why, "nothing accepts on port 8080");
  app_.open = 8080;
  world_.run_for(Readiness::kWhileClosed + Duration::millis(1));
  EXPECT_TRUE(ready());
}

TEST_F(ReadinessTest, ADeclaredProbeIsMadeThoughTheListenerIsThere) {
  app_.open = 8080;
  watch({.kind = PortProbe::kHttp, .app_port = 8080, .path = "/healthz"});
  world_.run_for(Duration::seconds(1));
  EXPECT_FALSE(ready());
  EXPECT_GT(app_.connects, 0);
}

}  // namespace
}  // namespace weft::proxy
