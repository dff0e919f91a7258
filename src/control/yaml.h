// YAML, read strictly: what this reader accepts is one tree with nothing lost on the way, and every node
// knows where it stood. JSON is YAML and is read by the same code.
//
// Refused, with line and column: text that is not UTF-8, duplicate keys, keys that are no scalars, merge
// keys (<<), tags outside the core schema, aliases that would blow the document up, nesting and size
// beyond the limits below. Plain scalars follow the YAML 1.2 core schema (so `yes` and `on` are
// strings). Values own their memory; no third-party type shows here.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace weft::control {

// A place in a file, 1-based; columns count characters.
struct Position {
  uint32_t line = 1;
  uint32_t column = 1;
  friend auto operator<=>(const Position&, const Position&) = default;
};

// One thing wrong with an input.
struct Problem {
  std::string file;
  Position at;
  std::string path;  // spec.rules[0].backendRefs[1].weight; "" for the whole document
  std::string what;  // "unknown field"
  std::string hint;  // "did you mean 'weight'?"; may be empty

  // FILE:LINE:COLUMN: PATH: WHAT (HINT)
  std::string to_string() const;
};
using Problems = std::vector<Problem>;

class Node {
 public:
  enum class Kind : uint8_t { kNull, kBoolean, kInteger, kFloat, kString, kList, kMap };
  struct Entry;

  Kind kind = Kind::kNull;
  Position at;
  std::string text;            // scalars: as written (strings: their value)
  int64_t number = 0;          // kInteger; kBoolean: 0 or 1
  std::vector<Node> items;     // kList
  std::vector<Entry> entries;  // kMap, in the order written, names unique

  static Node string(std::string_view text, Position at = {});
  static Node integer(int64_t value, Position at = {});
  static Node real(double value);
  static Node boolean(bool value, Position at = {});
  static Node list(Position at = {});
  static Node map(Position at = {});

  bool is(Kind k) const { return kind == k; }
  // The value under `name`, or nothing.
  const Node* find(std::string_view name) const;
  // The same along a chain of maps; nothing when one is missing.
  const Node* find_path(std::initializer_list<std::string_view> names) const;
  // The string under `name`, or "".
  std::string_view text_of(std::string_view name) const;
  // Adds an entry to a map; returns the value in its place.
  Node& add(std::string_view name, Node value);
  Node& add(std::string_view name, std::string_view text);
};

struct Node::Entry {
  std::string name;
  Position at;  // of the name
  Node value;
};

inline Node& Node::add(std::string_view name, std::string_view text) {
  return add(name, string(text));
}

// "a list", "the number 5", "the text 'x'": how messages name a value.
std::string describe(const Node& node);

struct YamlLimits {
  size_t bytes = 4 * 1024 * 1024;
  size_t depth = 64;
  size_t nodes = 200'000;  // after aliases were expanded
};

// All documents of `text` that are not empty. Problems are appended: a syntax error ends the reading of
// this text, since nothing after it can be trusted.
std::vector<Node> read_yaml(std::string_view file, std::string_view text, Problems& problems,
                            const YamlLimits& limits = {});

// One line, map order kept.
std::string to_json(const Node& node);
// Block style, two spaces; strings are quoted where a reader might take them for something else.
// Reading it gives the same tree.
std::string to_yaml(const Node& node);

}  // namespace weft::control
