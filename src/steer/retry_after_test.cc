#include "steer/retry_after.h"

#include <gtest/gtest.h>

#include <string>

namespace weft::steer {
namespace {

constexpr WallTime kNow = WallTime::from_unix_seconds(784'111'777);  // the RFC's example

TEST(HttpDate, ReadsTheThreeFormsOfTheRfc) {
  for (const char* text : {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                           "Sun Nov  6 08:49:37 1994"}) {
    EXPECT_EQ(parse_http_date(text), kNow) << text;
  }
}

TEST(HttpDate, ReadsNothingElse) {
  for (const char* text :
       {"", "tomorrow", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 19940 08:49:37 GMT", "Sun, -6 Nov 1994 08:49:37 GMT x",
        "Sun, 06 Now 1994 08:49:37 GMT", "Sun, 06 Nov 9994 08:49:37 GMT"}) {
    EXPECT_FALSE(parse_http_date(text)) << text;
  }
}

TEST(ServerPacing, ReadsSecondsAndDates) {
  EXPECT_EQ(read_pacing("3", "", kNow).wait, Duration::seconds(3));
  EXPECT_EQ(read_pacing("Sun, 06 Nov 1994 08:49:47 GMT", "", kNow).wait, Duration::seconds(10));
  EXPECT_EQ(read_pacing("Sun, 06 Nov 1994 08:49:27 GMT", "", kNow).wait, Duration{});
  EXPECT_FALSE(read_pacing("", "", kNow).wait);
  EXPECT_FALSE(read_pacing("soon", "", kNow).wait);
  EXPECT_FALSE(read_pacing("soon", "", kNow).never);
}

TEST(ServerPacing, IsBoundedWhateverTheServerSays) {
  EXPECT_EQ(read_pacing("18446744073709551615", "", kNow).wait, Duration::hours(365 * 24));
  EXPECT_EQ(read_pacing("", "18446744073709551615", kNow).wait, Duration::hours(365 * 24));
}

TEST(ServerPacing, APushbackThatIsNegativeOrNoNumberMeansNever) {
  EXPECT_EQ(read_pacing("", "250", kNow).wait, Duration::millis(250));
  EXPECT_FALSE(read_pacing("", "250", kNow).never);
  for (const char* text : {"-1", "later", "1.5"}) {
    EXPECT_TRUE(read_pacing("", text, kNow).never) << text;
  }
  // gRPC's own word goes before HTTP's.
  EXPECT_EQ(read_pacing("3", "250", kNow).wait, Duration::millis(250));
}

}  // namespace
}  // namespace weft::steer
