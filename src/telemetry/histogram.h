// Exponential histogram of durations: bucket i holds (2^(i/8), 2^((i+1)/8)] nanoseconds, so any quantile
// is known within 9 % (OpenTelemetry data model, scale 3), and two histograms merge exactly.
// Fixed range 256 ns to 4.9 h (below and above are clamped into the end buckets): 288 cells of 4 bytes.
//
// Threading: one thread records; any thread may read a snapshot meanwhile (relaxed atomics: a snapshot
// is a consistent lower bound, never torn).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>

#include "base/time.h"

namespace weft::telemetry {

constexpr int kFirstBucket = 64;  // (2^8, ...] ns
constexpr int kBucketEnd = 352;   // 2^44 ns
constexpr size_t kBucketCount = kBucketEnd - kFirstBucket;

// The bucket a duration falls into, clamped to the range.
int bucket_of(Duration value);
// Upper bound of a bucket in nanoseconds.
double bucket_bound_ns(int bucket);

// A histogram at rest: sparse, mergeable.
struct HistogramData {
  std::map<int, uint64_t> buckets;
  uint64_t count = 0;
  uint64_t sum_ns = 0;

  void merge(const HistogramData& other);
  // What was added since `earlier` (a previous snapshot of the same histogram).
  HistogramData since(const HistogramData& earlier) const;
  // Smallest bucket bound at or above the q-quantile (0 < q <= 1); zero when empty.
  Duration quantile(double q) const;
};

class Histogram {
 public:
  void record(Duration value);
  HistogramData snapshot() const;

 private:
  std::array<std::atomic<uint32_t>, kBucketCount> cells_{};
  std::atomic<uint64_t> sum_ns_{0};
};

}  // namespace weft::telemetry
