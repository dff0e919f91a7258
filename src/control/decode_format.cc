// The formats that several kinds share, each with the words a user reads when it is missed.
#include <algorithm>
#include <cctype>

#include "control/decode.h"
#include "control/duration.h"
#include "model/identity.h"

namespace weft::control {
namespace {

bool alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

// Kubernetes' "qualified name" without its prefix: at most 63 of [A-Za-z0-9_.-], ends alphanumeric.
bool is_label_part(std::string_view text) {
  const auto allowed = [](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; };
  return !text.empty() && text.size() <= 63 && alnum(text.front()) && alnum(text.back()) &&
         std::ranges::all_of(text, allowed);
}

bool is_label_name(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_label_part(text);
  return model::is_dns_subdomain(text.substr(0, slash)) && is_label_part(text.substr(slash + 1));
}

bool is_label_value(std::string_view text) { return text.empty() || is_label_part(text); }

bool is_any(std::string_view) { return true; }

bool is_port_name(std::string_view text) {
  return text.size() <= 15 && model::is_dns_label(text) &&
         text.find("--") == std::string_view::npos &&
         std::ranges::any_of(text, [](char c) { return c >= 'a' && c <= 'z'; });
}

bool is_duration(std::string_view text) { return parse_gateway_duration(text).has_value(); }

bool is_header_name(std::string_view text) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return alnum(c) || kMarks.find(c) != std::string_view::npos;
  });
}

bool is_header_value(std::string_view text) {
  return std::ranges::none_of(text,
                              [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

}  // namespace

const Format kDnsLabel{"a DNS label: 1 to 63 of a-z, 0-9 and '-', not at an end", "cart-v2",
                       model::is_dns_label};
const Format kDnsSubdomain{"a DNS name: labels of a-z, 0-9 and '-', separated by dots",
                           "cart.split", model::is_dns_subdomain};
const Format kLabelName{
    "a label name: [PREFIX/]NAME, NAME of at most 63 of A-Z, a-z, 0-9, '-', '_', '.'",
    "app.kubernetes.io/name", is_label_name};
const Format kLabelValue{"a label value: at most 63 of A-Z, a-z, 0-9, '-', '_', '.', or empty",
                         "v2", is_label_value};
const Format kAnyText{"text", "anything", is_any};
const Format kPortName{"a port name: at most 15 of a-z, 0-9 and single '-', one letter at least",
                       "http", is_port_name};
const Format kGatewayDuration{"a duration: up to 4 of NUMBER and h, m, s or ms (GEP-2257)", "1m30s",
                              is_duration};
const Format kHeaderName{"a header name (RFC 9110 token)", "x-canary", is_header_name};
const Format kHeaderValue{"a header value: no control characters, no line breaks", "yes",
                          is_header_value};

std::optional<int64_t> scaled_decimal(std::string_view text, int decimals) {
  constexpr size_t kDigits = 12;  // before and behind the point together: no overflow
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  std::string_view rest = point == std::string_view::npos ? "" : text.substr(point + 1);
  while (rest.ends_with('0')) rest.remove_suffix(1);
  const auto digits = [](std::string_view part) {
    return part.find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (whole.empty() || !digits(whole) || !digits(rest) || text.ends_with('.') ||
      rest.size() > static_cast<size_t>(decimals) || whole.size() + rest.size() > kDigits) {
    return std::nullopt;
  }
  int64_t value = 0;
  for (const char c : whole) value = value * 10 + (c - '0');
  for (int i = 0; i < decimals; ++i) {
    const auto at = static_cast<size_t>(i);
    value = value * 10 + (at < rest.size() ? rest[at] - '0' : 0);
  }
  return negative ? -value : value;
}

}  // namespace weft::control
