#include "proxy/staging.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "xds/convert.h"

namespace weft::proxy {
namespace {

using xds::ResourceType;

const model::ServiceName kCart{"default", "cart"}, kV2{"default", "cart-v2"};

model::Service service(const model::ServiceName& name,
                       std::vector<model::ServiceName> backends = {}) {
  model::Service out;
  out.name = name;
  out.vip4 = IpAddress::v4(0xf0f00001);
  std::array<uint8_t, 16> v6{0xfd};
  v6[15] = 1;
  out.vip6 = IpAddress::v6(v6);
  model::ServicePort port{.port = 80, .protocol = model::Protocol::kHttp};
  if (!backends.empty()) {
    port.routed = true;
    model::RouteRule rule;
    rule.route = "default/cart";
    rule.rule = "0";
    for (const auto& backend : backends) rule.backends.push_back({.service = backend, .port = 80});
    port.rules.push_back(rule);
  }
  out.ports.push_back(port);
  return out;
}

struct StagingTest : testing::Test {
  Staging staging;
  uint64_t next_id = 1;

  xds::Update update(ResourceType type, uint64_t generation, bool last = true) {
    xds::Update out;
    out.id = next_id++;
    out.type = type;
    out.generation = generation;
    out.last_of_generation = last;
    return out;
  }
  xds::Update of(const model::Service& value, uint64_t generation, bool last = true) {
    xds::Update out = update(ResourceType::kService, generation, last);
    out.changed.push_back(
        {value.name.to_string(), "v" + std::to_string(out.id), xds::encode_service(value)});
    return out;
  }
  xds::Update endpoints(const model::ServiceName& name, uint64_t generation, bool last = true) {
    xds::Update out = update(ResourceType::kEndpoints, generation, last);
    model::EndpointSet set{.service = name};
    out.changed.push_back(
        {name.to_string(), "v" + std::to_string(out.id), xds::encode_endpoints(set)});
    return out;
  }
};

TEST_F(StagingTest, AServiceWithoutBackendsIsUsedAtOnceAndAcknowledged) {
  auto outcome = staging.receive(of(service(kCart), 1));
  EXPECT_TRUE(outcome.swapped);
  ASSERT_EQ(outcome.done.size(), 1u);
  EXPECT_EQ(outcome.done[0].update, 1u);
  EXPECT_NE(staging.snapshot()->service(kCart), nullptr);
}

TEST_F(StagingTest, NothingOfAGenerationIsUsedBeforeItsLastUpdate) {
  EXPECT_FALSE(staging.receive(endpoints(kCart, 1, false)).swapped);
  EXPECT_EQ(staging.snapshot()->group(kCart), nullptr);
  auto outcome = staging.receive(of(service(kCart), 1));
  EXPECT_TRUE(outcome.swapped);
  EXPECT_EQ(outcome.done.size(), 2u);
  EXPECT_NE(staging.snapshot()->group(kCart), nullptr);
}

TEST_F(StagingTest, TheOldVersionServesUntilTheBackendsOfTheNewAreKnown) {
  staging.receive(of(service(kCart), 1));
  auto held = staging.receive(of(service(kCart, {kV2}), 2));
  EXPECT_FALSE(held.swapped);
  EXPECT_TRUE(held.done.empty());
  EXPECT_EQ(held.needs, std::vector<model::ServiceName>{kV2});
  EXPECT_FALSE(staging.snapshot()->service(kCart)->model().ports[0].routed);
  EXPECT_EQ(staging.waiting_for(),
            std::vector<std::string>{"cart.default waits for cart-v2.default"});

  staging.receive(endpoints(kV2, 3, false));
  auto outcome = staging.receive(of(service(kV2), 3));
  EXPECT_TRUE(outcome.swapped);
  EXPECT_EQ(outcome.done.size(), 3u);
  EXPECT_TRUE(staging.snapshot()->service(kCart)->model().ports[0].routed);
}

TEST_F(StagingTest, ABackendThatDoesNotExistKeepsNobodyWaiting) {
  staging.receive(of(service(kCart, {kV2}), 1));
  auto gone = update(ResourceType::kService, 2, false);
  gone.removed = {kV2.to_string()};
  staging.receive(std::move(gone));
  auto none = update(ResourceType::kEndpoints, 2);
  none.removed = {kV2.to_string()};
  EXPECT_TRUE(staging.receive(std::move(none)).swapped);
  EXPECT_NE(staging.snapshot()->service(kCart), nullptr);
}

TEST_F(StagingTest, ServicesThatNameEachOtherAreSwappedInTogether) {
  EXPECT_FALSE(staging.receive(of(service(kCart, {kV2}), 1)).swapped);
  EXPECT_FALSE(staging.receive(of(service(kV2, {kCart}), 2)).swapped);
  EXPECT_FALSE(staging.receive(endpoints(kCart, 3)).swapped && staging.snapshot()->service(kCart));
  auto outcome = staging.receive(endpoints(kV2, 4));
  EXPECT_TRUE(outcome.swapped);
  EXPECT_NE(staging.snapshot()->service(kCart), nullptr);
  EXPECT_NE(staging.snapshot()->service(kV2), nullptr);
}

TEST_F(StagingTest, ANewerVersionTakesThePlaceOfOneThatWaits) {
  staging.receive(of(service(kCart, {kV2}), 1));
  auto outcome = staging.receive(of(service(kCart), 2));
  EXPECT_TRUE(outcome.swapped);
  EXPECT_EQ(outcome.done.size(), 2u);
  EXPECT_FALSE(staging.snapshot()->service(kCart)->model().ports[0].routed);
}

TEST_F(StagingTest, WhatCannotBeUsedIsRefusedAndTheLastGoodStays) {
  staging.receive(of(service(kCart), 1));
  auto broken = update(ResourceType::kService, 2);
  broken.changed.push_back({kCart.to_string(), "v2", "\xff\xff garbage"});
  auto outcome = staging.receive(std::move(broken));
  ASSERT_EQ(outcome.done.size(), 1u);
  ASSERT_EQ(outcome.done[0].rejections.size(), 1u);
  EXPECT_EQ(outcome.done[0].rejections[0].name, "cart.default");
  EXPECT_NE(staging.snapshot()->service(kCart), nullptr);
}

TEST_F(StagingTest, TheIndexIsCompleteOnceToldEvenIfEmpty) {
  EXPECT_FALSE(staging.snapshot()->names->complete);
  staging.receive(update(ResourceType::kName, 1));
  EXPECT_TRUE(staging.snapshot()->names->complete);
}

TEST_F(StagingTest, HealthOfAnEndpointOutlivesItsObject) {
  auto with_endpoint = [&](uint16_t target, uint64_t generation) {
    xds::Update out = update(ResourceType::kEndpoints, generation);
    model::EndpointSet set{.service = kCart};
    model::Endpoint endpoint;
    endpoint.workload = "cart-1";
    endpoint.address = *SocketAddress::parse("10.0.0.1:20000");
    endpoint.identity = *model::SpiffeId::parse("spiffe://m/ns/default/sa/cart");
    endpoint.mesh4 = *IpAddress::parse("240.241.0.1");
    endpoint.mesh6 = *IpAddress::parse("fd00::1");
    endpoint.target_ports = {{80, target}};
    set.endpoints.push_back(endpoint);
    out.changed.push_back(
        {kCart.to_string(), "v" + std::to_string(out.id), xds::encode_endpoints(set)});
    return out;
  };
  staging.receive(with_endpoint(8080, 1));
  ASSERT_NE(staging.snapshot()->group(kCart), nullptr);
  auto before = staging.snapshot()->group(kCart)->endpoints[0].health;
  staging.receive(with_endpoint(9090, 2));
  EXPECT_EQ(staging.snapshot()->group(kCart)->endpoints[0].health, before);
}

TEST_F(StagingTest, PoliciesComeWithWhatTheyBelongToAndWithTheSameVersion) {
  model::Service cart = service(kCart, {kCart});
  auto policy = std::make_shared<model::BackendPolicy>();
  policy->retries.emplace().origin = "BackendPolicy default/r";
  auto fault = std::make_shared<model::Fault>();
  fault->policy = "default/f";
  cart.fault = fault;
  cart.ports[0].rules[0].policy = policy;
  model::EndpointSet set{.service = kCart, .endpoints = {}};
  set.policy = policy;
  model::Inbound inbound{.instance = "web-1", .rate_limits = {}, .checks = {}};
  inbound.rate_limits.emplace_back().policy = "default/l";

  xds::Update first = update(ResourceType::kEndpoints, 1, false);
  first.changed.push_back({"cart.default", "v1", xds::encode_endpoints(set)});
  xds::Update second = update(ResourceType::kInbound, 1, false);
  second.changed.push_back({"web-1", "v1", xds::encode_inbound(inbound)});
  EXPECT_FALSE(staging.receive(std::move(first)).swapped);
  EXPECT_FALSE(staging.receive(std::move(second)).swapped);
  EXPECT_EQ(staging.snapshot()->inbound, nullptr) << "the push is not whole";
  ASSERT_TRUE(staging.receive(of(cart, 1)).swapped);

  const SnapshotPtr now = staging.snapshot();
  ASSERT_TRUE(now->inbound);
  EXPECT_EQ(now->inbound->rate_limits.at(0).policy, "default/l");
  ASSERT_TRUE(now->group(kCart)->policy);
  EXPECT_EQ(*now->group(kCart)->policy, *policy);
  const CompiledService& held = *now->service(kCart)->compiled;
  ASSERT_TRUE(held.service.fault && held.ports.at(0).rules.at(0)->rule().policy);
  EXPECT_EQ(held.service.fault->policy, "default/f");

  // Of another instance it is refused; gone is gone.
  xds::Update wrong = update(ResourceType::kInbound, 2);
  wrong.changed.push_back({"web-2", "v2", xds::encode_inbound(inbound)});
  EXPECT_EQ(staging.receive(std::move(wrong)).done.at(0).rejections.at(0).name, "web-2");
  EXPECT_EQ(staging.snapshot()->inbound, now->inbound);
  xds::Update gone = update(ResourceType::kInbound, 3);
  gone.removed.push_back("web-1");
  ASSERT_TRUE(staging.receive(std::move(gone)).swapped);
  EXPECT_EQ(staging.snapshot()->inbound, nullptr);
}

// A service with so many rules that they travel apart, all to one backend.
model::Service parted(const std::string& mark, int rules = 200,
                      const model::ServiceName& backend = kCart) {
  model::Service out = service(kCart);
  out.ports[0].routed = true;
  for (int i = 0; i < rules; ++i) {
    model::RouteRule rule;
    rule.route = "default/r" + std::to_string(i);
    rule.rule = "0";
    rule.match.path = {model::PathMatch::kExact, "/" + std::to_string(i)};
    rule.backends = {{.service = backend, .port = 80}};
    out.ports[0].rules.push_back(rule);
  }
  for (const size_t at : {size_t{0}, out.ports[0].rules.size() - 1}) {
    out.ports[0].rules[at].response_headers.set = {{"mark", mark}};
  }
  return out;
}

struct PartsInStaging : StagingTest {
  xds::Update service_of(const model::Service& value, uint64_t generation, bool last = true) {
    xds::Update out = update(ResourceType::kService, generation, last);
    out.changed.push_back({value.name.to_string(), "v" + std::to_string(out.id),
                           xds::encode_in_parts(value).service});
    return out;
  }
  // What a push brings of parts: those of `now` that `before` had not, and which are gone.
  xds::Update parts_of(const model::Service& now, uint64_t generation, bool last = false,
                       const model::Service& before = service(kCart)) {
    xds::Update out = update(ResourceType::kRules, generation, last);
    std::set<std::string> known, kept;
    for (const auto& part : xds::encode_in_parts(before).parts) known.insert(part.name);
    for (const auto& part : xds::encode_in_parts(now).parts) {
      if (!known.contains(part.name)) out.changed.push_back({part.name, "v", part.payload});
      kept.insert(part.name);
    }
    for (const std::string& name : known) {
      if (!kept.contains(name)) out.removed.push_back(name);
    }
    return out;
  }
  // The marks of the first and the last rule, "" when the service is not in use.
  std::string marks() {
    const LiveService* live = staging.snapshot()->service(kCart);
    if (!live || live->compiled->ports.at(0).rules.empty()) return "";
    const auto& rules = live->compiled->ports.at(0).rules;
    const auto mark = [](const auto& rule) {
      const auto& set = rule->rule().response_headers.set;
      return set.empty() ? "-" : set[0].value;
    };
    return mark(rules.front()) + " " + mark(rules.back());
  }
  size_t held_parts() { return staging.held(ResourceType::kRules).size(); }
};

TEST_F(PartsInStaging, AServiceWaitsForItsPartsAndAsksForThem) {
  const model::Service one = parted("1");
  auto first = staging.receive(service_of(one, 1));
  EXPECT_FALSE(first.swapped);
  EXPECT_EQ(first.rules, std::vector<model::ServiceName>{kCart});
  EXPECT_EQ(staging.waiting_for(),
            std::vector<std::string>{"cart.default waits for parts of its rules"});
  auto second = staging.receive(parts_of(one, 2, true));
  EXPECT_TRUE(second.swapped);
  EXPECT_EQ(second.rules.size(), 0u);
  EXPECT_EQ(second.done.size(), 2u);
  EXPECT_EQ(marks(), "1 1");
  const auto& port = staging.snapshot()->service(kCart)->compiled->ports.at(0);
  ASSERT_EQ(port.rules.size(), 200u);
  wire::Fields none;
  EXPECT_EQ(port.match({"GET", "/123", none, "default"})->rule().route, "default/r123");
}

TEST_F(PartsInStaging, PartsBeforeTheirServiceChangeNothing) {
  const model::Service one = parted("1"), two = parted("2");
  staging.receive(parts_of(one, 1, false));
  EXPECT_TRUE(staging.receive(service_of(one, 1)).swapped);
  EXPECT_FALSE(staging.receive(parts_of(two, 2, false, one)).swapped);
  EXPECT_EQ(marks(), "1 1") << "no mixture: the parts of the next version are inert";
  EXPECT_TRUE(staging.receive(service_of(two, 2)).swapped);
  EXPECT_EQ(marks(), "2 2");
}

TEST_F(PartsInStaging, UnchangedRulesAreTheSameObjects) {
  const model::Service one = parted("1"), two = parted("2");
  staging.receive(parts_of(one, 1, false));
  staging.receive(service_of(one, 1));
  const auto before = staging.snapshot()->service(kCart)->compiled;
  staging.receive(parts_of(two, 2, false, one));
  staging.receive(service_of(two, 2));
  const auto now = staging.snapshot()->service(kCart)->compiled;
  size_t shared = 0;
  for (size_t i = 0; i < 200; ++i) shared += before->ports[0].rules[i] == now->ports[0].rules[i];
  EXPECT_GT(shared, 50u);
  EXPECT_NE(before->ports[0].rules[0], now->ports[0].rules[0]);
}

TEST_F(PartsInStaging, OneMissingPartKeepsTheOldVersion) {
  const model::Service one = parted("1"), two = parted("2");
  staging.receive(parts_of(one, 1, false));
  staging.receive(service_of(one, 1));
  xds::Update some = parts_of(two, 2, false, one);
  const xds::Update::Resource lost = some.changed.back();
  some.changed.pop_back();
  staging.receive(std::move(some));
  auto waits = staging.receive(service_of(two, 2));
  EXPECT_FALSE(waits.swapped);
  EXPECT_EQ(waits.rules, std::vector<model::ServiceName>{kCart});
  EXPECT_EQ(marks(), "1 1");
  xds::Update late = update(ResourceType::kRules, 3);
  late.changed.push_back(lost);
  EXPECT_TRUE(staging.receive(std::move(late)).swapped);
  EXPECT_EQ(marks(), "2 2");
}

TEST_F(PartsInStaging, APartIsKeptAsLongAsTheServiceInUseNamesIt) {
  const model::Service one = parted("1"), two = parted("2", 200, kV2);
  staging.receive(parts_of(one, 1, false));
  staging.receive(service_of(one, 1));
  const size_t of_one = held_parts();
  // The next version waits for its backend; the parts of this one are gone already.
  staging.receive(parts_of(two, 2, false, one));
  EXPECT_EQ(staging.receive(service_of(two, 2)).needs, std::vector<model::ServiceName>{kV2});
  EXPECT_EQ(marks(), "1 1");
  // What the disk would hold now brings this version back.
  Staging again;
  for (const ResourceType type : xds::kAllResourceTypes) {
    for (const auto& [name, held] : staging.held(type)) {
      EXPECT_TRUE(again.restore(type, name, held)) << name;
    }
  }
  ASSERT_NE(again.snapshot()->service(kCart), nullptr);
  EXPECT_EQ(again.snapshot()->service(kCart)->compiled->ports.at(0).rules.size(), 200u);

  staging.receive(endpoints(kV2, 3, false));
  EXPECT_TRUE(staging.receive(of(service(kV2), 3)).swapped);
  EXPECT_EQ(marks(), "2 2");
  EXPECT_EQ(held_parts(), xds::encode_in_parts(two).parts.size());
  EXPECT_GT(of_one, 0u);
  staging.forget(kCart);
  EXPECT_EQ(held_parts(), 0u);
}

TEST_F(PartsInStaging, RulesThatAreNotWhatTheirNameSaysAreRefused) {
  const model::Service one = parted("1");
  xds::Update wrong = parts_of(one, 1, true);
  const std::string name = wrong.changed[0].name;
  wrong.changed[0].payload = wrong.changed[1].payload;
  auto outcome = staging.receive(std::move(wrong));
  ASSERT_EQ(outcome.done.at(0).rejections.size(), 1u);
  EXPECT_EQ(outcome.done.at(0).rejections.at(0).name, name);
  EXPECT_EQ(outcome.done.at(0).rejections.at(0).why, "these are not the rules of " + name);
}

TEST_F(PartsInStaging, AServiceOneOfWhosePartsIsRefusedIsRefusedForTheSameReasonAtOnce) {
  const model::Service one = parted("1"), two = parted("2");
  staging.receive(parts_of(one, 1, false));
  staging.receive(service_of(one, 1));
  xds::Update parts = parts_of(two, 2, false, one);
  const std::string name = parts.changed[0].name;
  const std::string good = std::exchange(parts.changed[0].payload, "?");
  EXPECT_EQ(staging.receive(std::move(parts)).done.size(), 0u) << "the push is not here yet";
  auto outcome = staging.receive(service_of(two, 2));
  ASSERT_EQ(outcome.done.size(), 2u) << "nothing is waited for";
  EXPECT_EQ(outcome.done.at(0).rejections.at(0).name, name);
  const std::string why = "these are not the rules of " + name;
  EXPECT_EQ(outcome.done.at(0).rejections.at(0).why, why);
  ASSERT_EQ(outcome.done.at(1).rejections.size(), 1u);
  EXPECT_EQ(outcome.done.at(1).rejections.at(0).name, "cart.default");
  EXPECT_EQ(outcome.done.at(1).rejections.at(0).why, why);
  EXPECT_EQ(marks(), "1 1");

  // Sent again, as they should be: both are taken.
  xds::Update again = update(ResourceType::kRules, 3, false);
  again.changed.push_back({name, "v", good});
  staging.receive(std::move(again));
  EXPECT_TRUE(staging.receive(service_of(two, 3)).swapped);
  EXPECT_EQ(marks(), "2 2");
}

TEST_F(PartsInStaging, MoreRulesThanAPortTakesAreRefusedAndTheLastGoodStays) {
  const model::Service one = parted("1"), many = parted("2", 8193);
  staging.receive(parts_of(one, 1, false));
  staging.receive(service_of(one, 1));
  staging.receive(parts_of(many, 2, false, one));
  auto outcome = staging.receive(service_of(many, 2));
  ASSERT_EQ(outcome.done.size(), 2u);
  ASSERT_EQ(outcome.done.at(1).rejections.size(), 1u);
  EXPECT_EQ(outcome.done.at(1).rejections.at(0).why, "port 80: more than 8192 rules");
  EXPECT_EQ(marks(), "1 1");
}

}  // namespace
}  // namespace weft::proxy
