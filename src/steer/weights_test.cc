#include "steer/weights.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "steer/binomial_test_support.h"

namespace weft::steer {
namespace {

TEST(Weights, AreSpreadOutAsSmoothRoundRobinHasIt) {
  // The example of nginx's commit message: weights 5, 1, 1 give a a b a c a a.
  EXPECT_EQ(weighted_schedule({5, 1, 1}), (std::vector<uint16_t>{0, 0, 1, 0, 2, 0, 0}));
}

TEST(Weights, OfZeroGetNothingAndAllZeroIsNoBackend) {
  EXPECT_EQ(weighted_schedule({0, 3}), (std::vector<uint16_t>{1}));
  EXPECT_TRUE(weighted_schedule({0, 0}).empty());
  EXPECT_TRUE(weighted_schedule({}).empty());
  SeededRandom random(1);
  EXPECT_EQ(Turns(std::vector<model::Backend>()).next({}, random), nullptr);
}

TEST(Weights, OfAnySizeKeepTheTableShortAndNobodyOut) {
  std::vector<uint16_t> schedule = weighted_schedule({999'999, 1});
  EXPECT_LE(schedule.size(), 1001u);
  EXPECT_EQ(std::count(schedule.begin(), schedule.end(), 1), 1);
}

// What is drawn would stray by chance; turns may not stray further than a fair draw does but once in a thousand
// million runs, and in truth stray by less than a turn of the table.
TEST(Weights, AreKeptWithinTheBoundsOfAFairDrawAndOfOneTurn) {
  struct Case {
    std::vector<uint32_t> weights;
    uint64_t draws;
  };
  for (const Case& c :
       {Case{{1, 2, 7}, 10'000}, Case{{1, 2, 7}, 97}, Case{{90, 10}, 1'234}, Case{{3, 0, 1}, 5'000},
        Case{{333, 333, 334}, 20'000}, Case{{999'999, 1}, 100'000}}) {
    std::vector<model::Backend> backends;
    uint64_t sum = 0;
    for (const uint32_t weight : c.weights) {
      backends.push_back({.service = {"default", "s"}, .port = 80, .weight = weight});
      sum += weight;
    }
    const Turns turns(backends);
    SeededRandom random(2);
    std::vector<uint64_t> counts(backends.size());
    for (uint64_t i = 0; i < c.draws; ++i)
      ++counts[static_cast<size_t>(turns.next(backends, random) - backends.data())];
    for (size_t i = 0; i < counts.size(); ++i) {
      if (c.weights[i] == 0) {
        EXPECT_EQ(counts[i], 0u);
        continue;
      }
      // A table of 1000 turns gives the smallest weight one of them.
      const double share = std::max(static_cast<double>(c.weights[i]) / static_cast<double>(sum),
                                    sum > 1000 ? 1e-3 : 0);
      const Bounds bounds = binomial_bounds(c.draws, std::min(share, 0.999), 1e-9);
      EXPECT_GE(counts[i], bounds.least) << i;
      EXPECT_LE(counts[i], bounds.most) << i;
      if (sum <= 1000)
        EXPECT_NEAR(static_cast<double>(counts[i]), share * static_cast<double>(c.draws), 1.0) << i;
    }
  }
}

// Five turns of each of many: as many callers that send little, or rules that change often.
TEST(Weights, AreKeptByManyThatTakeFewTurnsEach) {
  const std::vector<model::Backend> backends{
      {.service = {"default", "s"}, .port = 80, .weight = 90},
      {.service = {"default", "t"}, .port = 80, .weight = 10}};
  SeededRandom random(3);
  constexpr uint64_t kMany = 400, kFew = 5;
  uint64_t second = 0;
  for (uint64_t i = 0; i < kMany; ++i) {
    const Turns turns(backends);
    for (uint64_t turn = 0; turn < kFew; ++turn)
      second += turns.next(backends, random) == &backends[1] ? 1 : 0;
  }
  const Bounds bounds = binomial_bounds(kMany * kFew, 0.1, 1e-9);
  EXPECT_GE(second, bounds.least);
  EXPECT_LE(second, bounds.most);
}

}  // namespace
}  // namespace weft::steer
