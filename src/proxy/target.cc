// Almost no target has a dot segment: one search for "/." or "/%2" settles it.
#include "proxy/target.h"

#include <algorithm>
#include <vector>

namespace weft::proxy {
namespace {

// 1 or 2 for a segment of so many dots, 0 for any other.
int dots_of(std::string_view segment) {
  int dots = 0;
  while (!segment.empty()) {
    if (segment.front() == '.') {
      segment.remove_prefix(1);
    } else if (segment.starts_with("%2e") || segment.starts_with("%2E")) {
      segment.remove_prefix(3);
    } else {
      return 0;
    }
    if (++dots > 2) return 0;
  }
  return dots;
}

}  // namespace

bool resolve_dot_segments(std::string& target) {
  const size_t path_end = std::min(target.find('?'), target.size());
  const std::string_view path = std::string_view(target).substr(0, path_end);
  if (path.find("/.") == std::string_view::npos && path.find("/%2") == std::string_view::npos)
    return false;
  std::vector<std::string_view> kept;
  bool found = false;
  bool directory = false;  // the path ends in "/", or did so before its last dot segment went
  for (size_t at = 1; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view segment = path.substr(at, end - at);
    const int dots = dots_of(segment);
    if (dots == 0) kept.push_back(segment);
    if (dots == 2 && !kept.empty()) kept.pop_back();
    found |= dots > 0;
    directory = dots > 0;
    at = end + 1;
  }
  if (!found) return false;
  std::string out;
  for (std::string_view segment : kept) out.append("/").append(segment);
  if (directory || out.empty()) out += '/';
  out += std::string_view(target).substr(path_end);
  target = std::move(out);
  return true;
}

}  // namespace weft::proxy
