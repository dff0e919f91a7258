// GEP-2257: ^([0-9]{1,5}(h|m|s|ms)){1,4}$. The largest, 4 × 99999h, is 45 years: no overflow.
#include "control/duration.h"

#include <charconv>

namespace weft::control {

std::optional<Duration> parse_gateway_duration(std::string_view text) {
  Duration total;
  int parts = 0;
  while (!text.empty()) {
    const size_t digits = text.find_first_not_of("0123456789");
    if (digits == 0 || digits == std::string_view::npos || digits > 5 || ++parts > 4) return {};
    int64_t number = 0;
    std::from_chars(text.data(), text.data() + digits, number);
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

}  // namespace weft::control
