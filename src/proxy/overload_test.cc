#include "proxy/overload.h"

#include <gtest/gtest.h>

namespace weft::proxy {
namespace {

TEST(Overload, MemoryShedsThenRefusesAndComesBackLower) {
  Overload overload({.memory = 1000, .descriptors = 0});
  struct {
    uint64_t memory;
    Pressure pressure;
    bool changed;
  } steps[] = {
      {919, Pressure::kNone, false},  {920, Pressure::kShed, true},
      {900, Pressure::kShed, false},  {850, Pressure::kShed, false},
      {849, Pressure::kNone, true},   {900, Pressure::kNone, false},
      {950, Pressure::kRefuse, true}, {930, Pressure::kRefuse, false},
      {919, Pressure::kShed, true},   {951, Pressure::kRefuse, true},
      {100, Pressure::kNone, true},
  };
  for (const auto& step : steps) {
    EXPECT_EQ(overload.take({step.memory, 0}, {}), step.changed) << step.memory;
    EXPECT_EQ(overload.pressure(), step.pressure) << step.memory;
    EXPECT_EQ(overload.cause(), step.pressure == Pressure::kNone ? "" : "memory");
  }
  EXPECT_EQ(overload.pauses(), 2u);
}

TEST(Overload, TheWorstOfAllDecides) {
  Overload overload({.memory = 1000, .descriptors = 100});
  overload.take({920, 95}, {});
  EXPECT_EQ(overload.pressure(), Pressure::kRefuse);
  EXPECT_EQ(overload.cause(), "descriptors");
  overload.take({920, 50}, {});
  EXPECT_EQ(overload.pressure(), Pressure::kShed);
  EXPECT_EQ(overload.cause(), "memory");
}

TEST(Overload, ALoopMustBeLateThreeTimes) {
  Overload overload;
  for (int i = 0; i < 2; ++i) {
    overload.take({}, Duration::seconds(9));
    EXPECT_EQ(overload.pressure(), Pressure::kNone);
  }
  overload.take({}, Duration::millis(500));
  EXPECT_EQ(overload.pressure(), Pressure::kShed);
  EXPECT_EQ(overload.cause(), "event loop delay");
  for (int i = 0; i < 3; ++i) overload.take({}, Duration::seconds(2));
  EXPECT_EQ(overload.pressure(), Pressure::kRefuse);
  overload.take({}, Duration::millis(300));
  EXPECT_EQ(overload.pressure(), Pressure::kShed);
  overload.take({}, Duration::millis(1));
  EXPECT_EQ(overload.pressure(), Pressure::kNone);
}

TEST(Overload, WithoutLimitsNothingIsTooMuch) {
  Overload overload;
  EXPECT_FALSE(overload.take({uint64_t{1} << 60, 1'000'000}, {}));
  EXPECT_EQ(overload.pressure(), Pressure::kNone);
}

}  // namespace
}  // namespace weft::proxy
