// A caller whose own zone loses its instances one after the other, and gets them back. Up to 29 % lost, the
// zone takes everything (overprovisioning 140 %); then the other zone takes what is missing.
#include "lab/scene.h"
#include "steer/locality.h"

namespace weft::lab {
namespace {

constexpr Duration kLength = Duration::seconds(24);
constexpr int kEach = 4;

Labels zone(const std::string& name) {
  return {{steer::kZoneLabel, name}, {steer::kRegionLabel, "eu"}};
}

Pick in_zone(char letter) {
  return [letter](const Sample& sample) {
    return sample.endpoint.starts_with(std::string("cart-") + letter);
  };
}

TEST(ZoneLossScene, TheOtherZoneTakesWhatTheOwnHasNoCapacityFor) {
  Lab lab(12);
  for (int i = 0; i < kEach; ++i) {
    lab.endpoint("cart", "cart-a" + std::to_string(i), {}, zone("a"));
    lab.endpoint("cart", "cart-b" + std::to_string(i), {}, zone("b"));
  }
  lab.caller("web", zone("a"));
  lab.load({.from = "web", .to = "cart", .per_second = 60, .length = kLength});
  const auto die = [&](int i) { lab.mesh().kill("cart-a" + std::to_string(i)); };
  lab.at(Duration::seconds(3), [&] { die(0); });
  lab.at(Duration::seconds(6), [&] { die(1); });
  lab.at(Duration::seconds(9), [&] {
    die(2);
    die(3);
  });
  lab.at(Duration::seconds(14), [&] {
    for (int i = 0; i < kEach; ++i) {
      lab.mesh().open_app("cart-a" + std::to_string(i));
      lab.mesh().restart_sidecar("cart-a" + std::to_string(i));
    }
  });
  lab.play();

  const auto part = [&](int from, int to, char letter) {
    return share(between(lab.samples(), Duration::seconds(from), Duration::seconds(to)),
                 in_zone(letter));
  };
  EXPECT_GE(share(lab.samples(), kOk), 0.99);
  EXPECT_EQ(part(0, 3, 'a'), 1);
  EXPECT_GE(part(4, 6, 'a'), 0.99);        // 3 of 4 times 1.4
  EXPECT_NEAR(part(7, 9, 'a'), 0.7, 0.1);  // 2 of 4 times 1.4
  EXPECT_NEAR(part(7, 9, 'b'), 0.3, 0.1);
  EXPECT_EQ(part(10, 14, 'b'), 1);
  EXPECT_GE(part(22, 24, 'a'), 0.99);

  const auto over = [&](const Pick& pick) {
    return over_time(lab.samples(), kLength, Duration::seconds(1),
                     [&](const std::vector<Sample>& some) { return share(some, pick) * 100; });
  };
  expect_picture("zone-loss",
                 {.title = "A caller in zone a, with four instances there and four in zone b",
                  .x = "seconds",
                  .y = "percent of the requests",
                  .lines = {{"answered in zone a", over(in_zone('a'))},
                            {"answered in zone b", over(in_zone('b'))},
                            {"failed", over([](const Sample& s) { return s.status != 200; })}},
                  .marks = {{3, "1 of a lost"}, {6, "2 lost"}, {9, "all lost"}, {14, "back"}}});
}

}  // namespace
}  // namespace weft::lab
