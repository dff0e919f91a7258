// A fifth instance joins four, cold: its answers take ten times as long at first and reach their pace over
// eight seconds. With slow start its share grows as it warms up.
#include "lab/scene.h"

namespace weft::lab {
namespace {

constexpr Duration kLength = Duration::seconds(16), kJoins = Duration::seconds(3),
                   kCold = Duration::seconds(8);

std::vector<Sample> play(const std::string& sections) {
  Lab lab(13);
  for (int i = 0; i < 4; ++i) lab.endpoint("cart", "cart-" + std::to_string(i));
  lab.caller("web");
  lab.apply(backend_policy("cart", sections));
  lab.load({.from = "web", .to = "cart", .per_second = 120, .length = kLength});
  lab.at(kJoins, [&] { lab.endpoint("cart", "cart-new", {.service = Duration::millis(100)}); });
  for (int step = 1; step <= 9; ++step) {
    lab.at(kJoins + kCold * step / 9,
           [&, step] { lab.behave("cart-new", {.service = Duration::millis(100 - 10 * step)}); });
  }
  lab.play();
  return lab.samples();
}

TEST(SlowStartScene, TheShareOfANewcomerGrowsAsItWarmsUp) {
  const auto plain = play("loadBalancing: {algorithm: RoundRobin}");
  const auto slow = play("loadBalancing: {algorithm: RoundRobin}\n  slowStart: {window: 8s}");
  const auto part = [](const std::vector<Sample>& samples, int64_t from, int64_t to) {
    return share(between(samples, Duration::seconds(from), Duration::seconds(to)),
                 answered_by("cart-new"));
  };
  for (const auto& samples : {plain, slow}) {
    EXPECT_EQ(share(samples, kOk), 1);
    EXPECT_EQ(part(samples, 0, 3), 0);
    EXPECT_NEAR(part(samples, 13, 16), 0.2, 0.03);
  }
  EXPECT_NEAR(part(plain, 5, 7), 0.2, 0.04);
  EXPECT_LT(part(slow, 4, 5), 0.07);
  // About half way: 0.5 of a fifth of 4.5.
  EXPECT_NEAR(part(slow, 6, 9), 0.11, 0.04);
  const auto over = [](const std::vector<Sample>& samples) {
    return over_time(samples, kLength, Duration::seconds(1), [](const std::vector<Sample>& some) {
      return share(some, answered_by("cart-new")) * 100;
    });
  };
  expect_picture("slow-start",
                 {.title = "A fifth instance joins four and warms up for 8 seconds",
                  .x = "seconds",
                  .y = "percent of the requests that it gets",
                  .lines = {{"RoundRobin", over(plain)}, {"with slowStart 8 s", over(slow)}},
                  .marks = {{3, "joins"}}});
}

}  // namespace
}  // namespace weft::lab
