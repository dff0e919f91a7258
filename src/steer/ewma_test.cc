#include "steer/ewma.h"

#include <gtest/gtest.h>

#include "steer/pick.h"

namespace weft::steer {
namespace {

constexpr Instant at(int64_t millis) { return {1'000'000'000'000 + millis * 1'000'000}; }

TEST(PeakEwma, KnowsNothingBeforeTheFirstAnswer) { EXPECT_EQ(PeakEwma().cost(at(0)), 0); }

TEST(PeakEwma, JumpsUpToAPeakAtOnce) {
  PeakEwma ewma;
  ewma.observe(Duration::millis(10), at(0));
  EXPECT_NEAR(ewma.cost(at(0)), 0.010, 1e-6);
  ewma.observe(Duration::millis(400), at(1));
  EXPECT_NEAR(ewma.cost(at(1)), 0.400, 1e-6);
}

TEST(PeakEwma, ComesDownOverTenSeconds) {
  PeakEwma ewma;
  ewma.observe(Duration::seconds(1), at(0));
  EXPECT_NEAR(ewma.cost(at(10'000)), 0.367879, 1e-5);
  // Half of what is between them after 6.93 s: 0.5 * 1 + 0.5 * 0.1.
  ewma.observe(Duration::millis(100), at(6931));
  EXPECT_NEAR(ewma.cost(at(6931)), 0.55, 1e-3);
}

TEST(PeakEwma, ManySamplesWithinAMillisecondDecayAsOneDoes) {
  PeakEwma many, one;
  many.observe(Duration::seconds(1), at(0));
  one.observe(Duration::seconds(1), at(0));
  for (int64_t i = 1; i <= 10'000; ++i) {
    many.observe(Duration::nanos(1), at(0) + Duration::micros(i * 100));
  }
  EXPECT_NEAR(many.cost(at(1000)), one.cost(at(1000)), 0.01);
}

TEST(PeakEwma, AFailureIsRecordedAsALongLatency) {
  PeakEwma ewma;
  ewma.observe(Duration::millis(1), at(0));
  ewma.penalise(std::nullopt, at(1));
  EXPECT_NEAR(ewma.cost(at(1)), 5, 1e-3);
}

TEST(PeakEwma, ARetryAfterSetsThePenaltyUpToFiveMinutesAndNeverLowersTheCost) {
  PeakEwma ewma;
  ewma.penalise(Duration::seconds(30), at(0));
  EXPECT_NEAR(ewma.cost(at(0)), 30, 1e-3);
  ewma.penalise(Duration::millis(1), at(0));
  EXPECT_NEAR(ewma.cost(at(0)), 30, 1e-3);
  ewma.penalise(Duration::hours(5), at(0));
  EXPECT_NEAR(ewma.cost(at(0)), 300, 1e-3);
}

TEST(PeakEwmaLoad, AsksANewcomerOnceAndWaitsForItsAnswer) {
  EndpointHealth known, fresh;
  known.latency.observe(Duration::millis(50), at(0));
  EXPECT_LT(peak_ewma_load(fresh, at(0)), peak_ewma_load(known, at(0)));
  fresh.begin();
  EXPECT_GT(peak_ewma_load(fresh, at(0)), peak_ewma_load(known, at(0)));
  fresh.latency.observe(Duration::millis(10), at(0));
  EXPECT_LT(peak_ewma_load(fresh, at(0)), peak_ewma_load(known, at(0)));
}

TEST(PeakEwmaLoad, IsTheProductOfLatencyAndRequests) {
  EndpointHealth endpoint;
  endpoint.latency.observe(Duration::millis(20), at(0));
  endpoint.begin();
  endpoint.begin();
  EXPECT_NEAR(peak_ewma_load(endpoint, at(0)), 0.060, 1e-6);
}

}  // namespace
}  // namespace weft::steer
