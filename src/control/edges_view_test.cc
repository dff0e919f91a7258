#include "control/edges_view.h"

#include <gtest/gtest.h>

namespace weft::control {
namespace {

const EdgeKey kWebToCart{"spiffe://t/ns/default/sa/web", "spiffe://t/ns/default/sa/cart",
                         "cart.default", 80, "http"};

EdgeCounts requests(uint64_t n, int32_t bucket = 160) {
  EdgeCounts counts;
  counts.requests = n;
  counts.latency.buckets[bucket] = n;
  counts.latency.count = n;
  return counts;
}

Instant at(int64_t seconds) { return Instant{} + Duration::seconds(1'000'000 + seconds); }

TEST(EdgesView, AWindowForgetsWhatIsOlderAndTheTotalDoesNot) {
  EdgesView view;
  view.add(kWebToCart, false, true, requests(100), at(0));
  view.add(kWebToCart, false, true, requests(10), at(55));
  auto rows = view.rows(Duration::minutes(1), at(56));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].recent.requests, 110u);
  EXPECT_EQ(view.rows(Duration::seconds(10), at(56))[0].recent.requests, 10u);
  EXPECT_EQ(view.rows(Duration::minutes(1), at(70))[0].recent.requests, 10u);
  EXPECT_EQ(view.rows(Duration::minutes(1), at(200))[0].recent.requests, 0u);
  EXPECT_EQ(view.rows(Duration::minutes(1), at(200))[0].total.requests, 110u);
}

TEST(EdgesView, TheCallersViewIsShownOnceAlthoughBothEndsReport) {
  EdgesView view;
  view.add(kWebToCart, false, true, requests(5), at(0));
  EdgeKey callee = kWebToCart;
  callee.service.clear();
  view.add(kWebToCart, true, true, requests(4), at(0));
  view.add(callee, true, true, requests(4), at(0));
  auto rows = view.rows(Duration::minutes(1), at(1));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].recent.requests, 5u);
}

TEST(EdgesView, TheCalleesViewFillsInForACallerThatDoesNotReport) {
  EdgesView view;
  view.add(kWebToCart, true, true, requests(4), at(0));
  auto rows = view.rows(Duration::minutes(1), at(1));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].recent.requests, 4u);
}

TEST(EdgesView, AYoungEdgeIsNotAveragedOverTimeBeforeItExisted) {
  EdgesView view;
  view.add(kWebToCart, false, true, requests(4), at(0));
  EXPECT_EQ(view.rows(Duration::minutes(1), at(20))[0].covered, Duration::seconds(20));
  EXPECT_EQ(view.rows(Duration::minutes(1), at(500))[0].covered, Duration::minutes(1));
}

TEST(EdgesView, AtMostSoManyEdgesAreKeptAndTheQuietestGoes) {
  EdgesView view;
  EdgeKey key = kWebToCart;
  for (size_t i = 0; i < EdgesView::kEdges + 1; ++i) {
    key.port = static_cast<uint32_t>(i);
    view.add(key, false, true, {}, at(static_cast<int64_t>(i)));
  }
  auto rows = view.rows(Duration::minutes(1), at(100'000));
  EXPECT_EQ(rows.size(), EdgesView::kEdges);
  EXPECT_EQ(rows.front().key.port, 1u);
}

// Bucket 160 ends at 2^(161/8) ns = 1 143 480 ns.
TEST(EdgesView, LatenciesOfAWindowAreMerged) {
  EdgesView view;
  view.add(kWebToCart, false, true, requests(99, 80), at(0));
  view.add(kWebToCart, false, true, requests(1, 160), at(7));
  auto recent = view.rows(Duration::minutes(1), at(8))[0].recent;
  EXPECT_EQ(recent.latency.count, 100u);
  EXPECT_NEAR(static_cast<double>(recent.latency.quantile(1).ns), 1'143'480, 1);
  EXPECT_LT(recent.latency.quantile(0.9).ns, 1200);
}

}  // namespace
}  // namespace weft::control
