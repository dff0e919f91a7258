#include "steer/outlier.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <thread>

#include "base/random.h"

namespace weft::steer {
namespace {

struct OutliersTest : testing::Test {
  void instances(int n) {
    for (int i = 0; i < n; ++i) {
      endpoints.emplace_back();
      names.push_back("i" + std::to_string(i));
    }
  }
  Outliers::Members members() {
    Outliers::Members all;
    for (size_t i = 0; i < endpoints.size(); ++i) all.push_back({&endpoints[i], names[i]});
    return all;
  }
  std::vector<Outliers::Event> report(size_t i, Outliers::Outcome outcome, int times = 1) {
    std::vector<Outliers::Event> all;
    for (int n = 0; n < times; ++n) {
      for (auto& event :
           outliers.report(endpoints[i], outcome, policy, now, [this] { return members(); }))
        all.push_back(std::move(event));
    }
    return all;
  }
  bool out(size_t i) const { return endpoints[i].out(now); }
  int how_many_out() const {
    int count = 0;
    for (size_t i = 0; i < endpoints.size(); ++i) count += out(i);
    return count;
  }
  void pass(Duration time) { now = now + time; }

  Outliers outliers;
  model::OutlierDetection policy;
  std::deque<Ejection> endpoints;
  std::deque<std::string> names;
  Instant now{1'000'000'000'000};
};

TEST_F(OutliersTest, FiveErrorsInARowThrowAnInstanceOutForThirtySeconds) {
  instances(10);
  EXPECT_TRUE(report(3, Outliers::kError, 4).empty());
  EXPECT_FALSE(out(3));
  const auto events = report(3, Outliers::kError);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_TRUE(events[0].ejected);
  EXPECT_EQ(events[0].name, "i3");
  EXPECT_EQ(events[0].reason, Outliers::kErrors);
  EXPECT_EQ(events[0].length, Duration::seconds(30));
  EXPECT_TRUE(out(3));
  pass(Duration::millis(29'999));
  EXPECT_TRUE(out(3));
  pass(Duration::millis(1));
  EXPECT_FALSE(out(3));
}

TEST_F(OutliersTest, ASuccessBeginsTheRowAnew) {
  instances(10);
  report(3, Outliers::kError, 4);
  report(3, Outliers::kSuccess);
  report(3, Outliers::kGatewayError, 4);
  EXPECT_FALSE(out(3));
}

TEST_F(OutliersTest, ItsReturnIsToldByTheNextAnswerOfAnyInstance) {
  instances(10);
  report(3, Outliers::kError, 5);
  pass(Duration::millis(29'999));
  report(0, Outliers::kSuccess);
  pass(Duration::millis(1));
  const auto events = report(0, Outliers::kSuccess);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_FALSE(events[0].ejected);
  EXPECT_EQ(events[0].name, "i3");
  EXPECT_TRUE(report(0, Outliers::kSuccess).empty());
}

TEST_F(OutliersTest, GatewayErrorsHaveARowOfTheirOwn) {
  instances(10);
  policy.consecutive_errors = 0;
  policy.consecutive_gateway_errors = 3;
  report(1, Outliers::kGatewayError, 2);
  report(1, Outliers::kError);
  report(1, Outliers::kGatewayError, 2);
  EXPECT_FALSE(out(1));
  const auto events = report(1, Outliers::kGatewayError);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].reason, Outliers::kGatewayErrors);
}

TEST_F(OutliersTest, EachEjectionIsLongerUpToTheLongestAndHealthyIntervalsMakeUpForThem) {
  instances(10);
  policy.max_ejection = Duration::seconds(75);
  for (int64_t seconds : {30, 60, 75}) {
    const auto events = report(3, Outliers::kError, 5);
    ASSERT_EQ(events.size(), 1u) << seconds;
    EXPECT_EQ(events[0].length, Duration::seconds(seconds));
    pass(Duration::seconds(seconds));
    report(0, Outliers::kSuccess);
  }
  EXPECT_EQ(endpoints[3].times(), 3u);
  for (uint32_t left : {3u, 2u, 1u, 0u, 0u}) {  // the first was well for a part only
    pass(Duration::seconds(10));
    report(0, Outliers::kSuccess);
    EXPECT_EQ(endpoints[3].times(), left);
  }
  EXPECT_EQ(report(3, Outliers::kError, 5)[0].length, Duration::seconds(30));
}

struct ShareCase {
  int instances;
  uint32_t percent;
  int out;  // of all, when all of them fail
};

TEST_F(OutliersTest, NeverMoreAreOutThanTheirShare) {
  for (const ShareCase& c : {ShareCase{1, 100, 0}, ShareCase{2, 10, 1}, ShareCase{2, 0, 1},
                             ShareCase{10, 10, 1}, ShareCase{10, 35, 3}, ShareCase{10, 100, 9}}) {
    endpoints.clear();
    names.clear();
    instances(c.instances);
    policy.max_ejection_percent = c.percent;
    for (size_t i = 0; i < endpoints.size(); ++i) report(i, Outliers::kError, 5);
    EXPECT_EQ(how_many_out(), c.out) << c.instances << " " << c.percent;
    pass(Duration::hours(1));
  }
  EXPECT_GT(outliers.withheld(), 0u);
}

TEST_F(OutliersTest, AnAnswerOfAnInstanceThatIsOutDoesNotLengthenIt) {
  instances(10);
  report(3, Outliers::kError, 5);
  const Instant until = endpoints[3].until();
  pass(Duration::seconds(5));
  report(3, Outliers::kError, 20);
  report(3, Outliers::kSuccess);
  EXPECT_EQ(endpoints[3].until(), until);
  EXPECT_EQ(endpoints[3].times(), 1u);
  // Nor does what came late throw it out again when it is back.
  report(3, Outliers::kError, 4);
  pass(Duration::seconds(25));
  report(0, Outliers::kSuccess);
  EXPECT_TRUE(report(3, Outliers::kError, 1).empty());
}

TEST_F(OutliersTest, ASuccessRateFarBelowTheOthersThrowsOut) {
  instances(6);
  policy.consecutive_errors = 0;
  policy.success_rate = model::OutlierDetection::SuccessRate{};
  report(0, Outliers::kSuccess);  // the first interval begins
  auto play = [this](int failures_of_last) {
    for (size_t i = 0; i < 6; ++i) {
      const int failures = i == 5 ? failures_of_last : 1;
      report(i, Outliers::kError, failures);
      report(i, Outliers::kSuccess, 100 - failures);
    }
    pass(Duration::seconds(10));
    return report(0, Outliers::kSuccess);
  };
  EXPECT_TRUE(play(1).empty());
  // 99, 99, 99, 99, 99, 60 of 100: mean 92.5, deviation 14.53; below 92.5 - 1.9 * 14.53 = 64.9.
  const auto events = play(40);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].name, "i5");
  EXPECT_EQ(events[0].reason, Outliers::kSuccessRate);
}

TEST_F(OutliersTest, RatesNeedEnoughInstancesWithEnoughRequests) {
  instances(5);
  policy.consecutive_errors = 0;
  policy.success_rate = model::OutlierDetection::SuccessRate{};
  policy.failure_percentage = model::OutlierDetection::FailurePercentage{};
  report(0, Outliers::kSuccess);
  for (size_t i = 0; i < 5; ++i) report(i, i == 4 ? Outliers::kError : Outliers::kSuccess, 49);
  pass(Duration::seconds(10));
  EXPECT_TRUE(report(0, Outliers::kSuccess).empty());
  for (size_t i = 1; i < 5; ++i) report(i, i == 4 ? Outliers::kError : Outliers::kSuccess, 200);
  pass(Duration::seconds(10));
  EXPECT_TRUE(report(0, Outliers::kSuccess).empty());
}

TEST_F(OutliersTest, AShareOfFailuresAboveTheThresholdThrowsTheWorstOut) {
  instances(10);
  policy.consecutive_errors = 0;
  policy.failure_percentage = model::OutlierDetection::FailurePercentage{};
  policy.max_ejection_percent = 20;
  report(0, Outliers::kSuccess);
  const int failures[] = {0, 84, 85, 90, 99, 0, 0, 0, 0, 0};
  for (size_t i = 0; i < 10; ++i) {
    report(i, Outliers::kError, failures[i]);
    report(i, Outliers::kSuccess, 100 - failures[i]);
  }
  pass(Duration::seconds(10));
  const auto events = report(0, Outliers::kSuccess);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].name, "i4");
  EXPECT_EQ(events[1].name, "i3");
  EXPECT_EQ(outliers.ejections(Outliers::kFailurePercentage), 2u);
}

// The end of an interval is nobody's moment: whoever comes first afterwards, to pick or to report, finds what a
// timer would have done then.
TEST_F(OutliersTest, AnIntervalIsClosedByTheNextPickAsOfItsEnd) {
  instances(10);
  policy.consecutive_errors = 0;
  policy.failure_percentage = model::OutlierDetection::FailurePercentage{};
  report(0, Outliers::kSuccess);  // the first interval begins
  const Instant end = now + Duration::seconds(10);
  for (size_t i = 0; i < 10; ++i) report(i, i == 4 ? Outliers::kError : Outliers::kSuccess, 100);
  pass(Duration::millis(9'999));
  EXPECT_FALSE(outliers.due(now));
  pass(Duration::seconds(13));
  ASSERT_TRUE(outliers.due(now));
  EXPECT_FALSE(out(4));
  const auto events = outliers.settle(policy, now, [this] { return members(); });
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].name, "i4");
  EXPECT_EQ(endpoints[4].until(), end + Duration::seconds(30)) << "not from now on";
  EXPECT_TRUE(out(4));
  EXPECT_FALSE(outliers.due(now));
}

TEST_F(OutliersTest, IntervalsWithoutTrafficForgiveAllTheSame) {
  instances(10);
  for (int i = 0; i < 2; ++i) {
    report(3, Outliers::kError, 5);
    pass(Duration::seconds(30));
  }
  EXPECT_EQ(endpoints[3].times(), 2u);
  pass(Duration::hours(1));
  report(0, Outliers::kSuccess);
  EXPECT_EQ(endpoints[3].times(), 0u);
  EXPECT_EQ(report(3, Outliers::kError, 5)[0].length, Duration::seconds(30));
}

// Two that hear the same answers: one has a timer, which looks every 50 ms, the other only what comes.
TEST(OutliersWithoutATimer, JudgeJustAsWithOne) {
  constexpr size_t kInstances = 8;
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6, 7, 8}) {
    SeededRandom random(seed);
    model::OutlierDetection policy;
    policy.interval = Duration::seconds(2);
    policy.base_ejection = Duration::millis(3'700);
    policy.max_ejection_percent = 50;
    policy.success_rate = {.min_instances = 3, .min_requests = 4, .stdev_factor = 1000};
    policy.failure_percentage = {.threshold = 60, .min_instances = 3, .min_requests = 4};
    struct Side {
      Outliers outliers;
      std::deque<Ejection> endpoints{kInstances};
      std::deque<std::string> names;
      std::string told;
      void note(const std::vector<Outliers::Event>& events) {
        for (const auto& event : events)
          told += event.name + (event.ejected ? " out " : " back ") +
                  std::to_string(event.length.ns) + " " + std::to_string(event.times) + "\n";
      }
      Outliers::Members members() {
        Outliers::Members all;
        for (size_t i = 0; i < kInstances; ++i) all.push_back({&endpoints[i], names[i]});
        return all;
      }
    } timed, lazy;
    for (size_t i = 0; i < kInstances; ++i) {
      timed.names.push_back("i" + std::to_string(i));
      lazy.names.push_back("i" + std::to_string(i));
    }
    Instant now{1'000'000'000'000};
    for (int n = 0; n < 3000; ++n) {
      // Mostly dense, sometimes nothing for many intervals. All times are those of the timer.
      const Duration gap =
          Duration::millis(50) *
          static_cast<int64_t>(random.below(100) == 0 ? random.below(400) : random.below(3));
      for (Duration passed{}; passed < gap;) {
        passed = passed + Duration::millis(50);
        const Instant tick = now + passed;
        if (timed.outliers.due(tick) && n > 0)
          timed.note(timed.outliers.settle(policy, tick, [&] { return timed.members(); }));
      }
      now = now + gap;
      const size_t at = random.below(kInstances);
      const bool fails = random.below(100) < (at < 3 ? 60 : 10);
      const auto outcome = fails ? Outliers::kError : Outliers::kSuccess;
      for (Side* side : {&timed, &lazy}) {
        side->note(side->outliers.report(side->endpoints[at], outcome, policy, now,
                                         [&] { return side->members(); }));
      }
      ASSERT_EQ(timed.told, lazy.told) << seed << " " << n;
      for (size_t i = 0; i < kInstances; ++i) {
        ASSERT_EQ(timed.endpoints[i].until(), lazy.endpoints[i].until()) << seed << " " << n;
        ASSERT_EQ(timed.endpoints[i].times(), lazy.endpoints[i].times()) << seed << " " << n;
      }
    }
    EXPECT_GT(lazy.outliers.ejections(Outliers::kSuccessRate), 0u);
    EXPECT_GT(lazy.outliers.ejections(Outliers::kErrors), 0u);
  }
}

TEST_F(OutliersTest, WorkersThatReportAtOnceNeverThrowOutMoreThanTheShare) {
  instances(10);
  policy.max_ejection_percent = 30;
  {
    std::vector<std::jthread> threads;
    for (size_t t = 0; t < 4; ++t) {
      threads.emplace_back([this, t] {
        for (int n = 0; n < 500; ++n) report((static_cast<size_t>(n) + t) % 10, Outliers::kError);
      });
    }
  }
  EXPECT_EQ(how_many_out(), 3);
}

}  // namespace
}  // namespace weft::steer
