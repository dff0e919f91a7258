// Blocks are decided by indentation: each collection knows the column it began at, and a line that is
// neither there, nor deeper, nor at an outer collection's column is an error. Nesting is bounded, so the
// recursion is.
#include "control/yaml_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "control/yaml_scalar.h"
#include "control/yaml_text.h"

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
  if (node.is(Node::Kind::kList) || node.is(Node::Kind::kMap)) out.levels = 1;
  for (const Node& item : node.items) add(item);
  for (const Node::Entry& entry : node.entries) add(entry.value);
  return out;
}

bool collection(const Node& node) { return node.is(Node::Kind::kList) || node.is(Node::Kind::kMap); }

}  // namespace

// --- documents ---

std::vector<Node> YamlParser::documents() {
  std::vector<Node> out;
  bool may_direct = true;  // at the start, and after "..."
  while (true) {
    skip_gap();
    if (cursor_.end()) return out;
    if (cursor_.peek() == '.' && cursor_.at_document_mark()) {
      cursor_.step(3);
      expect_line_end();
      may_direct = true;
      continue;
    }
    anchors_.clear();
    handles_ = {{"!!", std::string(kCore)}, {"!", "!"}};
    if (cursor_.peek() == '%' && cursor_.column() == 0) {
      if (!may_direct) cursor_.stop("a directive inside a document", "end the document before with ...");
      directives();
    }
    Start start = Start::kFresh;
    if (cursor_.at_document_mark() && cursor_.peek() == '-') {
      cursor_.step(3);
      start = Start::kInline;
    }
    Node node = document(start);
    if (!node.is(Node::Kind::kNull)) out.push_back(std::move(node));
    may_direct = false;
  }
}

void YamlParser::directives() {
  bool version = false;
  while (cursor_.peek() == '%' && cursor_.column() == 0) {
    const Position at = cursor_.here();
    const size_t start = cursor_.offset();
    while (!cursor_.at_break() && !(cursor_.peek() == '#' && cursor_.after_blank())) cursor_.step();
    std::vector<std::string> words;
    std::string word;
    for (const char c : std::string(cursor_.since(start)) + " ") {
      if (c != ' ' && c != '\t') {
        word += c;
      } else if (!word.empty()) {
        words.push_back(std::exchange(word, ""));
      }
    }
    if (words[0] == "%YAML") {
      const bool known = words.size() == 2 && words[1].size() == 3 && words[1].starts_with("1.");
      if (version || !known) {
        YamlCursor::stop_at(at, "a wrong or second %YAML directive", "write %YAML 1.2, or nothing");
      }
      version = true;
    } else if (words[0] == "%TAG") {
      if (words.size() != 3) YamlCursor::stop_at(at, "a %TAG directive has a handle and a prefix");
      handles_[words[1]] = words[2];
    }
    skip_gap();
  }
  if (!(cursor_.at_document_mark() && cursor_.peek() == '-')) {
    cursor_.stop("a document with directives begins with ---");
  }
}

Node YamlParser::document(Start start) {
  Node node = block_value(-1, start, false);
  if (cursor_.column() != 0 || !at_content_end()) skip_gap();
  if (!at_content_end()) {
    cursor_.stop("text behind the end of the document's value", "is it indented wrongly?");
  }
  return node;
}

// --- between values ---

void YamlParser::skip_gap() {
  while (true) {
    if (cursor_.column() == 0) {
      line_indent_ = cursor_.spaces();
      cursor_.step(static_cast<size_t>(line_indent_));
      line_tabbed_ = cursor_.peek() == '\t';
      if (line_indent_ == 0 && cursor_.at_document_mark()) return;
    }
    cursor_.skip_blanks();
    if (cursor_.peek() == '#' && cursor_.after_blank()) {
      while (!cursor_.at_break()) cursor_.step();
    }
    if (cursor_.peek() != '\n') return;
    cursor_.step();
  }
}

void YamlParser::expect_line_end() {
  cursor_.skip_blanks();
  if (cursor_.at_break() || (cursor_.peek() == '#' && cursor_.after_blank())) return;
  if (cursor_.peek() == ':') {
    cursor_.stop("a name with its ':' where only a value may stand", "begin a new line, or quote the text");
  }
  cursor_.stop("unexpected text behind the value", "quote the value if this belongs to it");
}

void YamlParser::enter() {
  if (++depth_ > limits_.depth) {
    cursor_.stop(fmt::format("nested deeper than {} levels", limits_.depth));
  }
}

// --- block values ---

Node YamlParser::block_value(int parent, Start start, bool list_may_align) {
  const uint32_t line = cursor_.line();
  skip_gap();
  if (cursor_.line() != line) start = Start::kFresh;
  if (at_content_end()) return empty({});
  if (start == Start::kFresh && line_indent_ <= parent) {
    const bool list = cursor_.peek() == '-' && cursor_.blank_or_break(1);
    if (!(list && list_may_align && line_indent_ == parent)) return empty({});
    return block_content(parent - 1, start, {});
  }
  return block_content(parent, start, {});
}

Node YamlParser::block_content(int parent, Start start, const Properties& outer) {
  const char c = cursor_.peek();
  const bool may_nest = start != Start::kInline && !(outer.any() && start == Start::kCompact);
  const int column = cursor_.column();
  if ((c == '&' || c == '!') && !outer.any()) {
    const uint32_t line = cursor_.line();
    const Properties own = properties();
    cursor_.skip_blanks();
    if (!cursor_.at_break() && !(cursor_.peek() == '#')) {
      // On the same line: they belong to a scalar, a flow collection, or the first name of a map.
      if (cursor_.peek() == '|' || cursor_.peek() == '>') return block_content(parent, Start::kInline, own);
      if (cursor_.peek() == '-' && cursor_.blank_or_break(1)) {
        cursor_.stop("a list item cannot begin here", "begin the list on a new line");
      }
      Node node = atom(parent, false);
      node = finish(std::move(node), own, plain_);
      if (start != Start::kInline && at_colon(false, false) && line == cursor_.line()) {
        return block_map(column, std::move(node));
      }
      expect_line_end();
      return node;
    }
    return block_after_properties(parent, own);
  }
  if (c == '-' && cursor_.blank_or_break(1)) {
    if (!may_nest) cursor_.stop("a list item cannot begin here", "begin the list on a new line");
    if (line_tabbed_ && start == Start::kFresh) cursor_.stop("a tab used for indentation", "use spaces");
    return finish(block_list(column), outer, false);
  }
  if (c == '?' && cursor_.blank_or_break(1)) {
    cursor_.stop("explicit keys ('? ') are not supported", "write NAME: VALUE");
  }
  if (c == '|' || c == '>') {
    const Position at = cursor_.here();
    Node node = Node::string(read_block_text(cursor_, parent), at);
    return finish(std::move(node), outer, false);
  }
  // The properties of a line before belong to the whole map, those of this line to its first name.
  const uint32_t line = cursor_.line();
  Properties inner;
  if (c == '&' || c == '!') {
    inner = properties();
    cursor_.skip_blanks();
    if (cursor_.at_break() || cursor_.peek() == '#') {
      return block_after_properties(parent, join(outer, inner));
    }
  }
  Node node = atom(parent, false);
  const bool plain = plain_;
  const bool named = at_colon(false, false) && line == cursor_.line();
  if (named && may_nest) {
    if (line_tabbed_ && start == Start::kFresh) cursor_.stop("a tab used for indentation", "use spaces");
    node = finish(std::move(node), inner, plain);
    return finish(block_map(column, std::move(node)), outer, false);
  }
  expect_line_end();
  return finish(std::move(node), join(outer, inner), plain);
}

// What stands on the lines below an anchor or tag.
Node YamlParser::block_after_properties(int parent, const Properties& own) {
  skip_gap();
  const bool list = cursor_.peek() == '-' && cursor_.blank_or_break(1);
  const bool aligned = list && line_indent_ == parent;  // a list may stand below its name's column
  if (at_content_end() || (line_indent_ <= parent && !aligned)) return empty(own);
  return block_content(aligned ? parent - 1 : parent, Start::kFresh, own);
}

Node YamlParser::block_list(int indent) {
  enter();
  Node list = Node::list(cursor_.here());
  while (true) {
    cursor_.step();  // the dash
    YamlCursor ahead = cursor_;
    ahead.skip_blanks();
    // A tab may separate a dash from a text, but cannot indent a list.
    if (ahead.peek() == '-' && ahead.blank_or_break(1) &&
        ahead.since(cursor_.offset()).find('\t') != std::string_view::npos) {
      ahead.stop("a tab used for indentation", "use spaces");
    }
    list.items.push_back(block_value(indent, Start::kCompact, false));
    skip_gap();
    if (at_content_end() || line_indent_ < indent) break;
    const bool item = cursor_.peek() == '-' && cursor_.blank_or_break(1);
    if (line_indent_ == indent && item && !line_tabbed_) continue;
    if (line_indent_ == indent) break;
    cursor_.stop("this line is indented neither as the list nor as anything before it");
  }
  leave();
  return list;
}

Node YamlParser::key_at_line_start() {
  if (line_tabbed_) cursor_.stop("a tab used for indentation", "use spaces");
  if (cursor_.peek() == '-' && cursor_.blank_or_break(1)) {
    cursor_.stop("a list item where a map's next name should stand", "indent it, or remove the dash");
  }
  if (cursor_.peek() == '?' && cursor_.blank_or_break(1)) {
    cursor_.stop("explicit keys ('? ') are not supported", "write NAME: VALUE");
  }
  const Position at = cursor_.here();
  const uint32_t line = cursor_.line();
  Properties own;
  if (cursor_.peek() == '&' || cursor_.peek() == '!') {
    own = properties();
    cursor_.skip_blanks();
  }
  Node name = atom(cursor_.column(), false);
  name = finish(std::move(name), own, plain_);
  if (!at_colon(false, false) || cursor_.line() != line) {
    YamlCursor::stop_at(at, "a map's next name lacks its ':'", "write NAME: VALUE");
  }
  return name;
}

Node YamlParser::block_map(int indent, Node first) {
  enter();
  Node map = Node::map(first.at);
  std::set<std::string, std::less<>> names;
  map_entry(indent, map, names, std::move(first));
  while (true) {
    skip_gap();
    if (at_content_end() || line_indent_ < indent) break;
    if (line_indent_ > indent) {
      cursor_.stop("this line is indented neither as the map nor as anything before it");
    }
    map_entry(indent, map, names, key_at_line_start());
  }
  leave();
  return map;
}

void YamlParser::map_entry(int indent, Node& map, std::set<std::string, std::less<>>& names,
                           Node name) {
  check_name(name, names);
  cursor_.skip_blanks();
  cursor_.step();  // the colon
  Node value = block_value(indent, Start::kInline, true);
  map.entries.push_back({std::move(name.text), name.at, std::move(value)});
}

void YamlParser::check_name(const Node& name, std::set<std::string, std::less<>>& names) const {
  if (collection(name)) {
    YamlCursor::stop_at(name.at, "a list or a map cannot be a name in a map", "names must be plain text");
  }
  if (!names.insert(name.text).second) {
    YamlCursor::stop_at(name.at, fmt::format("the name '{}' appears twice in this map", name.text),
                        "remove one of the two");
  }
}

// Is a ':' next that ends a name? In a flow collection it may touch what follows a quoted name.
bool YamlParser::at_colon(bool flow, bool adjacent) const {
  YamlCursor ahead = cursor_;
  ahead.skip_blanks();
  if (ahead.peek() != ':') return false;
  if (ahead.blank_or_break(1) || adjacent) return true;
  return flow && std::string_view(",[]{}").find(ahead.peek(1)) != std::string_view::npos;
}

Node YamlParser::atom(int parent, bool flow) {
  const Position at = cursor_.here();
  const char c = cursor_.peek();
  plain_ = false;
  quoted_ = true;
  if (c == '"') return Node::string(read_double_quoted(cursor_, parent), at);
  if (c == '\'') return Node::string(read_single_quoted(cursor_, parent), at);
  if (c == '[') return flow_list(parent);
  if (c == '{') return flow_map(parent);
  quoted_ = false;
  if (c == '*') return alias();
  if (c == ':' && cursor_.blank_or_break(1)) {
    cursor_.stop("a name is missing before ':'", "write NAME: VALUE");
  }
  if (!begins_plain(cursor_, flow)) {
    cursor_.stop(fmt::format("a text cannot begin with '{}'", c), "quote it");
  }
  std::string text = read_plain_line(cursor_, flow);
  const bool name = at_colon(flow, false);
  if (name && text == "<<") {
    YamlCursor::stop_at(at, "merge keys (<<) are not supported", "write the fields out");
  }
  if (!name && cursor_.at_break()) read_plain_rest(cursor_, parent, flow, text);
  plain_ = true;
  return Node::string(text, at);
}

// --- flow collections ---

void YamlParser::flow_gap(int parent) {
  const uint32_t line = cursor_.line();
  skip_gap();
  if (cursor_.end()) return;
  if (cursor_.at_document_mark()) cursor_.stop("a document mark inside [ ] or { }");
  const bool closing = cursor_.peek() == ']' || cursor_.peek() == '}';
  if (cursor_.line() != line && line_indent_ <= parent && !closing) {
    cursor_.stop("this line is indented too little to belong to the [ ] or { } it stands in");
  }
}

Node YamlParser::flow_value(int parent) {
  Properties own;
  if (cursor_.peek() == '&' || cursor_.peek() == '!') {
    own = properties();
    flow_gap(parent);
    const char c = cursor_.peek();
    if (c == ',' || c == ']' || c == '}') return empty(own);
  }
  Node node = atom(parent, true);
  const bool plain = plain_, quoted = quoted_;
  node = finish(std::move(node), own, plain);
  quoted_ = quoted;
  return node;
}

// Behind a name's ':'.
Node YamlParser::flow_pair_value(int parent) {
  flow_gap(parent);
  const char c = cursor_.peek();
  if (c == ',' || c == ']' || c == '}') return empty({});
  return flow_value(parent);
}

Node YamlParser::flow_list(int parent) {
  enter();
  Node list = Node::list(cursor_.here());
  cursor_.step();
  while (true) {
    flow_gap(parent);
    if (cursor_.end()) YamlCursor::stop_at(list.at, "this list is not closed", "close it with ]");
    if (cursor_.peek() == ']') break;
    if (cursor_.peek() == ',') cursor_.stop("a value is missing before ','");
    if (cursor_.peek() == '?' && cursor_.blank_or_break(1)) {
      cursor_.stop("explicit keys ('? ') are not supported", "write NAME: VALUE");
    }
    const uint32_t line = cursor_.line();
    Node item = flow_value(parent);
    if (at_colon(true, quoted_) && cursor_.line() == line) {
      // [name: value] is a list of one map.
      enter();
      Node map = Node::map(item.at);
      std::set<std::string, std::less<>> names;
      check_name(item, names);
      cursor_.skip_blanks();
      cursor_.step();
      Node value = flow_pair_value(parent);
      map.entries.push_back({std::move(item.text), item.at, std::move(value)});
      leave();
      item = finish(std::move(map), {}, false);
    }
    list.items.push_back(std::move(item));
    flow_gap(parent);
    if (cursor_.peek() == ',') {
      cursor_.step();
    } else if (cursor_.peek() != ']' && !cursor_.end()) {
      cursor_.stop("a ',' or ']' is missing here");
    }
  }
  cursor_.step();
  leave();
  plain_ = false;
  quoted_ = true;
  return list;
}

Node YamlParser::flow_map(int parent) {
  enter();
  Node map = Node::map(cursor_.here());
  std::set<std::string, std::less<>> names;
  cursor_.step();
  while (true) {
    flow_gap(parent);
    if (cursor_.end()) YamlCursor::stop_at(map.at, "this map is not closed", "close it with }");
    if (cursor_.peek() == '}') break;
    if (cursor_.peek() == ',') cursor_.stop("a name is missing before ','");
    if (cursor_.peek() == '?' && cursor_.blank_or_break(1)) {
      cursor_.stop("explicit keys ('? ') are not supported", "write NAME: VALUE");
    }
    Node name = flow_value(parent);
    const bool adjacent = quoted_;
    check_name(name, names);
    flow_gap(parent);
    Node value = Node{.at = name.at};
    if (at_colon(true, adjacent)) {
      cursor_.step();
      value = flow_pair_value(parent);
      flow_gap(parent);
    }
    map.entries.push_back({std::move(name.text), name.at, std::move(value)});
    if (cursor_.peek() == ',') {
      cursor_.step();
    } else if (cursor_.peek() != '}' && !cursor_.end()) {
      cursor_.stop("a ',' or '}' is missing here");
    }
  }
  cursor_.step();
  leave();
  plain_ = false;
  quoted_ = true;
  return map;
}

// --- anchors, tags, aliases ---

YamlParser::Properties YamlParser::join(const Properties& outer, const Properties& inner) {
  if ((!inner.anchor.empty() && !outer.anchor.empty()) || (!inner.tag.empty() && !outer.tag.empty())) {
    YamlCursor::stop_at(inner.at, "a second anchor or tag for one value");
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
    if (!text.ends_with('>')) YamlCursor::stop_at(at, "a tag that begins with !< ends with >");
    return text.substr(2, text.size() - 3);
  }
  while (!cursor_.blank_or_break(0) &&
         std::string_view(",[]{}").find(cursor_.peek()) == std::string_view::npos) {
    cursor_.step();
  }
  const std::string text(cursor_.since(start));
  const size_t second = text.find('!', 1);
  const std::string handle = second == std::string::npos ? "!" : text.substr(0, second + 1);
  const auto it = handles_.find(handle);
  if (it == handles_.end()) {
    YamlCursor::stop_at(at, fmt::format("the tag handle {} is not declared", handle),
                        "write the value without a tag");
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
    YamlCursor::stop_at(at, fmt::format("the alias *{} refers to nothing before it", name));
  }
  // Counted before it is copied: a few lines of aliases can stand for a universe of values.
  nodes_ += it->second.nodes - 1;
  if (nodes_ > limits_.nodes) {
    YamlCursor::stop_at(at, fmt::format("more than {} values in one file (aliases count as what they "
                                        "stand for)", limits_.nodes));
  }
  if (depth_ + it->second.levels > limits_.depth) {
    YamlCursor::stop_at(at, fmt::format("nested deeper than {} levels", limits_.depth));
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
    YamlCursor::stop_at(node.at, fmt::format("more than {} values in one file (aliases count as what they "
                                             "stand for)", limits_.nodes));
  }
  const std::string& tag = properties.tag;
  if (tag.empty()) {
    if (plain && node.is(Node::Kind::kString)) resolve_plain(node);
  } else if (collection(node)) {
    const bool fits = tag == "!" || tag == std::string(kCore) + (node.is(Node::Kind::kMap) ? "map" : "seq");
    if (!fits) {
      YamlCursor::stop_at(properties.at, fmt::format("the tag {} does not fit this value or is unknown", tag),
                          "write the value without a tag");
    }
  } else if (tag != "!") {
    node.kind = Node::Kind::kString;
    if (!resolve_tagged(node, tag)) {
      YamlCursor::stop_at(properties.at, fmt::format("the tag {} does not fit this value or is unknown", tag),
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
