// The tree is built from yaml-cpp's events rather than its Node, because only the events still know
// about duplicate keys, tags, styles and positions. yaml-cpp throws on syntax errors: that ends here. Its
// own faults are fenced off: text is checked to be clean UTF-8 before it sees it, and depth, node count
// and alias growth are counted while building. Reading is linear in the expanded tree.
#include "control/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <charconv>
#include <map>
#include <set>
#include <sstream>

#include "control/yaml_scalar.h"

namespace weft::control {
namespace {

// Thrown by the builder below through yaml-cpp, caught in read_yaml: yaml-cpp's parser has no other way
// to be stopped.
struct Stop {};

Position position(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<uint32_t>(mark.line + 1), static_cast<uint32_t>(mark.column + 1)};
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view file, Problems& problems, const YamlLimits& limits)
      : file_(file), problems_(problems), limits_(limits) {}

  bool has_root() const { return has_root_; }
  Node take_root() {
    has_root_ = false;
    anchors_.clear();
    return std::move(root_);
  }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    place(Node{.at = position(mark)}, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end()) stop(position(mark), "an alias that refers to itself");
    // Counted before it is copied: a few lines of aliases can stand for a universe of values.
    const Anchor& meant = it->second;
    count(meant.size, position(mark));
    if (open_.size() + meant.depth > limits_.depth) too_deep(position(mark));
    Node copy = meant.node;
    copy.at = position(mark);
    if (naming()) return take_name(std::move(copy), false);
    attach(std::move(copy), meant.size, meant.depth);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node = Node::string(value, position(mark));
    if (tag == "?" || tag.empty()) {
      resolve_plain(node);
    } else if (tag != "!" && !resolve_tagged(node, tag)) {
      stop(node.at, fmt::format("the tag {} does not fit this value or is unknown", tag),
           "write the value without a tag");
    }
    place(std::move(node), anchor, tag == "?" || tag.empty());
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check_collection_tag(tag, "tag:yaml.org,2002:seq", position(mark));
    begin(Node::list(position(mark)), anchor);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check_collection_tag(tag, "tag:yaml.org,2002:map", position(mark));
    begin(Node::map(position(mark)), anchor);
  }
  void OnMapEnd() override { end(); }

 private:
  // A collection being filled. For a map, `key` is set between a name and its value.
  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
    std::set<std::string, std::less<>> names;
    std::string key;
    Position key_at;
    bool has_key = false;
    size_t size = 1;   // nodes in it
    size_t depth = 1;  // levels in it
  };
  struct Anchor {
    Node node;
    size_t size = 1;
    size_t depth = 0;
  };

  [[noreturn]] void stop(Position at, std::string what, std::string hint = "") {
    problems_.push_back({std::string(file_), at, "", std::move(what), std::move(hint)});
    throw Stop{};
  }
  [[noreturn]] void too_deep(Position at) {
    stop(at, fmt::format("nested deeper than {} levels", limits_.depth));
  }
  void count(size_t nodes, Position at) {
    total_ += nodes;
    if (total_ > limits_.nodes) {
      stop(at, fmt::format("more than {} values in one file (aliases count as what they stand for)",
                           limits_.nodes));
    }
  }
  void check_collection_tag(const std::string& tag, std::string_view wanted, Position at) {
    if (tag != "?" && tag != "!" && !tag.empty() && tag != wanted) {
      stop(at, fmt::format("the tag {} does not fit this value or is unknown", tag),
           "write the value without a tag");
    }
  }

  // Is the next value a name in a map?
  bool naming() const {
    return !open_.empty() && open_.back().node.is(Node::Kind::kMap) && !open_.back().has_key;
  }

  void begin(Node node, YAML::anchor_t anchor) {
    if (naming()) {
      stop(node.at, "a list or a map cannot be a name in a map", "names must be plain text");
    }
    if (open_.size() + 1 > limits_.depth) too_deep(node.at);
    open_.push_back(Open{.node = std::move(node), .anchor = anchor});
  }

  void end() {
    Open done = std::move(open_.back());
    open_.pop_back();
    if (done.anchor) anchors_[done.anchor] = {done.node, done.size, done.depth};
    count(1, done.node.at);
    attach(std::move(done.node), done.size, done.depth);
  }

  void place(Node node, YAML::anchor_t anchor, bool plain = false) {
    if (anchor) anchors_[anchor] = {node};
    if (naming()) return take_name(std::move(node), plain);
    count(1, node.at);
    attach(std::move(node), 1, 0);
  }

  void take_name(Node node, bool plain) {
    Open& map = open_.back();
    if (node.is(Node::Kind::kList) || node.is(Node::Kind::kMap)) {
      stop(node.at, "a list or a map cannot be a name in a map", "names must be plain text");
    }
    if (plain && node.text == "<<") {
      stop(node.at, "merge keys (<<) are not supported", "write the fields out");
    }
    if (!map.names.insert(node.text).second) {
      stop(node.at, fmt::format("the name '{}' appears twice in this map", node.text),
           "remove one of the two");
    }
    map.key = std::move(node.text);
    map.key_at = node.at;
    map.has_key = true;
  }

  void attach(Node node, size_t size, size_t depth) {
    if (open_.empty()) {
      root_ = std::move(node);
      has_root_ = true;
      return;
    }
    Open& into = open_.back();
    into.size += size;
    into.depth = std::max(into.depth, depth + 1);
    if (into.node.is(Node::Kind::kList)) {
      into.node.items.push_back(std::move(node));
    } else {
      into.node.entries.push_back({std::move(into.key), into.key_at, std::move(node)});
      into.has_key = false;
    }
  }

  std::string_view file_;
  Problems& problems_;
  const YamlLimits& limits_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Anchor> anchors_;
  Node root_;
  bool has_root_ = false;
  size_t total_ = 0;
};

}  // namespace

std::string Problem::to_string() const {
  std::string out = fmt::format("{}:{}:{}: ", file, at.line, at.column);
  if (!path.empty()) out += path + ": ";
  out += what;
  if (!hint.empty()) out += " (" + hint + ")";
  return out;
}

std::vector<Node> read_yaml(std::string_view file, std::string_view text, Problems& problems,
                            const YamlLimits& limits) {
  std::vector<Node> documents;
  if (text.size() > limits.bytes) {
    problems.push_back({std::string(file), {}, "",
                        fmt::format("{} bytes; at most {} are read", text.size(), limits.bytes),
                        "split the file"});
    return documents;
  }
  if (auto dirt = find_unclean_text(text)) {
    problems.push_back({std::string(file), dirt->at, "", dirt->what, ""});
    return documents;
  }
  TreeBuilder builder(file, problems, limits);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
      if (!builder.has_root()) continue;
      Node root = builder.take_root();
      if (!root.is(Node::Kind::kNull)) documents.push_back(std::move(root));
    }
  } catch (const Stop&) {
    documents.clear();
  } catch (const YAML::Exception& e) {
    problems.push_back({std::string(file), position(e.mark), "", fmt::format("not YAML: {}", e.msg),
                        ""});
    documents.clear();
  }
  return documents;
}

}  // namespace weft::control
