#include "steer/endpoint_health.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <thread>
#include <vector>

namespace weft::steer {
namespace {

constexpr Instant at(int64_t millis) {
  return Instant{} + Duration::seconds(100) + Duration::millis(millis);
}

TEST(EndpointHealth, AnUntriedEndpointMayAlwaysBePicked) {
  EndpointHealth health;
  EXPECT_TRUE(health.claim(at(0)));
  EXPECT_TRUE(health.claim(at(0)));
  EXPECT_FALSE(health.resting(at(0)));
}

TEST(EndpointHealth, AFailureLeavesItOutForHalfASecond) {
  EndpointHealth health;
  health.failed(at(0));
  EXPECT_TRUE(health.resting(at(499)));
  EXPECT_FALSE(health.claim(at(499)));
  EXPECT_TRUE(health.claim(at(500)));
}

TEST(EndpointHealth, OnlyOneRequestTriesItWhenItsRestIsOver) {
  EndpointHealth health;
  health.failed(at(0));
  EXPECT_TRUE(health.claim(at(600)));
  EXPECT_FALSE(health.claim(at(600)));
  EXPECT_FALSE(health.claim(at(1500)));
}

TEST(EndpointHealth, ATrialThatNeverReportsIsFollowedByAnother) {
  EndpointHealth health;
  health.failed(at(0));
  EXPECT_TRUE(health.claim(at(600)));
  EXPECT_TRUE(health.claim(at(1601)));
}

TEST(EndpointHealth, ASuccessfulTrialOpensItForAll) {
  EndpointHealth health;
  health.failed(at(0));
  ASSERT_TRUE(health.claim(at(600)));
  health.succeeded();
  EXPECT_TRUE(health.claim(at(601)));
  EXPECT_TRUE(health.claim(at(601)));
}

TEST(EndpointHealth, TheRestDoublesWithEachFailedTrialUpToHalfAMinute) {
  EndpointHealth health;
  int64_t now = 0;
  for (int64_t rest : {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000}) {
    health.failed(at(now));
    EXPECT_FALSE(health.claim(at(now + rest - 1))) << rest;
    EXPECT_TRUE(health.claim(at(now + rest))) << rest;
    now += rest + 10;
  }
}

TEST(EndpointHealth, FailuresThatArriveTogetherCountOnce) {
  EndpointHealth health;
  for (int i = 0; i < 50; ++i) health.failed(at(i));
  EXPECT_TRUE(health.claim(at(500)));
}

TEST(EndpointHealth, CountsWhatIsInFlight) {
  EndpointHealth health;
  {
    InFlight first(health);
    InFlight second(health);
    EXPECT_EQ(health.active(), 2u);
  }
  EXPECT_EQ(health.active(), 0u);
}

TEST(EndpointHealth, OfFailuresThatWorkersSeeAtOnceOneCountsAndOneOfThemTriesAgain) {
  constexpr int kWorkers = 4, kRounds = 500;
  std::vector<EndpointHealth> endpoints(kRounds);
  std::vector<std::atomic<int>> trials(kRounds);
  std::barrier together(kWorkers);
  std::vector<std::thread> workers;
  for (int i = 0; i < kWorkers; ++i) {
    workers.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        EndpointHealth& health = endpoints[static_cast<size_t>(round)];
        const InFlight in_flight(health);
        together.arrive_and_wait();
        health.failed(at(0));
        together.arrive_and_wait();
        if (health.claim(at(500))) ++trials[static_cast<size_t>(round)];
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  for (size_t round = 0; round < kRounds; ++round) {
    EXPECT_EQ(trials[round].load(), 1);
    EXPECT_EQ(endpoints[round].active(), 0u);
  }
}

}  // namespace
}  // namespace weft::steer
