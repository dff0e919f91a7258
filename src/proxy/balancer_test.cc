// Which pool a request's pick comes from, and what holds whatever the pool says. The algorithms themselves:
// steer/pick_test.cc.
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

model::BackendPolicyPtr balancing(model::LoadBalancing value) {
  model::BackendPolicy policy;
  policy.load_balancing = {std::move(value), "BackendPolicy default/cart"};
  return std::make_shared<const model::BackendPolicy>(std::move(policy));
}

struct BalancerTest : testing::Test {
  SeededRandom random{7};
  std::string pick(const EndpointGroup& group, const std::vector<size_t>& tried_at = {},
                   bool again = true, const model::BackendPolicy* rule = nullptr,
                   std::optional<uint64_t> key = {}) {
    Tried tried;
    for (size_t at : tried_at) tried.add(group.endpoints[at].health.get());
    const LiveEndpoint* chosen = pick_endpoint(
        group, 80, rule, {.now = kNow, .random = random, .tried = tried, .key = key}, again);
    return chosen ? chosen->endpoint.workload : "";
  }
};

TEST_F(BalancerTest, GivesNobodyWhenNobodyIsThere) {
  EXPECT_EQ(pick(group_of(0)), "");
  const Tried tried;
  const steer::PickQuery query{.now = kNow, .random = random, .tried = tried};
  for (int size : {1, 2}) {
    const EndpointGroup other_port = group_of(size);
    EXPECT_EQ(pick_endpoint(other_port, 81, nullptr, query, true), nullptr);
  }
}

TEST_F(BalancerTest, UsesEveryEndpointOfAnIdleGroup) {
  const EndpointGroup group = group_of(4);
  std::map<std::string, int> count;
  for (int i = 0; i < 400; ++i) ++count[pick(group)];
  EXPECT_EQ(count.size(), 4u);
  for (const auto& [name, n] : count) EXPECT_GT(n, 50) << name;
}

TEST_F(BalancerTest, NeverPicksOneThatIsNotReady) {
  EndpointGroup group = group_of(3);
  group.endpoints[0].endpoint.ready = group.endpoints[2].endpoint.ready = false;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(pick(group), "b");
  EndpointGroup none = group_of(1);
  none.endpoints[0].endpoint.ready = false;
  EXPECT_EQ(pick(none), "");
}

TEST_F(BalancerTest, PicksAmongTheFailedWhenNoOtherIsLeft) {
  for (int size : {1, 2}) {
    const EndpointGroup group = group_of(size);
    for (const auto& endpoint : group.endpoints) endpoint.health->failed(kNow);
    EXPECT_NE(pick(group), "");
  }
}

TEST_F(BalancerTest, TriesAgainWhatItTriedOnlyIfAllowed) {
  for (int size : {1, 2}) {
    const EndpointGroup group = group_of(size);
    std::vector<size_t> all;
    for (size_t i = 0; i < group.endpoints.size(); ++i) all.push_back(i);
    EXPECT_NE(pick(group, all, true), "");
    EXPECT_EQ(pick(group, all, false), "");
  }
}

TEST_F(BalancerTest, PrefersAnUntriedFailedEndpointToATriedOne) {
  const EndpointGroup group = group_of(2);
  group.endpoints[1].health->failed(kNow);
  EXPECT_EQ(pick(group, {0}), "b");
}

TEST_F(BalancerTest, TheRulesSectionBeatsTheServices) {
  EndpointGroup group = group_of(4);
  group.policy = balancing({.algorithm = model::LoadBalancing::kRandom});
  const auto rule = balancing({.algorithm = model::LoadBalancing::kMaglev});
  const auto same_rule = balancing({.algorithm = model::LoadBalancing::kMaglev});
  std::map<std::string, int> by_service;
  for (int i = 0; i < 100; ++i) ++by_service[pick(group, {}, true, nullptr, 99)];
  EXPECT_EQ(by_service.size(), 4u);
  const std::string own = pick(group, {}, true, rule.get(), 99);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(pick(group, {}, true, rule.get(), 99), own);
  // Equal sections in another object come from the same pool.
  EXPECT_EQ(&group.pools.of(group, 80, rule.get()), &group.pools.of(group, 80, same_rule.get()));
  EXPECT_NE(&group.pools.of(group, 80, rule.get()), &group.pools.of(group, 80, nullptr));
  // A rule that speaks of other things leaves the service's in force.
  model::BackendPolicy other;
  other.retries = {{}, "BackendPolicy default/cart"};
  EXPECT_EQ(&group.pools.of(group, 80, &other), &group.pools.of(group, 80, nullptr));
}

TEST_F(BalancerTest, OnlyHashingPoliciesAskForAKey) {
  EndpointGroup group = group_of(2);
  EXPECT_EQ(hash_keys(group, nullptr), nullptr);
  const model::RequestKey key{.kind = model::RequestKey::kHeader, .name = "x-user"};
  const auto ring = balancing({.algorithm = model::LoadBalancing::kRingHash, .hash_by = {key}});
  const auto random = balancing({.algorithm = model::LoadBalancing::kRandom, .hash_by = {key}});
  ASSERT_NE(hash_keys(group, ring.get()), nullptr);
  EXPECT_EQ(hash_keys(group, ring.get())->front().name, "x-user");
  EXPECT_EQ(hash_keys(group, random.get()), nullptr);
  group.policy = ring;
  EXPECT_NE(hash_keys(group, nullptr), nullptr);
}

TEST_F(BalancerTest, PrefersTheOwnZone) {
  EndpointGroup group = group_of(4);
  group.own = {.zone = "a", .region = ""};
  for (size_t i = 0; i < 4; ++i)
    group.endpoints[i].endpoint.labels[steer::kZoneLabel] = i == 2 ? "a" : "b";
  for (int i = 0; i < 50; ++i) EXPECT_EQ(pick(group), "c");
}

TEST(Joined, AreThoseThatComeOrReturnToAServiceThatIsKnown) {
  auto before = std::make_shared<EndpointGroup>(group_of(3));
  before->endpoints[2].endpoint.ready = false;
  auto after = std::make_shared<EndpointGroup>();
  after->endpoints = before->endpoints;
  after->endpoints[2].endpoint.ready = true;
  after->endpoints.push_back(group_of(1).endpoints[0]);
  Snapshot first, second;
  first.endpoints[{"cart", "default"}] = before;
  second.endpoints[{"cart", "default"}] = after;
  mark_joined(Snapshot(), first, kNow);
  for (const LiveEndpoint& live : before->endpoints) EXPECT_EQ(live.health->joined(), Instant{});
  mark_joined(first, second, kNow);
  EXPECT_EQ(after->endpoints[0].health->joined(), Instant{});
  EXPECT_EQ(after->endpoints[2].health->joined(), kNow);
  EXPECT_EQ(after->endpoints[3].health->joined(), kNow);
}

}  // namespace
}  // namespace weft::proxy
