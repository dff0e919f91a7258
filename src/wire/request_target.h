// Parts of a request target, RFC 9110 section 4.2: "/a/b?x=1" is "/a/b" and "x=1". Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weft::wire {

std::string_view path_of(std::string_view target);
std::string_view query_of(std::string_view target);
// First value of a query parameter, percent-decoded ('+' is a space); nothing when absent.
std::optional<std::string> query_parameter(std::string_view query, std::string_view name);

}  // namespace weft::wire
