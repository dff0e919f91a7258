#include "steer/weights.h"

#include <gtest/gtest.h>

#include <algorithm>

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
  EXPECT_EQ(Turns(std::vector<model::Backend>()).next({}), nullptr);
}

TEST(Weights, OfAnySizeKeepTheTableShortAndNobodyOut) {
  std::vector<uint16_t> schedule = weighted_schedule({999'999, 1});
  EXPECT_LE(schedule.size(), 1001u);
  EXPECT_EQ(std::count(schedule.begin(), schedule.end(), 1), 1);
}

}  // namespace
}  // namespace weft::steer
