// Ejection, retry storm and breaker, as the mesh as a whole sees them.
#include <gtest/gtest.h>

#include <algorithm>

#include "lab/figures.h"
#include "steer/binomial_test_support.h"

namespace weft::lab {
namespace {

const Pick kGood = [](const Sample& sample) { return sample.status == 200; };
const Pick kBad = [](const Sample& sample) { return sample.status != 200; };

Duration seconds(int64_t n) { return Duration::seconds(n); }

std::string policy(const std::string& sections) {
  return "apiVersion: weft.dev/v1\nkind: BackendPolicy\nmetadata: {name: cart}\nspec:\n"
         "  targetRefs: [{kind: Service, name: cart}]\n" +
         sections;
}

// There is one world at a time.
struct Played {
  std::vector<Sample> samples;
  std::vector<Arrival> arrivals;
};

size_t arrivals_between(const Played& lab, const std::string& prefix, Duration from, Duration to) {
  return static_cast<size_t>(
      std::count_if(lab.arrivals.begin(), lab.arrivals.end(), [&](const Arrival& arrival) {
        return arrival.endpoint.starts_with(prefix) && arrival.at >= from && arrival.at < to;
      }));
}

// One of five answers 503 from 10 s to 35 s. Round robin, which by itself would go on asking it.
Played play_failing_instance(const std::string& outlier_detection) {
  Lab lab(11);
  for (const char* name : {"cart-a", "cart-b", "cart-c", "cart-d", "cart-e"})
    lab.endpoint("cart", name);
  lab.caller("web");
  lab.apply(policy("  loadBalancing: {algorithm: RoundRobin}\n" + outlier_detection));
  lab.load({.from = "web", .to = "cart", .per_second = 50, .length = seconds(60)});
  lab.at(seconds(10), [&] { lab.behave("cart-c", {.failure_share = 1}); });
  lab.at(seconds(35), [&] { lab.behave("cart-c", {}); });
  lab.play();
  return {lab.samples(), lab.arrivals()};
}

TEST(Ejection, AnInstanceThatFailsIsThrownOutEverLongerAndReturns) {
  const Played without = play_failing_instance("");
  const Played with = play_failing_instance(
      "  outlierDetection: {consecutiveErrors: 5, baseEjection: 10s, "
      "interval: 5s}\n");
  // A fifth of 25 s fails without; five requests for each ejection with it, at 10 s and at 20 s.
  EXPECT_NEAR(share(without.samples, kBad, kAll) * 60 / 25, 0.2, 0.05);
  const auto failed = std::count_if(with.samples.begin(), with.samples.end(), kBad);
  EXPECT_EQ(failed, 10);
  // Out from soon after 10 s for 10 s, asked again, out for 20 s, then well again.
  EXPECT_EQ(arrivals_between(with, "cart-c", seconds(12), seconds(20)), 0u);
  EXPECT_EQ(arrivals_between(with, "cart-c", seconds(22), seconds(40)), 0u);
  EXPECT_NEAR(static_cast<double>(arrivals_between(with, "cart-c", seconds(45), seconds(60))),
              15 * 10, 30);
  EXPECT_EQ(share(between(with.samples, seconds(22), seconds(60)), kGood), 1);

  const Picture picture{
      .title = "An instance that fails is thrown out, and returns",
      .x = "seconds",
      .y = "requests per second that reach it",
      .lines = {{"without outlier detection",
                 arrival_rate(without.arrivals, "cart-c", seconds(60), seconds(2))},
                {"with it", arrival_rate(with.arrivals, "cart-c", seconds(60), seconds(2))}},
      .marks = {{10, "it fails"}, {35, "it is well"}}};
  EXPECT_EQ(check_picture("ejection", picture), "");
}

// Three instances that can do 154 requests a second together get 100; from 10 s to 30 s half of what they do
// fails. Tries that take too long are given up, but not by the instance.
Played play_storm(const std::string& budget) {
  Lab lab(12);
  const Behaviour well{.service = Duration::millis(39), .slots = 2};
  Behaviour half = well;
  half.failure_share = 0.5;
  half.failure_service = well.service;
  const std::vector<std::string> names = {"cart-a", "cart-b", "cart-c"};
  for (const std::string& name : names) lab.endpoint("cart", name, well);
  lab.caller("web");
  lab.apply(
      policy("  retries:\n    attempts: 4\n    perTryTimeout: 500ms\n"
             "    conditions: [Reset, GatewayError, Timeout]\n    budget: " +
             budget + "\n"));
  lab.load({.from = "web", .to = "cart", .per_second = 100, .length = seconds(50)});
  lab.at(seconds(10), [&lab, names, half] {
    for (const std::string& name : names) lab.behave(name, half);
  });
  lab.at(seconds(30), [&lab, names, well] {
    for (const std::string& name : names) lab.behave(name, well);
  });
  lab.play();
  return {lab.samples(), lab.arrivals()};
}

TEST(RetryStorm, ABudgetKeepsTheLoadAtOnePointTwoAndRecoversWithinTenSeconds) {
  const Played without = play_storm("{percent: 100, minPerSecond: 1000000}");
  const Played with = play_storm("{percent: 20, minPerSecond: 0}");
  const auto load = [](const Played& lab, Duration from, Duration to) {
    return static_cast<double>(arrivals_between(lab, "cart", from, to)) /
           static_cast<double>(between(lab.samples, from, to).size());
  };
  EXPECT_LE(load(with, seconds(10), seconds(30)), 1.2);
  EXPECT_GE(load(with, seconds(10), seconds(30)), 1.15);
  // Nor in any part of it as long as the budget looks back, or longer.
  for (int from = 0; from <= 40; ++from) {
    for (int to = from + 10; to <= 50; ++to)
      EXPECT_LE(load(with, seconds(from), seconds(to)), 1.2) << from << " s to " << to << " s";
  }
  EXPECT_GE(load(without, seconds(10), seconds(30)), 1.4);
  EXPECT_GE(share(between(with.samples, seconds(30), seconds(40)), kGood), 0.95);
  EXPECT_EQ(share(between(with.samples, seconds(40), seconds(50)), kGood), 1);
  // Without a budget the retries alone keep the instances overloaded after the cause is gone.
  EXPECT_LE(share(between(without.samples, seconds(30), seconds(40)), kGood), 0.5);

  const auto arrivals = [](const Played& lab) {
    return arrival_rate(lab.arrivals, "cart", seconds(50), seconds(1));
  };
  const auto goodput = [](const Played& lab) {
    return over_time(lab.samples, seconds(50), seconds(1), [](const std::vector<Sample>& all) {
      return static_cast<double>(std::count_if(all.begin(), all.end(), kGood));
    });
  };
  const Picture picture{.title = "A storm of retries, and what a budget makes of it",
                        .x = "seconds",
                        .y = "requests per second",
                        .lines = {{"load without a budget", arrivals(without)},
                                  {"load with 20 %", arrivals(with)},
                                  {"answered well without", goodput(without)},
                                  {"answered well with", goodput(with)}},
                        .marks = {{10, "half fails"}, {30, "all is well"}}};
  EXPECT_EQ(check_picture("retry-storm", picture), "");
}

// Four of five refuse for twenty seconds. Whoever believes that buries the fifth; below the panic threshold
// everybody is asked, and afterwards only those that serve, by then all.
TEST(Panic, BelowTheThresholdNobodyIsBuriedAndItEnds) {
  const auto play = [](const std::string& percent) {
    Lab lab(14);
    const std::vector<std::string> names = {"cart-a", "cart-b", "cart-c", "cart-d", "cart-e"};
    for (const std::string& name : names) lab.endpoint("cart", name);
    lab.caller("web");
    lab.apply(policy("  loadBalancing: {algorithm: Random}\n  locality: {panicPercent: " + percent +
                     "}\n  outlierDetection: {consecutiveErrors: 3, baseEjection: 20s, "
                     "maxEjectionPercent: 100}\n"));
    lab.load({.from = "web", .to = "cart", .per_second = 100, .length = seconds(60)});
    lab.at(seconds(10), [&lab, names] {
      for (size_t i = 1; i < names.size(); ++i) lab.behave(names[i], {.failure_share = 1});
    });
    lab.at(seconds(30), [&lab, names] {
      for (const std::string& name : names) lab.behave(name, {});
    });
    lab.play();
    return Played{lab.samples(), lab.arrivals()};
  };
  const auto at_a = [](const Played& lab, Duration from, Duration to) {
    return static_cast<double>(arrivals_between(lab, "cart-a", from, to)) /
           static_cast<double>(arrivals_between(lab, "cart", from, to));
  };
  const Played believes = play("0"), panics = play("50");
  EXPECT_GE(at_a(believes, seconds(12), seconds(29)), 0.95);
  // A fifth of 1 700 draws; three of five are out (one more would be below the half), so health is not asked.
  const steer::Bounds fair =
      steer::binomial_bounds(arrivals_between(panics, "cart", seconds(12), seconds(29)), 0.2, 1e-9);
  const size_t at = arrivals_between(panics, "cart-a", seconds(12), seconds(29));
  EXPECT_GE(at, fair.least);
  EXPECT_LE(at, fair.most);
  for (const Played* played : {&believes, &panics}) {
    EXPECT_EQ(share(between(played->samples, seconds(52), seconds(60)), kGood), 1);
    EXPECT_NEAR(at_a(*played, seconds(52), seconds(60)), 0.2, 0.1);
  }
}

TEST(Breaker, OpensWhileAServiceIsSlowAndClosesAgain) {
  Lab lab(13);
  lab.endpoint("cart", "cart-a");
  lab.caller("web");
  lab.apply(policy("  circuitBreaker: {maxRequests: 10}\n"));
  lab.load({.from = "web", .to = "cart", .per_second = 20, .length = seconds(30)});
  lab.at(seconds(5), [&] { lab.behave("cart-a", {.service = seconds(2)}); });
  lab.at(seconds(15), [&] { lab.behave("cart-a", {}); });
  lab.play();
  const Played played{lab.samples(), lab.arrivals()};
  const Pick refused = [](const Sample& sample) {
    return sample.status == 503 && sample.endpoint.empty();
  };
  EXPECT_EQ(share(between(played.samples, {}, seconds(5)), kGood), 1);
  const auto slow = between(played.samples, seconds(7), seconds(15));
  EXPECT_GT(share(slow, refused), 0.5);
  EXPECT_LT(latency_ms(slow, 1, refused), 20);
  // Never more than ten at once: at most ten for each two seconds or so that one takes.
  EXPECT_LE(arrivals_between(played, "cart", seconds(7), seconds(15)), 80u);
  EXPECT_EQ(share(between(played.samples, seconds(25), seconds(30)), kGood), 1);
}

}  // namespace
}  // namespace weft::lab
