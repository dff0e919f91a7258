#include "telemetry/access_log.h"

#include <gtest/gtest.h>

namespace weft::telemetry {
namespace {

TEST(AccessLog, ARecordIsOneJsonLineWithWhatIsKnown) {
  std::string out;
  append_access_line(out, {.time = {1'700'000'000'000'250'000},
                           .protocol = "http/1.1",
                           .source = "spiffe://weft.local/ns/default/sa/web",
                           .service = "cart.default:8080",
                           .method = "GET",
                           .path = "/items",
                           .status = 200,
                           .bytes_sent = 12,
                           .duration = Duration::micros(1500),
                           .attempts = 1,
                           .mtls = true});
  EXPECT_EQ(
      out,
      "{\"time\":\"2023-11-14T22:13:20.000250Z\",\"direction\":\"outbound\","
      "\"protocol\":\"http/1.1\",\"source\":\"spiffe://weft.local/ns/default/sa/web\","
      "\"service\":\"cart.default:8080\",\"method\":\"GET\",\"path\":\"/items\",\"status\":200,"
      "\"bytes_received\":0,\"bytes_sent\":12,\"duration_us\":1500,\"attempts\":1,"
      "\"mtls\":true}\n");
}

TEST(AccessLog, AClientWithoutAnIdentityShowsByItsAddress) {
  std::string out;
  append_access_line(out, {.inbound = true, .client = "192.0.2.1:40000"});
  EXPECT_NE(out.find("\"client\":\"192.0.2.1:40000\""), std::string::npos) << out;
}

TEST(AccessLog, APeerCannotForgeALineNorMakeItLong) {
  std::string out;
  append_access_line(out, {.method = "GET", .path = "/a\"}\n{\"forged\":1}\r\x1b[2J"});
  EXPECT_EQ(out.find('\n'), out.size() - 1);
  EXPECT_EQ(out.find('\x1b'), std::string::npos);
  out.clear();
  const std::string longest(100'000, 'a');
  append_access_line(out, {.path = longest});
  EXPECT_LT(out.size(), 1400u);
}

TEST(AccessLog, AFullQueueDropsAndCountsInsteadOfGrowing) {
  LineQueue queue(300);
  for (int i = 0; i < 100; ++i) queue.push({.path = "/some/path"});
  EXPECT_GT(queue.dropped(), 90u);
  std::string lines;
  queue.drain(lines);
  EXPECT_LT(lines.size(), 600u);
  EXPECT_EQ(lines.back(), '\n');
  queue.drain(lines);
  EXPECT_TRUE(lines.empty());
}

TEST(AccessLog, AQueueThatFillsAsksOnceToBeDrained) {
  int asked = 0;
  LineQueue queue(1024 * 1024, [&] { ++asked; });
  const std::string path(1000, 'p');
  for (int i = 0; i < 100; ++i) queue.push({.path = path});
  EXPECT_EQ(asked, 0);
  for (int i = 0; i < 100; ++i) queue.push({.path = path});
  EXPECT_EQ(asked, 1);
  std::string lines;
  queue.drain(lines);
  EXPECT_GT(lines.size(), 200'000u);
  for (int i = 0; i < 200; ++i) queue.push({.path = path});
  EXPECT_EQ(asked, 2);
}

TEST(AccessLog, TimesBeforeAndAfterTheLeapDayAreRight) {
  struct Case {
    int64_t seconds;
    const char* text;
  };
  for (const Case& c :
       {Case{0, "1970-01-01T00:00:00.000000Z"}, Case{1'709'251'199, "2024-02-29T23:59:59.000000Z"},
        Case{1'709'251'200, "2024-03-01T00:00:00.000000Z"},
        Case{4'102'444'799, "2099-12-31T23:59:59.000000Z"}}) {
    std::string out;
    append_access_line(out, {.time = {c.seconds * 1'000'000'000}});
    EXPECT_EQ(out.substr(9, 27), c.text);
  }
}

}  // namespace
}  // namespace weft::telemetry
