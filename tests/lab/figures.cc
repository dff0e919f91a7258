// Plain counting over vectors: scenes have some thousand samples.
#include "lab/figures.h"

#include <algorithm>
#include <cmath>

namespace weft::lab {

Pick answered_by(std::string endpoint) {
  return [endpoint = std::move(endpoint)](const Sample& s) { return s.endpoint == endpoint; };
}

double latency_ms(const std::vector<Sample>& samples, double q, const Pick& pick) {
  std::vector<int64_t> sorted;
  for (const Sample& sample : samples) {
    if (pick(sample)) sorted.push_back(sample.latency.ns);
  }
  if (sorted.empty()) return 0;
  std::sort(sorted.begin(), sorted.end());
  const double rank = std::ceil(q * static_cast<double>(sorted.size()));
  const size_t at = std::clamp<size_t>(static_cast<size_t>(rank), 1, sorted.size()) - 1;
  return static_cast<double>(sorted[at]) * 1e-6;
}

double share(const std::vector<Sample>& samples, const Pick& pick, const Pick& of) {
  size_t all = 0, picked = 0;
  for (const Sample& sample : samples) {
    if (!of(sample)) continue;
    ++all;
    if (pick(sample)) ++picked;
  }
  return all == 0 ? 0 : static_cast<double>(picked) / static_cast<double>(all);
}

std::vector<Sample> between(const std::vector<Sample>& samples, Duration from, Duration to) {
  std::vector<Sample> some;
  std::copy_if(samples.begin(), samples.end(), std::back_inserter(some),
               [&](const Sample& sample) { return sample.at >= from && sample.at < to; });
  return some;
}

std::vector<Point> over_time(const std::vector<Sample>& samples, Duration length, Duration step,
                             const std::function<double(const std::vector<Sample>&)>& figure) {
  std::vector<Point> points;
  for (Duration at{}; at < length; at = at + step) {
    points.push_back({(at + step / 2).to_seconds_f(), figure(between(samples, at, at + step))});
  }
  return points;
}

std::vector<Point> arrival_rate(const std::vector<Arrival>& arrivals, const std::string& prefix,
                                Duration length, Duration step) {
  std::vector<Point> points;
  for (Duration at{}; at < length; at = at + step) {
    const auto count = std::count_if(arrivals.begin(), arrivals.end(), [&](const Arrival& a) {
      return a.at >= at && a.at < at + step && a.endpoint.starts_with(prefix);
    });
    points.push_back(
        {(at + step / 2).to_seconds_f(), static_cast<double>(count) / step.to_seconds_f()});
  }
  return points;
}

}  // namespace weft::lab
