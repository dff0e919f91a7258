// The arithmetic of renewal. Backoff is "full jitter" above a floor of half the step: after an
// outage of the control plane the sidecars come back spread over the step, not in waves, yet none
// hammers.
#include "trust/rotation.h"

#include <algorithm>

namespace weft::trust {
namespace {

// A uniformly random duration in [from, to).
Duration between(Random& random, Duration from, Duration to) {
  return from + Duration{static_cast<int64_t>(random.unit() * static_cast<double>((to - from).ns))};
}

}  // namespace

std::string_view to_string(ExpiryAlarm alarm) {
  switch (alarm) {
    case ExpiryAlarm::kNone: return "none";
    case ExpiryAlarm::kDue: return "due";
    case ExpiryAlarm::kLate: return "late";
    case ExpiryAlarm::kCritical: return "critical";
    case ExpiryAlarm::kExpired: return "expired";
  }
  return "unknown";
}

ExpiryAlarm expiry_alarm(WallTime not_before, WallTime not_after, WallTime now) {
  if (now >= not_after) return ExpiryAlarm::kExpired;
  const Duration life = not_after - not_before;
  if (now >= not_before + life / 10 * 9) return ExpiryAlarm::kCritical;
  if (now >= not_before + life / 3 * 2) return ExpiryAlarm::kLate;
  if (now >= not_before + life / 2) return ExpiryAlarm::kDue;
  return ExpiryAlarm::kNone;
}

void Rotation::installed(WallTime not_before, WallTime not_after) {
  not_before_ = not_before;
  not_after_ = not_after;
  failures_ = 0;
  const Duration life = not_after - not_before;
  next_attempt_ = not_before + between(random_, life / 10 * 4, life / 10 * 6);
}

void Rotation::failed(WallTime now) {
  const int doublings = std::min(failures_, 6);
  ++failures_;
  const Duration step = std::min(kFirstBackoff * (int64_t{1} << doublings), kMaxBackoff);
  next_attempt_ = now + between(random_, step / 2, step);
}

Duration Rotation::wait_until_due(WallTime now) const {
  const Duration left = next_attempt_ - now;
  // A backoff is never longer than this: more means the wall clock was set back meanwhile.
  if (failures_ > 0 && left > kMaxBackoff) return {};
  return std::max(left, Duration{});
}

Duration Rotation::wait(WallTime now) const { return std::min(wait_until_due(now), kRecheck); }

ExpiryAlarm Rotation::alarm(WallTime now) const {
  return expiry_alarm(not_before_, not_after_, now);
}

}  // namespace weft::trust
