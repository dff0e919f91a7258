// Table lookups: one load and one test an octet. The tables are built at compile time from the words
// of the RFCs.
#include "wire/http1_syntax.h"

#include <array>

namespace weft::wire {

namespace {

constexpr uint8_t kToken = 1;
constexpr uint8_t kValue = 2;
constexpr uint8_t kTarget = 4;
constexpr uint8_t kHost = 8;
constexpr uint8_t kHex = 16;

constexpr bool is_alnum(int c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

constexpr auto kClass = [] {
  std::array<uint8_t, 256> table{};
  for (int c = 0; c < 256; ++c) {
    uint8_t bits = 0;
    if (is_alnum(c)) bits |= kToken | kHost;
    if (c == '\t' || (c >= 0x20 && c != 0x7f)) bits |= kValue;
    if (c > 0x20 && c < 0x7f && c != '#' && c != '\\' && c != '%') bits |= kTarget;
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) bits |= kHex;
    table[static_cast<size_t>(c)] = bits;
  }
  for (char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<uint8_t>(c)] |= kToken;
  // unreserved and sub-delims of RFC 3986 reg-name, without the comma (a list is two hosts) and
  // without percent escapes (a second spelling of the same name).
  for (char c : std::string_view("-._~!$&'()*+;=")) table[static_cast<uint8_t>(c)] |= kHost;
  return table;
}();

bool all(std::string_view text, uint8_t bits) {
  uint8_t seen = bits;
  for (char c : text) seen &= kClass[static_cast<uint8_t>(c)];
  return seen == bits;
}

bool has(char c, uint8_t bits) { return (kClass[static_cast<uint8_t>(c)] & bits) == bits; }

bool is_port(std::string_view digits) {
  if (digits.size() > 5) return false;
  uint32_t port = 0;
  for (char c : digits) {
    if (c < '0' || c > '9') return false;
    port = port * 10 + static_cast<uint32_t>(c - '0');
  }
  return port <= 65535;
}

bool is_ip_literal(std::string_view inside) {
  if (inside.empty()) return false;
  for (char c : inside) {
    if (!has(c, kHex) && c != ':' && c != '.') return false;
  }
  return true;
}

}  // namespace

bool is_token(std::string_view text) { return !text.empty() && all(text, kToken); }
bool is_field_value(std::string_view text) { return all(text, kValue); }

bool is_host(std::string_view text) {
  if (!text.empty() && text.front() == '[') {
    const size_t close = text.find(']');
    if (close == std::string_view::npos || !is_ip_literal(text.substr(1, close - 1))) return false;
    const std::string_view rest = text.substr(close + 1);
    return rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)));
  }
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos && (colon == 0 || !is_port(text.substr(colon + 1))))
    return false;
  return all(text.substr(0, colon), kHost);
}

bool is_origin_form(std::string_view text) {
  if (text.empty() || text.front() != '/') return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (has(text[i], kTarget)) continue;
    if (text[i] != '%' || text.size() - i < 3 || !has(text[i + 1], kHex) ||
        !has(text[i + 2], kHex)) {
      return false;
    }
    if (text[i + 1] == '0' && text[i + 2] == '0') return false;
    i += 2;
  }
  return true;
}

bool is_chunk_extension(std::string_view text) {
  size_t at = 0;
  auto blanks = [&] {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
  };
  auto token = [&] {
    const size_t from = at;
    while (at < text.size() && is_token(text.substr(at, 1))) ++at;
    return at > from;
  };
  auto quoted = [&] {
    for (++at; at < text.size() && text[at] != '"'; ++at) {
      if (text[at] == '\\') ++at;
      if (at >= text.size() || !is_field_value(text.substr(at, 1))) return false;
    }
    return at++ < text.size();
  };
  while (at < text.size()) {
    blanks();
    if (at == text.size() || text[at++] != ';') return false;
    blanks();
    if (!token()) return false;
    const size_t after_name = at;
    blanks();
    if (at == text.size() || text[at] != '=') {
      at = after_name;
      continue;
    }
    ++at;
    blanks();
    if (at == text.size() || !(text[at] == '"' ? quoted() : token())) return false;
  }
  return true;
}

std::optional<uint64_t> parse_content_length(std::string_view text) {
  if (text.empty()) return std::nullopt;
  uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9' || value > (uint64_t{1} << 63) / 10 - 1) return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  return value;
}

std::string_view trim_ows(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace weft::wire
