// One endpoint of ten becomes fifty times slower. Who takes turns sends it every tenth request whatever
// happens; who weighs latency lets it alone after the first slow answers.
#include "lab/scene.h"

namespace weft::lab {
namespace {

constexpr Duration kLength = Duration::seconds(10), kSlowFrom = Duration::seconds(3);

std::vector<Sample> play(const std::string& algorithm) {
  Lab lab(11);
  for (int i = 0; i < 10; ++i) lab.endpoint("cart", "cart-" + std::to_string(i));
  lab.caller("web");
  lab.apply(backend_policy("cart", "loadBalancing: {algorithm: " + algorithm + "}"));
  lab.load({.from = "web", .to = "cart", .per_second = 150, .length = kLength});
  lab.at(kSlowFrom, [&] { lab.behave("cart-3", {.service = Duration::millis(500)}); });
  lab.play();
  return lab.samples();
}

std::vector<Point> p99(const std::vector<Sample>& samples) {
  return over_time(samples, kLength, Duration::millis(500),
                   [](const std::vector<Sample>& some) { return latency_ms(some, 0.99); });
}

TEST(SlowEndpointScene, PeakEwmaKeepsTheTailThatRoundRobinLoses) {
  const auto ewma = play("PeakEwma"), turns = play("RoundRobin");
  for (const auto& samples : {ewma, turns}) {
    EXPECT_EQ(share(samples, kOk), 1);
    EXPECT_LT(latency_ms(between(samples, {}, kSlowFrom), 0.99), 60);
  }
  // A second after it began.
  const Duration known = kSlowFrom + Duration::seconds(1);
  const auto ewma_after = between(ewma, known, kLength),
             turns_after = between(turns, known, kLength);
  EXPECT_LT(latency_ms(ewma_after, 0.99), 80);
  EXPECT_GT(latency_ms(turns_after, 0.99), 500);
  EXPECT_LT(share(ewma_after, answered_by("cart-3")), 0.01);
  EXPECT_NEAR(share(turns_after, answered_by("cart-3")), 0.10, 0.02);
  expect_picture("slow-endpoint",
                 {.title = "One endpoint of ten becomes 50 times slower",
                  .x = "seconds",
                  .y = "99th percentile of latency, ms",
                  .lines = {{"PeakEwma (default)", p99(ewma)}, {"RoundRobin", p99(turns)}},
                  .marks = {{kSlowFrom.to_seconds_f(), "cart-3: 10 ms → 500 ms"}},
                  .log_y = true});
}

}  // namespace
}  // namespace weft::lab
