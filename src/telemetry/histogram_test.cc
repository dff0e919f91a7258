#include "telemetry/histogram.h"

#include <gtest/gtest.h>

#include <cmath>

namespace weft::telemetry {
namespace {

TEST(Histogram, EveryValueLiesWithinTheBoundsOfItsBucket) {
  for (int64_t v = 300; v < 4'000'000'000'000; v += v / 37 + 1) {
    const int bucket = bucket_of(Duration::nanos(v));
    EXPECT_LE(static_cast<double>(v), bucket_bound_ns(bucket) * (1 + 1e-9)) << v;
    EXPECT_GT(static_cast<double>(v), bucket_bound_ns(bucket - 1) * (1 - 1e-9)) << v;
  }
}

TEST(Histogram, APowerOfTwoBelongsToTheBucketItBounds) {
  EXPECT_EQ(bucket_of(Duration::nanos(1 << 20)), 159);
  EXPECT_EQ(bucket_of(Duration::nanos((1 << 20) + 1)), 160);
  EXPECT_DOUBLE_EQ(bucket_bound_ns(159), std::exp2(20));
}

TEST(Histogram, ValuesOutsideTheRangeAreClampedNotLost) {
  Histogram h;
  h.record(Duration::nanos(-5));
  h.record(Duration::nanos(0));
  h.record(Duration::hours(100));
  const HistogramData data = h.snapshot();
  EXPECT_EQ(data.count, 3u);
  EXPECT_EQ(data.buckets.begin()->first, kFirstBucket);
  EXPECT_EQ(data.buckets.rbegin()->first, kBucketEnd - 1);
}

TEST(Histogram, QuantilesAreWithinOneBucketOfTheTruth) {
  Histogram h;
  for (int i = 1; i <= 1000; ++i) h.record(Duration::micros(i));
  const HistogramData data = h.snapshot();
  const double p50 = data.quantile(0.5).to_seconds_f() * 1e6;
  const double p99 = data.quantile(0.99).to_seconds_f() * 1e6;
  EXPECT_NEAR(p50, 500, 500 * 0.0906);
  EXPECT_NEAR(p99, 990, 990 * 0.0906);
  EXPECT_GE(p50, 499.9);
  EXPECT_EQ(HistogramData{}.quantile(0.5).ns, 0);
}

TEST(Histogram, MergingEqualsRecordingEverythingInOne) {
  Histogram a, b, both;
  for (int i = 1; i < 500; ++i) {
    (i % 3 ? a : b).record(Duration::micros(i * i));
    both.record(Duration::micros(i * i));
  }
  HistogramData merged = a.snapshot();
  merged.merge(b.snapshot());
  EXPECT_EQ(merged.buckets, both.snapshot().buckets);
  EXPECT_EQ(merged.sum_ns, both.snapshot().sum_ns);
}

TEST(Histogram, TheDifferenceOfTwoSnapshotsIsWhatCameBetween) {
  Histogram h;
  h.record(Duration::millis(1));
  const HistogramData before = h.snapshot();
  h.record(Duration::millis(1));
  h.record(Duration::millis(50));
  const HistogramData delta = h.snapshot().since(before);
  EXPECT_EQ(delta.count, 2u);
  EXPECT_EQ(delta.sum_ns, 51'000'000u);
  EXPECT_EQ(delta.buckets.size(), 2u);
}

}  // namespace
}  // namespace weft::telemetry
