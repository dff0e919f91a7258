// The request target as routes see it and as it is sent on: one spelling for both, so that no rule can be
// passed by another spelling of the same path (RFC 3986 section 6.2.2.3). Pure.
#pragma once

#include <string>
#include <string_view>

namespace weft::proxy {

// Takes "." and ".." segments out of the path of an origin-form target, however they are spelled
// ("/a/%2e%2E/b" is "/b"); the query and everything else stay as they are. False: nothing to do.
bool resolve_dot_segments(std::string& target);

// What a path is matched against: the target, or "/" for the forms that have no path ("*", CONNECT).
inline std::string_view routed_target(std::string_view target) {
  return target.starts_with('/') ? target : std::string_view("/");
}

}  // namespace weft::proxy
