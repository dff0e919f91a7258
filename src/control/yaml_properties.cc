// Anchors, tags and aliases, and what a value becomes once it is whole: its kind, its place in the count
// of values. An alias is a copy, counted before it is made.
#include <fmt/format.h>

#include <algorithm>

#include "control/yaml_parser.h"
#include "control/yaml_scalar.h"

namespace weft::control {
namespace {

constexpr std::string_view kCore = "tag:yaml.org,2002:";

struct Measure {
  size_t nodes = 1, levels = 0;
};
Measure measure(const Node& node) {
  Measure out;
  const auto add = [&](const Node& child) {
    const Measure inner = measure(child);
    out.nodes += inner.nodes;
    out.levels = std::max(out.levels, inner.levels + 1);
  };
  if (is_collection(node)) out.levels = 1;
  for (const Node& item : node.items) add(item);
  for (const Node::Entry& entry : node.entries) add(entry.value);
  return out;
}

}  // namespace

YamlParser::Properties YamlParser::join(const Properties& outer, const Properties& inner) const {
  if ((!inner.anchor.empty() && !outer.anchor.empty()) ||
      (!inner.tag.empty() && !outer.tag.empty())) {
    cursor_.stop_at(inner.at, "a second anchor or tag for one value");
  }
  return {.anchor = inner.anchor.empty() ? outer.anchor : inner.anchor,
          .tag = inner.tag.empty() ? outer.tag : inner.tag,
          .at = outer.any() ? outer.at : inner.at};
}

YamlParser::Properties YamlParser::properties() {
  Properties out;
  out.at = cursor_.here();
  while (cursor_.peek() == '&' || cursor_.peek() == '!') {
    const bool anchor = cursor_.peek() == '&';
    std::string& into = anchor ? out.anchor : out.tag;
    if (!into.empty()) cursor_.stop("a second anchor or tag for one value");
    if (anchor) {
      cursor_.step();
      const size_t start = cursor_.offset();
      while (!cursor_.blank_or_break(0) &&
             std::string_view(",[]{}").find(cursor_.peek()) == std::string_view::npos) {
        cursor_.step();
      }
      into = cursor_.since(start);
      if (into.empty()) cursor_.stop("an anchor has no name");
    } else {
      into = tag_name();
    }
    if (!cursor_.blank_or_break(0) &&
        std::string_view(",]}").find(cursor_.peek()) == std::string_view::npos) {
      cursor_.stop("an anchor or tag must be followed by a blank");
    }
    const YamlCursor before = cursor_;
    cursor_.skip_blanks();
    if (cursor_.peek() == '*') cursor_.stop("an alias cannot have an anchor or a tag");
    if (cursor_.peek() != '&' && cursor_.peek() != '!') cursor_ = before;
  }
  return out;
}

// The whole name of the tag here: !!str is tag:yaml.org,2002:str.
std::string YamlParser::tag_name() {
  const Position at = cursor_.here();
  const size_t start = cursor_.offset();
  if (cursor_.peek(1) == '<') {
    while (!cursor_.blank_or_break(0)) cursor_.step();
    std::string text(cursor_.since(start));
    if (text.size() < 4 || !text.ends_with('>')) {
      cursor_.stop_at(at, "a tag that begins with !< ends with >");
      return "";
    }
    return text.substr(2, text.size() - 3);
  }
  while (!cursor_.blank_or_break(0) &&
         std::string_view(",[]{}").find(cursor_.peek()) == std::string_view::npos) {
    cursor_.step();
  }
  const std::string text(cursor_.since(start));
  if (text.empty()) return text;  // the cursor has failed before
  const size_t second = text.find('!', 1);
  const std::string handle = second == std::string::npos ? "!" : text.substr(0, second + 1);
  const auto it = handles_.find(handle);
  if (it == handles_.end()) {
    cursor_.stop_at(at, fmt::format("the tag handle {} is not declared", handle),
                    "write the value without a tag");
    return "";
  }
  return it->second + text.substr(handle.size());
}

Node YamlParser::alias() {
  const Position at = cursor_.here();
  cursor_.step();
  const size_t start = cursor_.offset();
  while (!cursor_.blank_or_break(0) &&
         std::string_view(",[]{}").find(cursor_.peek()) == std::string_view::npos) {
    cursor_.step();
  }
  const std::string name(cursor_.since(start));
  const auto it = anchors_.find(name);
  if (it == anchors_.end()) {
    cursor_.stop_at(at, fmt::format("the alias *{} refers to nothing before it", name));
    return Node{.at = at};
  }
  // Counted before it is copied: a few lines of aliases can stand for a universe of values.
  nodes_ += it->second.nodes - 1;
  if (nodes_ > limits_.nodes) {
    cursor_.stop_at(at, fmt::format("more than {} values in one file (aliases count as what they "
                                    "stand for)",
                                    limits_.nodes));
    return Node{.at = at};
  }
  if (depth_ + it->second.levels > limits_.depth) {
    cursor_.stop_at(at, fmt::format("nested deeper than {} levels", limits_.depth));
  }
  Node copy = it->second.node;
  copy.at = at;
  return copy;
}

Node YamlParser::empty(const Properties& properties) {
  Properties own = properties;
  if (own.tag == "!") own.tag.clear();  // says nothing about nothing
  return finish(Node::string("", cursor_.here()), own, true);
}

// Gives a value its kind and its anchor, and counts it.
Node YamlParser::finish(Node node, const Properties& properties, bool plain) {
  if (++nodes_ > limits_.nodes) {
    cursor_.stop_at(node.at,
                    fmt::format("more than {} values in one file (aliases count as what they "
                                "stand for)",
                                limits_.nodes));
  }
  const std::string& tag = properties.tag;
  if (tag.empty()) {
    if (plain && node.is(Node::Kind::kString)) resolve_plain(node);
  } else if (is_collection(node)) {
    const bool fits =
        tag == "!" || tag == std::string(kCore) + (node.is(Node::Kind::kMap) ? "map" : "seq");
    if (!fits) {
      cursor_.stop_at(properties.at,
                      fmt::format("the tag {} does not fit this value or is unknown", tag),
                      "write the value without a tag");
    }
  } else if (tag != "!") {
    node.kind = Node::Kind::kString;
    if (!resolve_tagged(node, tag)) {
      cursor_.stop_at(properties.at,
                      fmt::format("the tag {} does not fit this value or is unknown", tag),
                      "write the value without a tag");
    }
  } else {
    node.kind = Node::Kind::kString;
  }
  if (!properties.anchor.empty()) {
    const Measure size = measure(node);
    anchors_[properties.anchor] = {node, size.nodes, size.levels};
  }
  return node;
}

}  // namespace weft::control
