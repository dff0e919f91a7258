#include "base/log.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace weft {
namespace {

class FixedClock final : public Clock {
 public:
  Instant now() const override { return {}; }
  WallTime wall_now() const override {
    return {1'772'359'200'123'456'789};
  }  // 2026-03-01T10:00:00Z
};

TEST(Log, LinesCarryTimeLevelComponentMessageAndFields) {
  MemorySink sink;
  const FixedClock clock;
  const Log log(sink, clock, "proxy");
  log.warn("endpoint ejected", {{"service", "cart"}, {"port", 20004}, {"healthy", false}});
  EXPECT_EQ(sink.lines(),
            (std::vector<std::string>{
                "2026-03-01T10:00:00.123Z warn  proxy: endpoint ejected  service=cart "
                "port=20004 healthy=false"}));
}

TEST(Log, NothingAPeerSentCanBreakTheLine) {
  MemorySink sink;
  const FixedClock clock;
  const Log log(sink, clock, "http");
  log.error("bad\nrequest\x1b[2J", {{"path", "/a b\"c\n"}, {"empty", ""}, {"host", "x\x07"}});
  EXPECT_EQ(sink.lines()[0].substr(25),
            "error http: bad\\nrequest\\x1b[2J  path=\"/a b\\\"c\\n\" empty=\"\" host=x\\x07");
}

TEST(Log, BelowTheThresholdNothingIsWritten) {
  MemorySink sink;
  const FixedClock clock;
  const Log log(sink, clock, "a", LogLevel::kWarn);
  log.debug("no");
  log.info("no");
  log.named("b").info("no");
  log.warn("yes");
  EXPECT_EQ(sink.lines().size(), 1u);
  EXPECT_TRUE(sink.contains("yes"));
  EXPECT_FALSE(Log(sink, clock, "c", LogLevel::kOff).enabled(LogLevel::kError));
}

TEST(Log, NamedLogsShareTheSink) {
  MemorySink sink;
  const FixedClock clock;
  Log(sink, clock, "parent").named("child").info("hello");
  EXPECT_TRUE(sink.contains("child: hello"));
}

TEST(Log, LinesOfSeveralThreadsNeverMix) {
  MemorySink sink;
  const FixedClock clock;
  const Log log(sink, clock, "t");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&log] {
      for (int i = 0; i < 200; ++i) log.info("message", {{"i", i}});
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(sink.lines().size(), 800u);
  for (const std::string& line : sink.lines())
    EXPECT_TRUE(line.starts_with("2026-03-01T10:00:00.123Z info  t: message  i="));
}

TEST(Log, LevelsHaveNames) {
  EXPECT_EQ(parse_log_level("debug"), LogLevel::kDebug);
  EXPECT_EQ(parse_log_level("off"), LogLevel::kOff);
  EXPECT_FALSE(parse_log_level("loud").has_value());
}

TEST(Log, TimesAreRfc3339InUtc) {
  EXPECT_EQ(to_rfc3339({0}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(to_rfc3339(WallTime::from_unix_seconds(951'782'400)), "2000-02-29T00:00:00.000Z");
  EXPECT_EQ(to_rfc3339({-1'000'000}), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(to_rfc3339(WallTime::from_unix_seconds(4'102'444'799)), "2099-12-31T23:59:59.000Z");
}

}  // namespace
}  // namespace weft
