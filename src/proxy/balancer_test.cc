#include "proxy/balancer.h"

#include <gtest/gtest.h>

#include <map>

namespace weft::proxy {
namespace {

constexpr Instant kNow{1'000'000'000};

EndpointGroup group_of(int size) {
  EndpointGroup group;
  for (int i = 0; i < size; ++i) {
    model::Endpoint endpoint;
    endpoint.workload = std::string(1, static_cast<char>('a' + i));
    endpoint.target_ports = {{80, 8080}};
    group.endpoints.push_back({endpoint, std::make_shared<steer::EndpointHealth>()});
  }
  return group;
}

struct BalancerTest : testing::Test {
  SeededRandom random{7};
  std::string pick(const EndpointGroup& group, const Tried& tried = {}, bool again = true) {
    const LiveEndpoint* chosen = pick_endpoint(group, 80, kNow, random, tried, again);
    return chosen ? chosen->endpoint.workload : "";
  }
};

TEST_F(BalancerTest, GivesNobodyWhenNobodyIsThere) {
  EXPECT_EQ(pick(group_of(0)), "");
  EndpointGroup other_port = group_of(2);
  EXPECT_EQ(pick_endpoint(other_port, 81, kNow, random, {}, true), nullptr);
}

TEST_F(BalancerTest, UsesEveryEndpointOfAnIdleGroup) {
  EndpointGroup group = group_of(4);
  std::map<std::string, int> count;
  for (int i = 0; i < 400; ++i) ++count[pick(group)];
  EXPECT_EQ(count.size(), 4u);
  for (const auto& [name, n] : count) EXPECT_GT(n, 50) << name;
}

TEST_F(BalancerTest, PrefersTheLessBusyOfTwo) {
  EndpointGroup group = group_of(2);
  for (int i = 0; i < 5; ++i) group.endpoints[0].health->begin();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(pick(group), "b");
}

TEST_F(BalancerTest, NeverPicksOneThatIsNotReady) {
  EndpointGroup group = group_of(3);
  group.endpoints[0].endpoint.ready = group.endpoints[2].endpoint.ready = false;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(pick(group), "b");
  group.endpoints[1].endpoint.ready = false;
  EXPECT_EQ(pick(group), "");
}

TEST_F(BalancerTest, LeavesOutWhatFailed) {
  EndpointGroup group = group_of(3);
  group.endpoints[1].health->failed(kNow);
  for (int i = 0; i < 50; ++i) EXPECT_NE(pick(group), "b");
}

TEST_F(BalancerTest, PicksAmongTheFailedWhenNoOtherIsLeft) {
  EndpointGroup group = group_of(2);
  for (auto& endpoint : group.endpoints) endpoint.health->failed(kNow);
  EXPECT_NE(pick(group), "");
}

TEST_F(BalancerTest, AvoidsWhatTheRequestHasTried) {
  EndpointGroup group = group_of(3);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(pick(group, {"a", "c"}), "b");
}

TEST_F(BalancerTest, TriesAgainWhatItTriedOnlyIfAllowed) {
  EndpointGroup group = group_of(1);
  EXPECT_EQ(pick(group, {"a"}, true), "a");
  EXPECT_EQ(pick(group, {"a"}, false), "");
}

TEST_F(BalancerTest, PrefersAnUntriedFailedEndpointToATriedOne) {
  EndpointGroup group = group_of(2);
  group.endpoints[1].health->failed(kNow);
  EXPECT_EQ(pick(group, {"a"}), "b");
}

}  // namespace
}  // namespace weft::proxy
