// Flow collections: [ ] and { }, JSON among them. Line breaks mean nothing here, but lines must be deeper
// than the block they stand in; only the closing mark may stand below its name, as people write it.
#include <utility>

#include "control/yaml_parser.h"

namespace weft::control {

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
    if (cursor_.end()) {
      cursor_.stop_at(list.at, "this list is not closed", "close it with ]");
      break;
    }
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
    if (cursor_.end()) {
      cursor_.stop_at(map.at, "this map is not closed", "close it with }");
      break;
    }
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

}  // namespace weft::control
