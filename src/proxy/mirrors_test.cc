// How often each mirror is drawn: exact binomial bounds at one in a million on either side, fixed seeds.
#include "proxy/mirrors.h"

#include <gtest/gtest.h>

#include "steer/binomial_test_support.h"

namespace weft::proxy {
namespace {

model::Mirror mirror(uint32_t share, bool invalid = false) {
  return {.service = {"default", "next"}, .port = 80, .share = share, .invalid = invalid};
}

TEST(Mirrors, EachIsDrawnForItselfByItsShare) {
  constexpr uint64_t kDraws = 100'000;
  for (const uint32_t share : {1'000u, 12'500u, 333'333u, 500'000u, 990'000u}) {
    SeededRandom random(share);
    uint64_t first = 0, both = 0;
    for (uint64_t i = 0; i < kDraws; ++i) {
      MirrorCopies copies;
      draw_copies({mirror(share), mirror(share)}, "default/r/0", {}, random, copies);
      both += copies.size() == 2;
      copies.clear();
      draw_copies({mirror(share)}, "default/r/0", {}, random, copies);
      first += copies.size();
    }
    const double p = share / 1e6;
    const steer::Bounds single = steer::binomial_bounds(kDraws, p);
    EXPECT_GE(first, single.least) << share;
    EXPECT_LE(first, single.most) << share;
    const steer::Bounds pair = steer::binomial_bounds(kDraws, p * p);
    EXPECT_GE(both, pair.least) << share;
    EXPECT_LE(both, pair.most) << share;
  }
}

TEST(Mirrors, AllMeansAllAndNoneMeansNone) {
  SeededRandom random(1);
  MirrorCopies copies;
  for (int i = 0; i < 10'000; ++i) {
    draw_copies({mirror(0), mirror(1'000'000), mirror(1'000'000, true)}, "default/r/0", {}, random,
                copies);
  }
  EXPECT_EQ(copies.size(), 10'000u);
  EXPECT_EQ(copies[0].service.to_string(), "next.default");
  EXPECT_EQ(copies[0].port, 80);
  EXPECT_EQ(copies[0].route, "default/r/0");
}

}  // namespace
}  // namespace weft::proxy
