// Recording costs a count-leading-zeros, at most eight compares and two uncontended stores: a few
// nanoseconds, no allocation. Cells are 32 bits: a single sidecar edge needs four billion requests in one
// bucket to wrap, and readers take differences modulo that.
#include "telemetry/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace weft::telemetry {

namespace {

// 2^(k/8) in 1.31 fixed point, k = 1..7: where the eight parts of an octave begin.
constexpr std::array<uint32_t, 7> kOctaveParts = {
    2341847524u, 2553802834u, 2784941738u, 3037000500u, 3311872529u, 3611622603u, 3938502376u};

}  // namespace

int bucket_of(Duration value) {
  if (value.ns <= 1) return kFirstBucket;
  const auto v = static_cast<uint64_t>(value.ns);
  const int octave = 63 - std::countl_zero(v);
  // Bounds belong to the bucket below them; only whole powers of two hit a bound exactly.
  if (std::has_single_bit(v)) return std::clamp(octave * 8 - 1, kFirstBucket, kBucketEnd - 1);
  const auto mantissa = static_cast<uint32_t>((v << (63 - octave)) >> 32);
  int part = 0;
  while (part < 7 && mantissa >= kOctaveParts[static_cast<size_t>(part)]) ++part;
  return std::clamp(octave * 8 + part, kFirstBucket, kBucketEnd - 1);
}

double bucket_bound_ns(int bucket) { return std::exp2((bucket + 1) / 8.0); }

void HistogramData::merge(const HistogramData& other) {
  for (const auto& [bucket, n] : other.buckets) buckets[bucket] += n;
  count += other.count;
  sum_ns += other.sum_ns;
}

HistogramData HistogramData::since(const HistogramData& earlier) const {
  HistogramData result;
  for (const auto& [bucket, n] : buckets) {
    const auto before = earlier.buckets.find(bucket);
    const uint64_t base = before == earlier.buckets.end() ? 0 : before->second;
    if (n > base) {
      result.buckets[bucket] = n - base;
      result.count += n - base;
    }
  }
  result.sum_ns = sum_ns - std::min(sum_ns, earlier.sum_ns);
  return result;
}

Duration HistogramData::quantile(double q) const {
  const auto rank = static_cast<uint64_t>(std::ceil(q * static_cast<double>(count)));
  uint64_t seen = 0;
  for (const auto& [bucket, n] : buckets) {
    seen += n;
    if (seen >= rank && rank > 0) {
      return Duration::nanos(static_cast<int64_t>(bucket_bound_ns(bucket)));
    }
  }
  return {};
}

void Histogram::record(Duration value) {
  auto& cell = cells_[static_cast<size_t>(bucket_of(value) - kFirstBucket)];
  // One writer: a plain add, made visible without a locked instruction.
  cell.store(cell.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  const auto ns = static_cast<uint64_t>(std::max<int64_t>(value.ns, 0));
  sum_ns_.store(sum_ns_.load(std::memory_order_relaxed) + ns, std::memory_order_relaxed);
}

HistogramData Histogram::snapshot() const {
  HistogramData data;
  for (size_t i = 0; i < kBucketCount; ++i) {
    const uint32_t n = cells_[i].load(std::memory_order_relaxed);
    if (n == 0) continue;
    data.buckets[static_cast<int>(i) + kFirstBucket] = n;
    data.count += n;
  }
  data.sum_ns = sum_ns_.load(std::memory_order_relaxed);
  return data;
}

}  // namespace weft::telemetry
