// Writing a tree as JSON or YAML, and the small helpers of Node. A string is quoted in YAML whenever the
// reader above, or a YAML 1.1 reader, could take it for anything else; quoted strings use JSON's escapes,
// which YAML shares.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/text.h"
#include "control/yaml.h"
#include "control/yaml_scalar.h"

namespace weft::control {
namespace {

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
    }
  }
  return out + "\"";
}

// Words YAML 1.1 readers take for booleans.
bool old_boolean(std::string_view text) {
  static constexpr std::string_view kWords[] = {"yes", "no", "on", "off", "y", "n"};
  return std::ranges::find(kWords, to_lower(text)) != std::end(kWords);
}

bool safe_plain(const std::string& text) {
  Node probe = Node::string(text, {});
  resolve_plain(probe);
  if (!probe.is(Node::Kind::kString) || old_boolean(text)) return false;
  const auto safe = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '/' || c == '-' || c == '+';
  };
  if (!std::ranges::all_of(text, safe)) return false;
  // A leading digit or sign might be a date, a sexagesimal or a float to older readers.
  return std::isalpha(static_cast<unsigned char>(text[0])) != 0 || text[0] == '/' || text[0] == '_';
}

std::string scalar_json(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull: return "null";
    case Node::Kind::kBoolean: return node.number ? "true" : "false";
    case Node::Kind::kInteger: return std::to_string(node.number);
    case Node::Kind::kFloat: {
      double value = 0;
      const auto [end, error] =
          std::from_chars(node.text.data(), node.text.data() + node.text.size(), value);
      const bool finite = error == std::errc{} && std::isfinite(value);
      // JSON has no .inf and no .nan; and a reader would take "-0" for an integer, whose zero has no sign.
      return finite ? fmt::format("{}", value == 0 ? 0.0 : value) : quote(node.text);
    }
    default: return quote(node.text);
  }
}

std::string scalar_yaml(const Node& node) {
  if (node.is(Node::Kind::kFloat)) return node.text;
  if (node.is(Node::Kind::kString) && safe_plain(node.text)) return node.text;
  return scalar_json(node);
}

bool is_scalar(const Node& node) { return node.kind < Node::Kind::kList; }

void write_yaml(const Node& node, size_t indent, std::string& out);

// What follows "name:" or "-": a scalar on the same line, or a block.
void write_value(const Node& value, size_t indent, bool in_list, std::string& out) {
  if (is_scalar(value)) {
    out += " " + scalar_yaml(value) + "\n";
  } else if (value.is(Node::Kind::kList) && value.items.empty()) {
    out += " []\n";
  } else if (value.is(Node::Kind::kMap) && value.entries.empty()) {
    out += " {}\n";
  } else if (in_list) {
    // The first line of the block stands behind the dash.
    std::string block;
    write_yaml(value, indent + 2, block);
    out += " " + block.substr(indent + 2);
  } else {
    out += "\n";
    write_yaml(value, value.is(Node::Kind::kList) ? indent : indent + 2, out);
  }
}

void write_yaml(const Node& node, size_t indent, std::string& out) {
  const std::string margin(indent, ' ');
  for (const Node& item : node.items) {
    out += margin + "-";
    write_value(item, indent, true, out);
  }
  for (const Node::Entry& entry : node.entries) {
    out += margin + (safe_plain(entry.name) ? entry.name : quote(entry.name)) + ":";
    write_value(entry.value, indent, false, out);
  }
}

}  // namespace

Node Node::string(std::string_view text, Position at) {
  Node node;
  node.kind = Kind::kString;
  node.at = at;
  node.text = text;
  return node;
}

Node Node::integer(int64_t value, Position at) {
  Node node;
  node.kind = Kind::kInteger;
  node.at = at;
  node.text = std::to_string(value);
  node.number = value;
  return node;
}

Node Node::real(double value) {
  Node node;
  node.kind = Kind::kFloat;
  node.text = std::isfinite(value) ? fmt::format("{}", value) : ".nan";
  return node;
}

Node Node::boolean(bool value, Position at) {
  Node node;
  node.kind = Kind::kBoolean;
  node.at = at;
  node.text = value ? "true" : "false";
  node.number = value;
  return node;
}

Node Node::list(Position at) {
  Node node;
  node.kind = Kind::kList;
  node.at = at;
  return node;
}

Node Node::map(Position at) {
  Node node;
  node.kind = Kind::kMap;
  node.at = at;
  return node;
}

const Node* Node::find(std::string_view name) const {
  const auto it = std::ranges::find(entries, name, &Entry::name);
  return it == entries.end() ? nullptr : &it->value;
}

const Node* Node::find_path(std::initializer_list<std::string_view> names) const {
  const Node* node = this;
  for (const std::string_view name : names) {
    if (node) node = node->find(name);
  }
  return node;
}

std::string_view Node::text_of(std::string_view name) const {
  const Node* node = find(name);
  return node && node->is(Kind::kString) ? std::string_view(node->text) : std::string_view();
}

Node& Node::add(std::string_view name, Node value) {
  const Position at = value.at;
  entries.push_back({std::string(name), at, std::move(value)});
  return entries.back().value;
}

std::string describe(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull: return "nothing";
    case Node::Kind::kBoolean: return "the boolean " + node.text;
    case Node::Kind::kInteger:
    case Node::Kind::kFloat: return "the number " + node.text;
    case Node::Kind::kString:
      return fmt::format("the text '{}'",
                         node.text.size() > 60 ? node.text.substr(0, 57) + "..." : node.text);
    case Node::Kind::kList: return "a list";
    case Node::Kind::kMap: return "a map";
  }
  return "";
}

std::string to_json(const Node& node) {
  if (is_scalar(node)) return scalar_json(node);
  const bool map = node.is(Node::Kind::kMap);
  std::string out(1, map ? '{' : '[');
  for (const Node& item : node.items) {
    if (out.size() > 1) out += ',';
    out += to_json(item);
  }
  for (const Node::Entry& entry : node.entries) {
    if (out.size() > 1) out += ',';
    out += quote(entry.name) + ":" + to_json(entry.value);
  }
  return out + (map ? '}' : ']');
}

std::string to_yaml(const Node& node) {
  if (is_scalar(node)) return scalar_yaml(node) + "\n";
  if (node.is(Node::Kind::kList) && node.items.empty()) return "[]\n";
  if (node.is(Node::Kind::kMap) && node.entries.empty()) return "{}\n";
  std::string out;
  write_yaml(node, 0, out);
  return out;
}

}  // namespace weft::control
