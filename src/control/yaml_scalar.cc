// A scalar's kind is decided by its first characters and one pass over it; no regular expressions.
#include "control/yaml_scalar.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace weft::control {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

// [-+]?[0-9]+, 0o[0-7]+, 0x[0-9a-fA-F]+ within 64 bits.
std::optional<int64_t> parse_integer(std::string_view text) {
  int base = 10;
  if (text.starts_with("0o")) base = 8;
  if (text.starts_with("0x")) base = 16;
  if (base != 10) text.remove_prefix(2);
  if (base == 10 && text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || (base != 10 && text.front() == '-') || text.starts_with('+')) return {};
  if (text == "-" || text.starts_with("-+")) return {};
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? and the words for infinity and not-a-number.
bool is_float(std::string_view text) {
  static constexpr std::string_view kWords[] = {".nan", ".NaN", ".NAN"};
  if (std::ranges::find(kWords, text) != std::end(kWords)) return true;
  size_t i = 0;
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
  const std::string_view rest = text.substr(i);
  if (rest == ".inf" || rest == ".Inf" || rest == ".INF") return true;
  const size_t whole = i;
  while (i < text.size() && digit(text[i])) ++i;
  size_t digits = i - whole;
  if (i < text.size() && text[i] == '.') {
    const size_t fraction = ++i;
    while (i < text.size() && digit(text[i])) ++i;
    digits += i - fraction;
  }
  if (digits == 0) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    const size_t exponent = i;
    while (i < text.size() && digit(text[i])) ++i;
    if (i == exponent) return false;
  }
  return i == text.size();
}

bool any_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

}  // namespace

std::optional<UncleanText> find_unclean_text(std::string_view text) {
  Position at;
  for (size_t i = 0; i < text.size();) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    const size_t length = utf8_sequence(text.substr(i));
    if (length == 0) return UncleanText{at, fmt::format("the byte 0x{:02x} is not UTF-8 text", c)};
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
      return UncleanText{at, fmt::format("the control character 0x{:02x} is not allowed", c)};
    }
    i += length;
    ++at.column;
    if (c == '\n') at = {at.line + 1, 1};
  }
  return std::nullopt;
}

void resolve_plain(Node& scalar) {
  const std::string& text = scalar.text;
  if (any_of(text, {"", "~", "null", "Null", "NULL"})) {
    scalar.kind = Node::Kind::kNull;
  } else if (any_of(text, {"true", "True", "TRUE", "false", "False", "FALSE"})) {
    scalar.kind = Node::Kind::kBoolean;
    scalar.number = text[0] == 't' || text[0] == 'T';
  } else if (const auto integer = parse_integer(text)) {
    scalar.kind = Node::Kind::kInteger;
    scalar.number = *integer;
  } else if (is_float(text)) {
    scalar.kind = Node::Kind::kFloat;
  }
}

bool resolve_tagged(Node& scalar, std::string_view tag) {
  static constexpr std::string_view kCore = "tag:yaml.org,2002:";
  if (!tag.starts_with(kCore)) return false;
  tag.remove_prefix(kCore.size());
  if (tag == "str") return true;
  resolve_plain(scalar);
  switch (scalar.kind) {
    case Node::Kind::kNull: return tag == "null";
    case Node::Kind::kBoolean: return tag == "bool";
    case Node::Kind::kInteger: return tag == "int" || tag == "float";
    case Node::Kind::kFloat: return tag == "float";
    default: return false;
  }
}

}  // namespace weft::control
