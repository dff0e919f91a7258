// Blocks are decided by indentation: each collection knows the column it began at, and a line that is
// neither there, nor deeper, nor at an outer collection's column is an error. Nesting is bounded, so the
// recursion is.
#include "control/yaml_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "control/yaml_text.h"

namespace weft::control {
namespace {

constexpr std::string_view kCore = "tag:yaml.org,2002:";

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
      if (!may_direct)
        cursor_.stop("a directive inside a document", "end the document before with ...");
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
        cursor_.stop_at(at, "a wrong or second %YAML directive", "write %YAML 1.2, or nothing");
      }
      version = true;
    } else if (words[0] == "%TAG") {
      if (words.size() != 3) {
        return cursor_.stop_at(at, "a %TAG directive has a handle and a prefix");
      }
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
    cursor_.stop("a name with its ':' where only a value may stand",
                 "begin a new line, or quote the text");
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
      if (cursor_.peek() == '|' || cursor_.peek() == '>')
        return block_content(parent, Start::kInline, own);
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
    if (line_tabbed_ && start == Start::kFresh)
      cursor_.stop("a tab used for indentation", "use spaces");
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
    if (line_tabbed_ && start == Start::kFresh)
      cursor_.stop("a tab used for indentation", "use spaces");
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
    cursor_.stop("a list item where a map's next name should stand",
                 "indent it, or remove the dash");
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
    cursor_.stop_at(at, "a map's next name lacks its ':'", "write NAME: VALUE");
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
  if (is_collection(name)) {
    cursor_.stop_at(name.at, "a list or a map cannot be a name in a map",
                    "names must be plain text");
  }
  if (!names.insert(name.text).second) {
    cursor_.stop_at(name.at, fmt::format("the name '{}' appears twice in this map", name.text),
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
    cursor_.stop_at(at, "merge keys (<<) are not supported", "write the fields out");
  }
  if (!name && cursor_.at_break()) read_plain_rest(cursor_, parent, flow, text);
  plain_ = true;
  return Node::string(text, at);
}

}  // namespace weft::control
