#include "steer/outlier.h"

#include <gtest/gtest.h>

#include <deque>
#include <thread>

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
  for (uint32_t left : {2u, 1u, 0u, 0u}) {
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
