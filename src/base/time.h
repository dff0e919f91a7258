// Time as three types that cannot be mixed: a span, a point on the monotonic clock, and a point on
// the wall clock. Nothing in Weft reads a clock by itself: a Clock is handed in, so that tests and the
// simulated mesh decide what time it is. All types are trivially copyable 64-bit values.
#pragma once

#include <compare>
#include <cstdint>

namespace weft {

// A span of time, nanoseconds inside, signed (±292 years).
struct Duration {
  int64_t ns = 0;

  static constexpr Duration nanos(int64_t v) { return {v}; }
  static constexpr Duration micros(int64_t v) { return {v * 1'000}; }
  static constexpr Duration millis(int64_t v) { return {v * 1'000'000}; }
  static constexpr Duration seconds(int64_t v) { return {v * 1'000'000'000}; }
  static constexpr Duration minutes(int64_t v) { return seconds(v * 60); }
  static constexpr Duration hours(int64_t v) { return seconds(v * 3600); }

  constexpr int64_t to_micros() const { return ns / 1'000; }
  constexpr int64_t to_millis() const { return ns / 1'000'000; }
  constexpr int64_t to_seconds() const { return ns / 1'000'000'000; }
  constexpr double to_seconds_f() const { return static_cast<double>(ns) * 1e-9; }

  friend constexpr auto operator<=>(Duration, Duration) = default;
  friend constexpr Duration operator+(Duration a, Duration b) { return {a.ns + b.ns}; }
  friend constexpr Duration operator-(Duration a, Duration b) { return {a.ns - b.ns}; }
  friend constexpr Duration operator*(Duration a, int64_t k) { return {a.ns * k}; }
  friend constexpr Duration operator/(Duration a, int64_t k) { return {a.ns / k}; }
};

// A point on a clock that never jumps; its zero has no meaning. Leases, timeouts, backoff.
struct Instant {
  int64_t ns = 0;

  friend constexpr auto operator<=>(Instant, Instant) = default;
  friend constexpr Instant operator+(Instant t, Duration d) { return {t.ns + d.ns}; }
  friend constexpr Instant operator-(Instant t, Duration d) { return {t.ns - d.ns}; }
  friend constexpr Duration operator-(Instant a, Instant b) { return {a.ns - b.ns}; }
};

// A point on the wall clock: nanoseconds since 1970-01-01T00:00:00Z. Certificates, logs, objects.
struct WallTime {
  int64_t unix_ns = 0;

  static constexpr WallTime from_unix_seconds(int64_t s) { return {s * 1'000'000'000}; }
  constexpr int64_t unix_seconds() const { return unix_ns / 1'000'000'000; }

  friend constexpr auto operator<=>(WallTime, WallTime) = default;
  friend constexpr WallTime operator+(WallTime t, Duration d) { return {t.unix_ns + d.ns}; }
  friend constexpr WallTime operator-(WallTime t, Duration d) { return {t.unix_ns - d.ns}; }
  friend constexpr Duration operator-(WallTime a, WallTime b) { return {a.unix_ns - b.unix_ns}; }
};

// Where time comes from. Implemented by the real event loop and by the simulated one.
class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic; a loop answers with the time read at the start of the present turn.
  virtual Instant now() const = 0;
  virtual WallTime wall_now() const = 0;
};

}  // namespace weft
