// Fields is a vector scanned from the front: requests carry about ten lines, and comparing lengths
// first makes a miss cost one branch a line. A hash map would cost more to build than it saves.
#include "wire/message.h"

#include <algorithm>

namespace weft::wire {

namespace {

// Room for an ordinary head at once, instead of growing to it in four steps.
constexpr size_t kUsualLines = 12;

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

bool list_has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (equal_ignoring_case(trim(list.substr(0, comma)), token)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

void Fields::add(std::string_view name, std::string_view value) {
  if (lines_.capacity() == 0) lines_.reserve(kUsualLines);
  lines_.push_back(Line{std::string(name), std::string(value)});
}

void Fields::set(std::string_view name, std::string_view value) {
  auto matches = [&](const Line& line) { return equal_ignoring_case(line.name, name); };
  auto first = std::find_if(lines_.begin(), lines_.end(), matches);
  if (first == lines_.end()) return add(name, value);
  first->value.assign(value);
  lines_.erase(std::remove_if(first + 1, lines_.end(), matches), lines_.end());
}

size_t Fields::remove(std::string_view name) {
  return std::erase_if(lines_,
                       [&](const Line& line) { return equal_ignoring_case(line.name, name); });
}

std::optional<std::string_view> Fields::get(std::string_view name) const {
  for (const Line& line : lines_) {
    if (equal_ignoring_case(line.name, name)) return std::string_view(line.value);
  }
  return std::nullopt;
}

size_t Fields::count(std::string_view name) const {
  return static_cast<size_t>(std::count_if(lines_.begin(), lines_.end(), [&](const Line& line) {
    return equal_ignoring_case(line.name, name);
  }));
}

bool Fields::has_token(std::string_view name, std::string_view token) const {
  for (const Line& line : lines_) {
    if (equal_ignoring_case(line.name, name) && list_has_token(line.value, token)) return true;
  }
  return false;
}

// RFC 9110 §15 and the IANA registry, the codes in common use.
std::string_view reason_phrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 102: return "Processing";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 207: return "Multi-Status";
    case 208: return "Already Reported";
    case 226: return "IM Used";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 305: return "Use Proxy";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 423: return "Locked";
    case 424: return "Failed Dependency";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    case 511: return "Network Authentication Required";
    default: return {};
  }
}

}  // namespace weft::wire
