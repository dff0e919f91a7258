// The structure of a YAML stream: documents, blocks and flow collections (YAML 1.2, chapters 6 to 9). A
// recursive descent in which every function reads one production and leaves the cursor behind it.
//
// Not read, and refused by name: explicit keys ("? "), lists and maps as keys, missing keys, merge keys,
// tags outside the core schema.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control/yaml.h"
#include "control/yaml_cursor.h"

namespace weft::control {

inline bool is_collection(const Node& node) {
  return node.is(Node::Kind::kList) || node.is(Node::Kind::kMap);
}

class YamlParser {
 public:
  // `text`: clean UTF-8 with "\n" as its only line break. Both outlive the parser.
  YamlParser(std::string_view text, const YamlLimits& limits)
      : cursor_(text, failure_), limits_(limits) {}
  YamlParser(const YamlParser&) = delete;
  YamlParser& operator=(const YamlParser&) = delete;

  // Worth nothing when failure() says so.
  std::vector<Node> documents();
  const YamlFailure& failure() const { return failure_; }

 private:
  // Anchor and tag in front of a value.
  struct Properties {
    std::string anchor, tag;
    Position at;
    bool any() const { return !anchor.empty() || !tag.empty(); }
  };
  struct Anchor {
    Node node;
    size_t nodes = 1, levels = 0;
  };
  // May a block collection begin here: on a fresh line, or behind "- ".
  enum class Start { kFresh, kCompact, kInline };

  // --- documents ---
  void directives();
  Node document(Start start);

  // --- between values ---
  // Passes blanks, comments and line breaks; on a new line notes its indentation.
  void skip_gap();
  // The rest of the line may hold a comment only.
  void expect_line_end();
  bool at_content_end() const { return cursor_.end() || cursor_.at_document_mark(); }

  // --- values ---
  Node block_value(int parent, Start start, bool list_may_align);
  Node block_content(int parent, Start start, const Properties& outer);
  Node block_after_properties(int parent, const Properties& own);
  Node block_list(int indent);
  // `first` stands before its ':'.
  Node block_map(int indent, Node first);
  void map_entry(int indent, Node& map, std::set<std::string, std::less<>>& names, Node name);
  Node key_at_line_start();
  // A quoted, plain or alias scalar, or a flow collection, on one line if it is to be a key.
  Node atom(int parent, bool flow);
  bool at_colon(bool flow, bool adjacent) const;

  Node flow_value(int parent);
  Node flow_list(int parent);
  Node flow_map(int parent);
  void flow_gap(int parent);
  Node flow_pair_value(int parent);

  Properties properties();
  // Of one value, written on two lines.
  Properties join(const Properties& outer, const Properties& inner) const;
  std::string tag_name();
  Node alias();
  Node finish(Node node, const Properties& properties, bool plain);
  Node empty(const Properties& properties);
  void check_name(const Node& name, std::set<std::string, std::less<>>& names) const;
  void enter();
  void leave() { --depth_; }

  YamlFailure failure_;
  YamlCursor cursor_;
  const YamlLimits& limits_;
  std::map<std::string, Anchor, std::less<>> anchors_;
  std::map<std::string, std::string, std::less<>> handles_;
  int line_indent_ = 0;       // of the line the cursor is in, in spaces
  bool line_tabbed_ = false;  // a tab stands before that line's first text
  bool plain_ = false;        // the last atom was plain
  bool quoted_ = false;  // the last atom was quoted or a collection: ':' may follow at once in flow
  size_t depth_ = 0;
  size_t nodes_ = 0;
};

}  // namespace weft::control
