// What samples say: quantiles, shares, and how they go over time.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lab/lab.h"
#include "lab/picture.h"

namespace weft::lab {

using Pick = std::function<bool(const Sample&)>;
inline const Pick kAll = [](const Sample&) { return true; };
Pick answered_by(std::string endpoint);

// Milliseconds; `q` from 0 to 1, nearest rank; 0 without samples.
double latency_ms(const std::vector<Sample>& samples, double q, const Pick& pick = kAll);
// Of those in `of`, how many are in `pick`; 0 without any.
double share(const std::vector<Sample>& samples, const Pick& pick, const Pick& of = kAll);
// Samples that began in [from, to).
std::vector<Sample> between(const std::vector<Sample>& samples, Duration from, Duration to);

// `figure` of the samples that began in each `step` from 0 to `length`; x in seconds, at the step's middle.
std::vector<Point> over_time(const std::vector<Sample>& samples, Duration length, Duration step,
                             const std::function<double(const std::vector<Sample>&)>& figure);
// Arrivals per second at those endpoints whose name begins with `prefix`.
std::vector<Point> arrival_rate(const std::vector<Arrival>& arrivals, const std::string& prefix,
                                Duration length, Duration step);

}  // namespace weft::lab
