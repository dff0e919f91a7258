#include "control/duration.h"

#include <gtest/gtest.h>

namespace weft::control {
namespace {

TEST(GatewayDuration, FollowsGep2257) {
  // Valid and invalid examples of GEP-2257, and the edges of its pattern.
  EXPECT_EQ(parse_gateway_duration("0h"), Duration{});
  EXPECT_EQ(parse_gateway_duration("0s"), Duration{});
  EXPECT_EQ(parse_gateway_duration("1h"), Duration::hours(1));
  EXPECT_EQ(parse_gateway_duration("30m"), Duration::minutes(30));
  EXPECT_EQ(parse_gateway_duration("10s"), Duration::seconds(10));
  EXPECT_EQ(parse_gateway_duration("500ms"), Duration::millis(500));
  EXPECT_EQ(parse_gateway_duration("2h30m"), Duration::minutes(150));
  EXPECT_EQ(parse_gateway_duration("1h2m3s4ms"), Duration::millis(3'723'004));
  EXPECT_EQ(parse_gateway_duration("99999h"), Duration::hours(99999));
  for (const char* bad :
       {"", "1", "1.5h", "-1h", "h", "1d", "100000s", "1h1h1h1h1h", "1 h", "1us", "s1"}) {
    EXPECT_FALSE(parse_gateway_duration(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace weft::control
