// A millisecond is the grain of time: samples within one do not decay, and the differences add up all the
// same. The clock of 32 bits turns over after 49 days; an endpoint nobody asked for so long decays less
// than it might. exp() is only called when time has passed.
#include "steer/ewma.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace weft::steer {
namespace {

constexpr double kLeast = 1e-6;  // 0 means never measured

uint32_t millis_of(Instant now) { return static_cast<uint32_t>(now.ns / 1'000'000); }

float cost_of(uint64_t state) { return std::bit_cast<float>(static_cast<uint32_t>(state >> 32)); }

// What is left of a cost after the time since.
double remains(uint64_t state, Instant now) {
  const auto passed = static_cast<int32_t>(millis_of(now) - static_cast<uint32_t>(state));
  if (passed <= 0) return 1;
  return std::exp(-static_cast<double>(passed) / static_cast<double>(PeakEwma::kDecay.to_millis()));
}

}  // namespace

void PeakEwma::store(double cost, Instant now) {
  const auto bits = std::bit_cast<uint32_t>(static_cast<float>(std::max(cost, kLeast)));
  state_.store(uint64_t{bits} << 32 | millis_of(now), std::memory_order_relaxed);
}

void PeakEwma::observe(Duration latency, Instant now) {
  const uint64_t state = state_.load(std::memory_order_relaxed);
  const double sample = latency.to_seconds_f(), cost = static_cast<double>(cost_of(state));
  if (sample >= cost) {
    store(sample, now);
    return;
  }
  const double old = remains(state, now);
  store(cost * old + sample * (1 - old), now);
}

void PeakEwma::penalise(std::optional<Duration> asked, Instant now) {
  const Duration penalty = std::clamp(asked.value_or(kPenalty), Duration{}, kLongestPenalty);
  store(std::max(penalty.to_seconds_f(), cost(now)), now);
}

double PeakEwma::cost(Instant now) const {
  const uint64_t state = state_.load(std::memory_order_relaxed);
  return state == 0 ? 0 : static_cast<double>(cost_of(state)) * remains(state, now);
}

}  // namespace weft::steer
