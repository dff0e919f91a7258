#include "trust/rotation.h"

#include <gtest/gtest.h>

namespace weft::trust {
namespace {

// Answers the same number always: unit() is `value`.
class FixedRandom final : public Random {
 public:
  explicit FixedRandom(double value) : bits_(static_cast<uint64_t>(value * 0x1.0p53) << 11) {}
  uint64_t next() override { return bits_; }

 private:
  uint64_t bits_;
};

const WallTime kStart = WallTime::from_unix_seconds(1'000'000);
const WallTime kEnd = kStart + Duration::minutes(100);

TEST(RotationTest, IsDueBeforeAnythingIsInstalled) {
  FixedRandom random(0.5);
  EXPECT_TRUE(Rotation(random).due(kStart));
}

TEST(RotationTest, RenewsAtHalfLifePlusMinusTenPercent) {
  struct Case {
    double random;
    int64_t minute;
  };
  for (const Case c : {Case{0.0, 40}, Case{0.5, 50}, Case{0.75, 55}}) {
    FixedRandom random(c.random);
    Rotation rotation(random);
    rotation.installed(kStart, kEnd);
    EXPECT_FALSE(rotation.due(kStart + Duration::minutes(c.minute) - Duration::seconds(1)));
    EXPECT_TRUE(rotation.due(kStart + Duration::minutes(c.minute))) << c.random;
  }
}

TEST(RotationTest, NeverSleepsLongerThanHalfAMinute) {
  FixedRandom random(0.5);
  Rotation rotation(random);
  rotation.installed(kStart, kEnd);
  EXPECT_EQ(rotation.wait(kStart), Duration::seconds(30));
  EXPECT_EQ(rotation.wait(kStart + Duration::minutes(50) - Duration::seconds(7)),
            Duration::seconds(7));
  EXPECT_EQ(rotation.wait(kEnd), Duration{});
}

TEST(RotationTest, BacksOffAfterFailuresUpToAMinute) {
  FixedRandom random(0.5);  // three quarters of the step
  Rotation rotation(random);
  rotation.installed(kStart, kEnd);
  const WallTime now = kStart + Duration::minutes(50);
  for (const int64_t expected_ms : {750, 1500, 3000, 6000, 12000, 24000, 45000, 45000}) {
    ASSERT_TRUE(rotation.due(now + Duration::minutes(2)));
    rotation.failed(now);
    EXPECT_FALSE(rotation.due(now + Duration::millis(expected_ms - 1)));
    EXPECT_TRUE(rotation.due(now + Duration::millis(expected_ms)));
  }
  EXPECT_EQ(rotation.failures(), 8);
  rotation.installed(now, now + Duration::minutes(100));
  EXPECT_EQ(rotation.failures(), 0);
  EXPECT_FALSE(rotation.due(now + Duration::minutes(49)));
}

TEST(RotationTest, AClockSetBackDoesNotStopTheRetries) {
  FixedRandom random(0.5);
  Rotation rotation(random);
  rotation.installed(kStart, kEnd);
  rotation.failed(kStart + Duration::minutes(90));
  EXPECT_TRUE(rotation.due(kStart));
}

TEST(RotationTest, TheAlarmGrowsWithThePassedShareOfLife) {
  struct Case {
    int64_t minute;
    ExpiryAlarm alarm;
  };
  FixedRandom random(0.5);
  Rotation rotation(random);
  rotation.installed(kStart, kEnd);
  for (const Case c :
       {Case{0, ExpiryAlarm::kNone}, Case{49, ExpiryAlarm::kNone}, Case{50, ExpiryAlarm::kDue},
        Case{66, ExpiryAlarm::kDue}, Case{67, ExpiryAlarm::kLate}, Case{89, ExpiryAlarm::kLate},
        Case{90, ExpiryAlarm::kCritical}, Case{99, ExpiryAlarm::kCritical},
        Case{100, ExpiryAlarm::kExpired}, Case{101, ExpiryAlarm::kExpired}}) {
    EXPECT_EQ(rotation.alarm(kStart + Duration::minutes(c.minute)), c.alarm) << c.minute;
  }
}

}  // namespace
}  // namespace weft::trust
