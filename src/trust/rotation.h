// When a credential is to be renewed: a pure machine of (life of the certificate, wall clock,
// random). Renewal begins at half life ±10 % (so that a fleet started together does not ask
// together), is tried again after a failure with jittered backoff, and grows louder as the end
// comes nearer. The owner asks wait() for how long to sleep; it is never more than 30 s, because
// the wall clock may jump (a suspended laptop) while monotonic timers stand still. Threading: none;
// one owner.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/random.h"
#include "base/time.h"

namespace weft::trust {

// How worried to be, by the share of the life that has passed.
enum class ExpiryAlarm : uint8_t {
  kNone,
  kDue,       // 1/2: renewal should be happening about now
  kLate,      // 2/3: several attempts must have failed
  kCritical,  // 90 %
  kExpired,   // no handshake succeeds any more
};
std::string_view to_string(ExpiryAlarm alarm);
ExpiryAlarm expiry_alarm(WallTime not_before, WallTime not_after, WallTime now);

class Rotation {
 public:
  static constexpr Duration kRecheck = Duration::seconds(30);
  static constexpr Duration kFirstBackoff = Duration::seconds(1);
  static constexpr Duration kMaxBackoff = Duration::seconds(60);

  // `random` outlives the rotation.
  explicit Rotation(Random& random) : random_(random) {}

  // A new certificate is in use.
  void installed(WallTime not_before, WallTime not_after);
  // The attempt that due() asked for has failed.
  void failed(WallTime now);

  // Ask for a new certificate now. True until installed() or failed() is called, and before the
  // first installed().
  bool due(WallTime now) const { return wait_until_due(now).ns == 0; }
  // How long to sleep before asking due() again: zero when due, at most kRecheck.
  Duration wait(WallTime now) const;
  ExpiryAlarm alarm(WallTime now) const;
  int failures() const { return failures_; }

 private:
  Duration wait_until_due(WallTime now) const;

  Random& random_;
  WallTime not_before_, not_after_;
  WallTime next_attempt_;
  int failures_ = 0;
};

}  // namespace weft::trust
