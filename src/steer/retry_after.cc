// Dates are read by hand: strptime depends on the locale, and the three forms are fixed.
#include "steer/retry_after.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include "base/text.h"

namespace weft::steer {
namespace {

constexpr int64_t kDay = 86'400;

std::optional<unsigned> month_of(std::string_view name) {
  static constexpr std::array<std::string_view, 12> kMonths = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  for (unsigned i = 0; i < kMonths.size(); ++i) {
    if (kMonths[i] == name) return i + 1;
  }
  return std::nullopt;
}

std::vector<std::string_view> words(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> out;
  while (true) {
    const size_t begin = text.find_first_not_of(separators);
    if (begin == std::string_view::npos) return out;
    text.remove_prefix(begin);
    const size_t end = text.find_first_of(separators);
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end);
  }
}

}  // namespace

// "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994": the same
// words once "-" is a separator, but in the last form the day follows the month and the year is at the end.
std::optional<WallTime> parse_http_date(std::string_view text) {
  const std::vector<std::string_view> parts = words(text, " ,-:");
  if (parts.size() < 7 || parts.size() > 8) return std::nullopt;
  const bool asctime = parts.size() == 7;
  if (!asctime && parts[7] != "GMT") return std::nullopt;
  const auto day = parse_u64(parts[asctime ? 2 : 1]);
  const auto month = month_of(parts[asctime ? 1 : 2]);
  auto year = parse_u64(parts[asctime ? 6 : 3]);
  const size_t time = asctime ? 3 : 4;
  const auto hour = parse_u64(parts[time]), minute = parse_u64(parts[time + 1]),
             second = parse_u64(parts[time + 2]);
  if (!day || !month || !year || !hour || !minute || !second) return std::nullopt;
  if (*year < 100) *year += *year < 70 ? 2000 : 1900;
  if (*year > 9999 || *day > 31 || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(*month),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  // WallTime holds years 1678 to 2261.
  if (days < 0 || days > 106'000) return std::nullopt;
  return WallTime::from_unix_seconds(days * kDay + static_cast<int64_t>(*hour) * 3600 +
                                     static_cast<int64_t>(*minute) * 60 +
                                     static_cast<int64_t>(*second));
}

ServerPacing read_pacing(std::string_view retry_after, std::string_view grpc_pushback,
                         WallTime now) {
  ServerPacing pacing;
  // Beyond these anything is "longer than anybody waits".
  constexpr uint64_t kMostSeconds = 365 * 86'400;
  if (!grpc_pushback.empty()) {
    const auto millis = parse_u64(grpc_pushback);
    if (!millis) {
      pacing.never = true;  // negative or no number
    } else {
      pacing.wait = Duration::millis(static_cast<int64_t>(std::min(*millis, kMostSeconds * 1000)));
    }
    return pacing;
  }
  if (retry_after.empty()) return pacing;
  if (const auto seconds = parse_u64(retry_after)) {
    pacing.wait = Duration::seconds(static_cast<int64_t>(std::min(*seconds, kMostSeconds)));
  } else if (const auto date = parse_http_date(retry_after)) {
    pacing.wait = std::max(*date - now, Duration{});
  }
  return pacing;
}

}  // namespace weft::steer
