// Cookies as servers see them (RFC 6265 sections 4.2 and 5.4). Pure functions.
#pragma once

#include <optional>
#include <string_view>

#include "wire/message.h"

namespace weft::wire {

// The value of the first cookie of this name in all Cookie lines (HTTP/2 splits them, RFC 9113 section
// 8.2.3); names are compared with their letter case. A view of the fields.
std::optional<std::string_view> cookie_value(const Fields& fields, std::string_view name);

}  // namespace weft::wire
