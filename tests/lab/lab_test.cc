// The laboratory itself: it repeats, its endpoints do what they are told, and a picture holds its figures.
#include <gtest/gtest.h>

#include "lab/figures.h"

namespace weft::lab {
namespace {

TEST(Lab, TheSameSeedGivesTheSameSamples) {
  auto play = [](uint64_t seed) {
    Lab lab(seed);
    lab.endpoint("cart", "cart-a");
    lab.endpoint("cart", "cart-b", {.failure_share = 0.2});
    lab.caller("web");
    lab.load({.from = "web", .to = "cart", .per_second = 50, .length = Duration::seconds(2)});
    lab.play();
    std::string text;
    for (const Sample& sample : lab.samples()) {
      text += std::to_string(sample.at.ns) + " " + std::to_string(sample.latency.ns) + " " +
              std::to_string(sample.status) + " " + sample.endpoint + "\n";
    }
    return text;
  };
  const std::string first = play(3);
  EXPECT_EQ(first, play(3));
  EXPECT_NE(first, play(4));
}

TEST(Lab, AnEndpointWithOneSlotAnswersOneAfterTheOther) {
  Lab lab(5);
  lab.endpoint("cart", "cart-a", {.service = Duration::millis(20), .slots = 1});
  lab.caller("web");
  // Twice what it can do: the line grows, so the last waits for about half of all.
  lab.load({.from = "web", .to = "cart", .per_second = 100, .length = Duration::seconds(2)});
  lab.play();
  const auto& samples = lab.samples();
  EXPECT_GT(samples.size(), 160u);
  EXPECT_LT(samples.size(), 240u);
  EXPECT_EQ(lab.arrivals().size(), samples.size());
  EXPECT_LT(latency_ms(between(samples, {}, Duration::millis(200)), 0.5), 300);
  EXPECT_GT(latency_ms(between(samples, Duration::millis(1800), Duration::seconds(2)), 0.5), 1000);
}

TEST(Lab, WhatIsScriptedHappensAtItsTime) {
  Lab lab(6);
  lab.endpoint("cart", "cart-a", {.service = Duration::millis(2)});
  lab.caller("web");
  lab.load({.from = "web", .to = "cart", .per_second = 100, .length = Duration::seconds(2)});
  lab.at(Duration::seconds(1), [&] { lab.behave("cart-a", {.failure_share = 1}); });
  lab.play();
  const Pick good = [](const Sample& sample) { return sample.status == 200; };
  EXPECT_EQ(share(between(lab.samples(), {}, Duration::millis(950)), good), 1);
  EXPECT_EQ(share(between(lab.samples(), Duration::millis(1010), Duration::seconds(3)), good), 0);
}

TEST(Figures, QuantilesAreByNearestRank) {
  std::vector<Sample> samples;
  for (int i = 1; i <= 10; ++i) samples.push_back({{}, Duration::millis(i), 200, "web", "a"});
  EXPECT_EQ(latency_ms(samples, 0.5), 5);
  EXPECT_EQ(latency_ms(samples, 0.99), 10);
  EXPECT_EQ(latency_ms(samples, 0), 1);
  EXPECT_EQ(latency_ms({}, 0.5), 0);
}

TEST(Picture, HoldsTheFiguresOfItsLines) {
  const Picture picture{.title = "a < b",
                        .x = "s",
                        .y = "ms",
                        .lines = {{"one", {{0, 1}, {1, 2.5}}}, {"two", {{0, 30}, {1, 400}}}},
                        .marks = {{0.5, "now"}},
                        .log_y = true};
  const std::string svg = picture.svg();
  EXPECT_NE(svg.find("a &lt; b"), std::string::npos);
  const std::vector<Line> lines = lines_in(svg);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].name, "one");
  ASSERT_EQ(lines[1].points.size(), 2u);
  EXPECT_EQ(lines[1].points[1].x, 1);
  EXPECT_EQ(lines[1].points[1].y, 400);
}

}  // namespace
}  // namespace weft::lab
