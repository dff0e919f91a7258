// A Cookie line is `name=value; name=value`; what has no "=" is nobody's cookie. Quotes are part of a value.
#include "wire/cookie.h"

#include "base/text.h"

namespace weft::wire {

std::optional<std::string_view> cookie_value(const Fields& fields, std::string_view name) {
  for (const Fields::Line line : fields) {
    if (!equal_ignoring_case(line.name, "cookie")) continue;
    std::string_view rest = line.value;
    while (!rest.empty()) {
      const size_t end = rest.find(';');
      const std::string_view pair = trim(rest.substr(0, end));
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
      const size_t equals = pair.find('=');
      if (equals != std::string_view::npos && pair.substr(0, equals) == name) {
        return pair.substr(equals + 1);
      }
    }
  }
  return std::nullopt;
}

}  // namespace weft::wire
