// Whether an app counts as healthy after a row of checks: so many failures in a row make it unhealthy, so many
// successes healthy again; the first result after a start counts alone. Not thread-safe.
#pragma once

#include <cstdint>

namespace weft::steer {

class HealthCount {
 public:
  HealthCount(uint32_t unhealthy_threshold, uint32_t healthy_threshold)
      : unhealthy_threshold_(unhealthy_threshold), healthy_threshold_(healthy_threshold) {}

  // Takes a result; whether it is healthy now.
  bool result(bool passed) {
    if (first_) {
      first_ = false;
      healthy_ = passed;
    }
    if (passed == healthy_) {
      row_ = 0;
    } else if (++row_ >= (healthy_ ? unhealthy_threshold_ : healthy_threshold_)) {
      healthy_ = passed;
      row_ = 0;
    }
    return healthy_;
  }
  // The app was started anew: what was seen before says nothing.
  void start_over() {
    first_ = true;
    row_ = 0;
  }
  // Before the first result: as another count of the same app had it.
  void begin_unhealthy() { healthy_ = false; }
  bool healthy() const { return healthy_; }

 private:
  uint32_t unhealthy_threshold_, healthy_threshold_;
  uint32_t row_ = 0;  // results against the present state
  bool healthy_ = true, first_ = true;
};

}  // namespace weft::steer
