// Each algorithm's promise, and what holds for all of them: who may be picked, and who when few are left.
#include "steer/pick.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <thread>

#include "base/hash.h"
#include "steer/binomial_test_support.h"

namespace weft::steer {
namespace {

using Algorithm = model::LoadBalancing::Algorithm;
constexpr Instant kNow{1'000'000'000'000};
constexpr int kPicks = 10'000;

struct Endpoints {
  explicit Endpoints(uint32_t count) : health(count), ejections(count) {
    for (uint32_t i = 0; i < count; ++i) {
      members.push_back(
          {&health[i], &ejections[i], i, true, 0, xxh64("cart-" + std::to_string(i))});
    }
  }
  std::vector<EndpointHealth> health;
  std::vector<Ejection> ejections;
  std::vector<Member> members;
};

PickPolicy policy(Algorithm algorithm) {
  PickPolicy policy;
  policy.balancing.algorithm = algorithm;
  return policy;
}

struct PickTest : testing::Test {
  std::optional<uint32_t> pick(const Pool& pool, const Tried& tried = {},
                               std::optional<uint64_t> key = {}, Instant now = kNow) {
    return pool.pick({.now = now, .random = random, .tried = tried, .key = key});
  }
  std::map<uint32_t, int> picks(const Pool& pool, int count = kPicks, Instant now = kNow) {
    std::map<uint32_t, int> counts;
    for (int i = 0; i < count; ++i) {
      auto chosen = pick(pool, {}, {}, now);
      if (chosen) ++counts[*chosen];
    }
    return counts;
  }
  SeededRandom random{7};
};

struct EveryAlgorithm : PickTest, testing::WithParamInterface<Algorithm> {};
INSTANTIATE_TEST_SUITE_P(All, EveryAlgorithm,
                         testing::Values(Algorithm::kPeakEwma, Algorithm::kLeastRequest,
                                         Algorithm::kRoundRobin, Algorithm::kRandom,
                                         Algorithm::kRingHash, Algorithm::kMaglev));

TEST_P(EveryAlgorithm, OfNobodyPicksNobody) {
  EXPECT_FALSE(pick(Pool({}, policy(GetParam()))));
  Endpoints two(2);
  two.members[0].ready = two.members[1].ready = false;
  EXPECT_FALSE(pick(Pool(two.members, policy(GetParam()))));
}

TEST_P(EveryAlgorithm, SpreadsOverIdleEndpoints) {
  Endpoints ten(10);
  const auto counts = picks(Pool(ten.members, policy(GetParam())));
  ASSERT_EQ(counts.size(), 10u);
  // A ring's shares differ by themselves.
  const int off = GetParam() == Algorithm::kRingHash ? 200 : 120;
  for (const auto& [at, count] : counts) EXPECT_NEAR(count, kPicks / 10.0, off);
}

TEST_P(EveryAlgorithm, LeavesOutWhoIsNotReadyRestsIsOutOrWasTried) {
  Endpoints ten(10);
  ten.members[0].ready = false;
  ten.health[1].failed(kNow);
  Tried tried;
  tried.add(&ten.health[2]);
  const Pool pool(ten.members, policy(GetParam()));
  std::map<uint32_t, int> counts;
  for (int i = 0; i < kPicks; ++i) ++counts[*pick(pool, tried)];
  EXPECT_EQ(counts.size(), 7u);
  for (uint32_t at : {0u, 1u, 2u}) EXPECT_FALSE(counts.contains(at)) << at;
  // Their part falls on all others alike, not on a neighbour; a ring is less even.
  const int off = GetParam() == Algorithm::kRingHash ? 450 : 250;
  for (const auto& [at, count] : counts) EXPECT_NEAR(count, kPicks / 7.0, off) << at;
}

TEST_P(EveryAlgorithm, WithFewerThanHalfInDoesNotAskHealth) {
  Endpoints ten(10);
  for (size_t i = 0; i < 5; ++i) ten.health[i].failed(kNow);
  const Pool pool(ten.members, policy(GetParam()));
  EXPECT_EQ(picks(pool, 1000).size(), 5u);
  ten.health[5].failed(kNow);
  EXPECT_EQ(picks(pool, 1000).size(), 10u);
  PickPolicy calm = policy(GetParam());
  calm.locality.panic_percent = 0;
  EXPECT_EQ(picks(Pool(ten.members, calm), 1000).size(), 4u);
}

TEST_P(EveryAlgorithm, TakesTheLastChoiceWhateverWasSeenOfIt) {
  Endpoints two(2);
  PickPolicy calm = policy(GetParam());
  calm.locality.panic_percent = 0;
  const Pool pool(two.members, calm);
  two.health[0].failed(kNow);
  two.health[1].failed(kNow);
  EXPECT_TRUE(pick(pool));
  Tried tried;
  tried.add(&two.health[0]);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(pick(pool, tried), 1u);
  tried.add(&two.health[1]);
  EXPECT_FALSE(pick(pool, tried));
}

TEST_P(EveryAlgorithm, GivesEachOfSeveralWorkersTheSameDistribution) {
  for (int workers : {1, 2, 8}) {
    Endpoints five(5);
    const Pool pool(five.members, policy(GetParam()));
    std::vector<std::map<uint32_t, int>> counts(static_cast<size_t>(workers));
    std::vector<std::thread> threads;
    for (int worker = 0; worker < workers; ++worker) {
      threads.emplace_back([&, worker] {
        SeededRandom own(static_cast<uint64_t>(worker) + 1);
        const Tried tried;
        for (int i = 0; i < kPicks / workers; ++i) {
          // Nothing stays in flight: a thread that is halted with a request in hand would rightly turn
          // the others away from its endpoint.
          const auto at = pool.pick({.now = kNow, .random = own, .tried = tried});
          ++counts[static_cast<size_t>(worker)][*at];
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    std::map<uint32_t, int> sum;
    for (const auto& part : counts) {
      for (const auto& [at, count] : part) sum[at] += count;
    }
    const double off = GetParam() == Algorithm::kRingHash ? 0.20 : 0.10;
    for (const auto& [at, count] : sum)
      EXPECT_NEAR(count, kPicks / 5.0, kPicks / 5.0 * off) << workers;
  }
}

TEST_F(PickTest, LeastRequestPrefersTheLessBusyOfTwo) {
  Endpoints two(2);
  const Pool pool(two.members, policy(Algorithm::kLeastRequest));
  for (int i = 0; i < 5; ++i) two.health[0].begin();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(pick(pool), 1u);
}

TEST_F(PickTest, PeakEwmaGivesTheSlowestOfTenNothingWhileItIsSlow) {
  Endpoints ten(10);
  for (EndpointHealth& health : ten.health) health.latency.observe(Duration::millis(10), kNow);
  ten.health[3].latency.observe(Duration::seconds(1), kNow);
  const Pool pool(ten.members, policy(Algorithm::kPeakEwma));
  EXPECT_FALSE(picks(pool).contains(3));
  // Tried again when the memory of it has faded, after 10 s times ln(100).
  for (size_t i = 0; i < 10; ++i) {
    if (i != 3) ten.health[i].latency.observe(Duration::millis(10), kNow + Duration::seconds(47));
  }
  EXPECT_TRUE(picks(pool, kPicks, kNow + Duration::seconds(47)).contains(3));
}

TEST_F(PickTest, PeakEwmaIsNotLuredByAnEndpointThatFailsFast) {
  Endpoints ten(10);
  for (EndpointHealth& health : ten.health) health.latency.observe(Duration::millis(10), kNow);
  ten.health[3].latency.observe(Duration::micros(100), kNow);
  ten.health[3].latency.penalise(std::nullopt, kNow);
  EXPECT_FALSE(picks(Pool(ten.members, policy(Algorithm::kPeakEwma))).contains(3));
}

TEST_F(PickTest, AnEndpointWhoseRestIsOverIsTriedOnceHoweverSlowItSeemed) {
  Endpoints ten(10);
  for (EndpointHealth& health : ten.health) health.latency.observe(Duration::millis(10), kNow);
  ten.health[3].failed(kNow);
  ten.health[3].latency.penalise(std::nullopt, kNow);
  const Pool pool(ten.members, policy(Algorithm::kPeakEwma));
  const Instant over = kNow + EndpointHealth::kFirstRest;
  EXPECT_EQ(picks(pool, kPicks, over)[3], 1);
  ten.health[3].succeeded();
  for (EndpointHealth& health : ten.health) health.latency.observe(Duration::millis(10), over);
  EXPECT_NEAR(picks(pool, kPicks, over)[3], kPicks / 10.0, kPicks / 20.0);
}

TEST_F(PickTest, OpaqueConnectionsAreCountedNotTimed) {
  Endpoints two(2);
  two.health[0].latency.observe(Duration::seconds(9), kNow);
  two.health[1].begin();
  const Pool pool(two.members, policy(Algorithm::kPeakEwma));
  const Tried tried;
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(pool.pick({.now = kNow, .random = random, .tried = tried, .connection = true}), 0u);
  }
}

TEST_F(PickTest, RoundRobinTakesTurnsFromAnywhere) {
  Endpoints four(4);
  std::map<uint32_t, int> first;
  for (int pools = 0; pools < 400; ++pools) {
    const Pool pool(four.members, policy(Algorithm::kRoundRobin));
    const uint32_t begin = *pick(pool);
    ++first[begin];
    for (uint32_t turn = 1; turn < 8; ++turn) EXPECT_EQ(pick(pool), (begin + turn) % 4);
  }
  EXPECT_EQ(first.size(), 4u);
  for (const auto& [at, count] : first) EXPECT_NEAR(count, 100, 45);
}

struct Hashing : PickTest, testing::WithParamInterface<Algorithm> {};
INSTANTIATE_TEST_SUITE_P(Both, Hashing, testing::Values(Algorithm::kRingHash, Algorithm::kMaglev));

TEST_P(Hashing, AKeyStaysThroughChurnOfOthersAndComesBack) {
  Endpoints ten(10);
  const Pool pool(ten.members, policy(GetParam()));
  const uint64_t key = xxh64("ada");
  const uint32_t own = *pick(pool, {}, key);
  for (uint32_t other = 0; other < 10; ++other) {
    if (other == own) continue;
    ten.health[other].failed(kNow);
    EXPECT_EQ(pick(pool, {}, key), own) << other;
    ten.health[other].succeeded();
    // Not ready, as a new version of the endpoints says: the others keep theirs.
    std::vector<Member> changed = ten.members;
    changed[other].ready = false;
    EXPECT_EQ(pick(Pool(changed, policy(GetParam())), {}, key), own) << other;
  }
  ten.health[own].failed(kNow);
  const uint32_t instead = *pick(pool, {}, key);
  EXPECT_NE(instead, own);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(pick(pool, {}, key), instead);
  ten.health[own].succeeded();
  EXPECT_EQ(pick(pool, {}, key), own);
}

TEST_P(Hashing, WithoutAKeyGoesAnywhere) {
  Endpoints four(4);
  EXPECT_EQ(picks(Pool(four.members, policy(GetParam())), 400).size(), 4u);
}

TEST_P(Hashing, ABoundHoldsWhateverTheKeys) {
  for (uint32_t percent : {100u, 125u, 200u}) {
    Endpoints ten(10);
    PickPolicy bounded = policy(GetParam());
    bounded.balancing.bounded_load_percent = percent;
    const Pool pool(ten.members, bounded);
    for (uint32_t i = 0; i < 1000; ++i) {
      const uint32_t at = *pick(pool, {}, xxh64(i % 10 < 8 ? "hot" : "cold-" + std::to_string(i)));
      ten.health[at].begin();
      // ceil(c (active + 1) / n), with `i` active before this one.
      const uint32_t bound = (percent * (i + 1) + 999) / 1000;
      ASSERT_LE(ten.health[at].active(), bound) << percent << " at " << i;
    }
  }
}

TEST_F(PickTest, SlowStartGivesRoundRobinAndLeastRequestAGrowingPart) {
  for (Algorithm algorithm :
       {Algorithm::kRoundRobin, Algorithm::kPeakEwma, Algorithm::kLeastRequest}) {
    Endpoints five(5);
    for (EndpointHealth& health : five.health) health.latency.observe(Duration::millis(10), kNow);
    five.health[4].joined(kNow);
    PickPolicy warming = policy(algorithm);
    warming.slow_start = model::SlowStart{.window = Duration::seconds(100)};
    const Pool pool(five.members, warming);
    EXPECT_NEAR(pool.warmth(five.members[4], kNow + Duration::seconds(50)), 0.5, 1e-9);
    EXPECT_EQ(pool.warmth(five.members[0], kNow), 1);
    const int young = picks(pool, kPicks, kNow)[4];
    const int grown = picks(pool, kPicks, kNow + Duration::seconds(100))[4];
    EXPECT_LT(young, grown / 4) << int{algorithm};
    EXPECT_NEAR(grown, kPicks / 5.0, 200);
    if (algorithm != Algorithm::kRoundRobin) continue;
    // Of 4 + share turns it takes its share.
    EXPECT_NEAR(young, kPicks * 0.1 / 4.1, 60);
    EXPECT_NEAR(picks(pool, kPicks, kNow + Duration::seconds(50))[4], kPicks * 0.5 / 4.5, 120);
  }
}

struct Zones : PickTest {
  // Four here, four in another zone, four in another region.
  Zones() : twelve(12) {
    for (uint32_t i = 0; i < 12; ++i) twelve.members[i].distance = i / 4;
  }
  std::vector<double> parts(const Pool& pool, Instant now) {
    std::vector<double> parts(3);
    for (const auto& [at, count] : picks(pool, kPicks, now)) parts[at / 4] += count;
    for (double& part : parts) part /= kPicks;
    return parts;
  }
  Endpoints twelve;
};

TEST_F(Zones, TheNearestTakesAllWhileItCan) {
  const Pool pool(twelve.members, policy(Algorithm::kPeakEwma));
  EXPECT_EQ(parts(pool, kNow), (std::vector<double>{1, 0, 0}));
  twelve.health[0].failed(kNow);  // 75 % times 1.4
  EXPECT_EQ(parts(pool, kNow + Pool::kLook), (std::vector<double>{1, 0, 0}));
}

TEST_F(Zones, SpillsWhatItHasNoCapacityFor) {
  for (Algorithm algorithm : {Algorithm::kPeakEwma, Algorithm::kRoundRobin, Algorithm::kMaglev}) {
    for (size_t i = 0; i < 12; ++i) twelve.health[i].succeeded();
    const Pool pool(twelve.members, policy(algorithm));
    twelve.health[0].failed(kNow);
    twelve.health[1].failed(kNow);
    const auto half = parts(pool, kNow);
    EXPECT_NEAR(half[0], 0.7, 0.02) << int{algorithm};
    EXPECT_NEAR(half[1], 0.3, 0.02) << int{algorithm};
    for (size_t i = 2; i < 6; ++i) twelve.health[i].failed(kNow);
    const auto lost = parts(pool, kNow + Pool::kLook);
    EXPECT_EQ(lost[0], 0) << int{algorithm};
    EXPECT_NEAR(lost[1], 0.7, 0.02) << int{algorithm};
    EXPECT_NEAR(lost[2], 0.3, 0.02) << int{algorithm};
  }
}

TEST_F(Zones, EndpointsThatAreNotReadyAreMissingCapacity) {
  twelve.members[0].ready = twelve.members[1].ready = false;
  const auto half = parts(Pool(twelve.members, policy(Algorithm::kRandom)), kNow);
  EXPECT_NEAR(half[0], 0.7, 0.02);
}

TEST_F(Zones, WhenAllTogetherHaveTooLittleEachTierPanicsByItself) {
  for (size_t i = 0; i < 12; ++i) {
    if (i % 4 != 0) twelve.health[i].failed(kNow);  // a quarter of each is in: 35 % thrice
  }
  twelve.health[4].failed(kNow);
  const Pool pool(twelve.members, policy(Algorithm::kRandom));
  const auto counts = picks(pool, kPicks, kNow);
  EXPECT_EQ(counts.size(), 8u);  // the second tier, with nobody in, gets no part
  for (const auto& [at, count] : counts) EXPECT_NEAR(count, kPicks / 8.0, 200) << at;
}

}  // namespace
}  // namespace weft::steer
