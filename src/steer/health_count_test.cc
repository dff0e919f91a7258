#include "steer/health_count.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace weft::steer {
namespace {

// "+" and "-" are results; the states after each, "H" or "U".
std::string states(HealthCount& count, std::string_view results) {
  std::string out;
  for (char result : results) out += count.result(result == '+') ? 'H' : 'U';
  return out;
}

TEST(HealthCount, NeedsItsRowsToChange) {
  HealthCount count(3, 2);
  EXPECT_EQ(states(count, "+--+---+-++-"), "HHHHHHUUUUHH");
}

TEST(HealthCount, TheFirstResultCountsAlone) {
  HealthCount bad(3, 2), good(3, 2);
  EXPECT_EQ(states(bad, "-+-++"), "UUUUH");
  EXPECT_EQ(states(good, "+"), "H");
}

TEST(HealthCount, AStartOverMakesTheNextResultTheFirst) {
  HealthCount count(3, 2);
  EXPECT_EQ(states(count, "+-"), "HH");
  count.start_over();
  EXPECT_TRUE(count.healthy());
  EXPECT_EQ(states(count, "-"), "U");
  count.start_over();
  EXPECT_EQ(states(count, "+"), "H");
}

}  // namespace
}  // namespace weft::steer
