#include "steer/slow_start.h"

#include <gtest/gtest.h>

namespace weft::steer {
namespace {

TEST(SlowStart, GrowsInAStraightLineByDefault) {
  const model::SlowStart policy{.window = Duration::seconds(100)};
  struct Case {
    Duration up;
    double share;
  } cases[] = {
      {Duration::seconds(0), 0.10},  {Duration::seconds(10), 0.10}, {Duration::seconds(11), 0.11},
      {Duration::seconds(50), 0.50}, {Duration::seconds(99), 0.99}, {Duration::seconds(100), 1},
      {Duration::hours(1), 1},
  };
  for (const Case& c : cases) EXPECT_NEAR(slow_start_share(policy, c.up), c.share, 1e-9);
}

TEST(SlowStart, IsSteeperAtFirstWithMoreAggression) {
  const model::SlowStart policy{
      .window = Duration::seconds(100), .aggression = 2, .min_percent = 1};
  EXPECT_NEAR(slow_start_share(policy, Duration::seconds(25)), 0.5, 1e-9);
  EXPECT_NEAR(slow_start_share(policy, Duration::millis(10)), 0.1, 1e-9);  // counts as a second
}

TEST(SlowStart, NeverGivesNothing) {
  const model::SlowStart policy{
      .window = Duration::seconds(10'000), .aggression = 0.5, .min_percent = 0};
  EXPECT_NEAR(slow_start_share(policy, {}), 0.01, 1e-9);
}

TEST(SlowStart, OfAWindowBelowASecondIsNoMoreThanAll) {
  EXPECT_EQ(slow_start_share({.window = Duration::millis(500)}, Duration::millis(100)), 1);
}

}  // namespace
}  // namespace weft::steer
