// GEP-2257: ^([0-9]{1,5}(h|m|s|ms)){1,4}$. The largest, 4 × 99999h, is 45 years: no overflow.
#include "control/duration.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "base/text.h"

namespace weft::control {

std::optional<Duration> parse_gateway_duration(std::string_view text) {
  Duration total;
  int parts = 0;
  while (!text.empty()) {
    const size_t digits = text.find_first_not_of("0123456789");
    if (digits == 0 || digits == std::string_view::npos || digits > 5 || ++parts > 4) return {};
    const auto number = static_cast<int64_t>(*parse_u64(text.substr(0, digits)));
    text.remove_prefix(digits);
    if (text.starts_with("ms")) {
      total = total + Duration::millis(number);
      text.remove_prefix(2);
      continue;
    }
    switch (text.front()) {
      case 'h': total = total + Duration::hours(number); break;
      case 'm': total = total + Duration::minutes(number); break;
      case 's': total = total + Duration::seconds(number); break;
      default: return {};
    }
    text.remove_prefix(1);
  }
  if (parts == 0) return {};
  return total;
}

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  // YYYY-MM-DDTHH:MM:SS, a fraction, Z or an offset.
  constexpr std::string_view kShape = "0000-00-00T00:00:00";
  if (text.size() <= kShape.size()) return {};
  for (size_t i = 0; i < kShape.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == '0' ? !digit : text[i] != kShape[i]) return {};
  }
  const auto part = [&text](size_t at, size_t size) {
    int value = 0;
    std::from_chars(text.data() + at, text.data() + at + size, value);
    return value;
  };
  const std::chrono::year_month_day day{std::chrono::year(part(0, 4)),
                                        std::chrono::month(static_cast<unsigned>(part(5, 2))),
                                        std::chrono::day(static_cast<unsigned>(part(8, 2)))};
  const int hour = part(11, 2), minute = part(14, 2), second = part(17, 2);
  if (!day.ok() || part(0, 4) < 1970 || part(0, 4) > 2261 || hour > 23 || minute > 59 ||
      second > 60)
    return {};
  const std::chrono::sys_days days = day;
  int64_t seconds =
      int64_t{days.time_since_epoch().count()} * 86'400 + hour * 3600 + minute * 60 + second;
  text.remove_prefix(kShape.size());
  int64_t nanos = 0;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits == 0) return {};
    for (size_t i = 0; i < 9; ++i) nanos = nanos * 10 + (i < digits ? text[i] - '0' : 0);
    text.remove_prefix(digits);
  }
  if (text == "Z") return WallTime{seconds * 1'000'000'000 + nanos};
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return {};
  for (const size_t i : {1, 2, 4, 5}) {
    if (text[i] < '0' || text[i] > '9') return {};
  }
  if (part(1, 2) > 23 || part(4, 2) > 59) return {};
  const int offset = part(1, 2) * 3600 + part(4, 2) * 60;
  seconds -= text[0] == '+' ? offset : -offset;
  return WallTime{seconds * 1'000'000'000 + nanos};
}

}  // namespace weft::control
