#include "control/condition_times.h"

#include <gtest/gtest.h>

namespace weft::control {
namespace {

class ManualClock final : public Clock {
 public:
  Instant now() const override { return {}; }
  WallTime wall_now() const override { return time; }
  WallTime time = WallTime::from_unix_seconds(1'000);
};

TEST(ConditionTimes, AConditionKeepsItsTimeUntilItsStatusChanges) {
  ManualClock clock;
  ConditionTimes times(clock);
  const auto since = [&](const std::string& owner, bool ok, const std::string& reason) {
    std::vector<Condition> conditions{{.type = "Accepted", .ok = ok, .reason = reason}};
    times.stamp(owner, conditions);
    return conditions[0].since.unix_seconds();
  };
  EXPECT_EQ(since("r", true, "Accepted"), 1000);
  clock.time = WallTime::from_unix_seconds(2'000);
  EXPECT_EQ(since("r", true, "AnotherReason"), 1000) << "a reason is no status";
  EXPECT_EQ(since("s", true, "Accepted"), 2000) << "another object's";
  EXPECT_EQ(since("r", false, "NoMatchingParent"), 2000);
  clock.time = WallTime::from_unix_seconds(3'000);
  EXPECT_EQ(since("r", false, "NoMatchingParent"), 2000);
  EXPECT_EQ(since("r", true, "Accepted"), 3000);
}

}  // namespace
}  // namespace weft::control
