// How far a fair draw may stray: bounds for tests that count what chance decides.
#pragma once

#include <cmath>
#include <cstdint>

namespace weft::steer {

struct Bounds {
  uint64_t least, most;
};

// The narrowest bounds that a binomial count of `draws` with probability `p` leaves, on either side, with a
// probability below `tail`: sums of the exact distribution, not of an approximation.
inline Bounds binomial_bounds(uint64_t draws, double p, double tail = 1e-6) {
  const auto log_chance = [&](uint64_t k) {
    const auto n = static_cast<double>(draws), x = static_cast<double>(k);
    return std::lgamma(n + 1) - std::lgamma(x + 1) - std::lgamma(n - x + 1) + x * std::log(p) +
           (n - x) * std::log1p(-p);
  };
  Bounds bounds{0, draws};
  for (double sum = std::exp(log_chance(0)); sum < tail && bounds.least < draws;) {
    sum += std::exp(log_chance(++bounds.least));
  }
  for (double sum = std::exp(log_chance(draws)); sum < tail && bounds.most > 0;) {
    sum += std::exp(log_chance(--bounds.most));
  }
  return bounds;
}

}  // namespace weft::steer
