// The YAML test suite (yaml/yaml-test-suite): what must be refused is refused with a place, what has a
// JSON form reads as that, and the rest is read as its events say or refused by a declared limit.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/text.h"
#include "control/yaml.h"
#include "control/yaml_scalar.h"

namespace weft::control {
namespace {

using nlohmann::json;

// In the suite's texts visible characters stand for invisible ones.
std::string unmark(std::string text) {
  const std::pair<const char*, const char*> kMarks[] = {
      {"␣", " "},  {"————»", "\t"}, {"———»", "\t"},        {"——»", "\t"}, {"—»", "\t"},
      {"»", "\t"}, {"←", "\r"},     {"⇔", "\xEF\xBB\xBF"}, {"↵", ""},     {"∎\n", ""}};
  for (const auto& [mark, meant] : kMarks) {
    for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at)) {
      text.replace(at, std::string_view(mark).size(), meant);
    }
  }
  return text;
}

json to_value(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull: return nullptr;
    case Node::Kind::kBoolean: return node.number != 0;
    case Node::Kind::kInteger: return node.number;
    case Node::Kind::kFloat: return std::strtod(node.text.c_str(), nullptr);
    case Node::Kind::kString: return node.text;
    case Node::Kind::kList: {
      json out = json::array();
      for (const Node& item : node.items) out.push_back(to_value(item));
      return out;
    }
    case Node::Kind::kMap: {
      json out = json::object();
      for (const Node::Entry& entry : node.entries) out[entry.name] = to_value(entry.value);
      return out;
    }
  }
  return nullptr;
}

// Several JSON texts after another; documents that are null are none to the reader.
std::vector<json> json_stream(const std::string& text) {
  std::vector<json> out;
  std::istringstream in(text);
  while (in >> std::ws && !in.eof()) {
    json value;
    in >> value;
    if (!value.is_null()) out.push_back(std::move(value));
  }
  return out;
}

// A value out of the suite's event lines, for cases without a JSON form. Names of a map must be scalars.
class Events {
 public:
  explicit Events(const std::string& tree) {
    for (const std::string_view line : split(tree, '\n')) {
      if (!trim(line).empty()) lines_.emplace_back(line.substr(line.find_first_not_of(' ')));
    }
  }
  std::vector<json> documents() {
    std::vector<json> out;
    for (; next_ < lines_.size(); ++next_) {
      if (!lines_[next_].starts_with("+DOC")) continue;
      ++next_;
      json value = read();
      if (!value.is_null()) out.push_back(std::move(value));
    }
    return out;
  }

 private:
  json read() {
    const std::string line = lines_[next_++];
    if (line.starts_with("=VAL")) return scalar(line);
    const bool list = line.starts_with("+SEQ");
    json out = list ? json::array() : json::object();
    while (lines_[next_][0] != '-') {
      if (list) {
        out.push_back(read());
      } else {
        const json name = read();
        json value = read();
        out[name.is_string() ? name.get<std::string>() : name.dump()] = std::move(value);
      }
    }
    ++next_;
    return out;
  }
  static json scalar(const std::string& line) {
    size_t at = 5;
    bool string = false;
    while (line[at] == '&' || line[at] == '<') {
      string = string || line[at] == '<';
      at = line.find(' ', at) + 1;
    }
    string = string || line[at] != ':';
    std::string text = unmark(line.substr(at + 1));
    for (size_t i = text.find('\\'); i != std::string::npos; i = text.find('\\', i + 1)) {
      const char meant = text[i + 1] == 'n' ? '\n' : text[i + 1] == 't' ? '\t' : text[i + 1];
      text.replace(i, 2, 1, meant);
    }
    Node node = Node::string(text);
    if (!string) resolve_plain(node);
    return to_value(node);
  }

  std::vector<std::string> lines_;
  size_t next_ = 0;
};

struct Case {
  std::string yaml, json_text, tree;
  bool fail = false, has_json = false;
};

// What Weft's reader declares not to read: such input is refused with these words.
constexpr const char* kDeclaredLimits[] = {
    "explicit keys ('? ') are not supported",
    "a list or a map cannot be a name in a map",
    "a name is missing before ':'",
    "does not fit this value or is unknown",  // tags outside the core schema
    "appears twice in this map",
    "a wrong or second %YAML directive",  // the suite takes any words behind %YAML
};

std::vector<Case> cases_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  Problems problems;
  const auto documents = read_yaml(file.filename().string(), text, problems);
  EXPECT_TRUE(problems.empty()) << problems[0].to_string();
  std::vector<Case> out;
  if (documents.size() != 1) return out;
  for (const Node& node : documents[0].items) {
    Case one = out.empty() ? Case{} : out.back();
    if (node.find("skip")) continue;
    one.fail = node.find("fail") != nullptr;
    if (const Node* yaml = node.find("yaml")) one.yaml = unmark(yaml->text);
    if (const Node* value = node.find("json")) one.json_text = value->text;
    if (const Node* tree = node.find("tree")) one.tree = tree->text;
    if (node.find("tree") || one.fail) one.has_json = node.find("json") != nullptr;
    out.push_back(std::move(one));
  }
  return out;
}

enum class Answer { kRight, kBeyondLimits, kWrong };

Answer answer_of(const Case& one, std::string& how) {
  Problems problems;
  const auto documents = read_yaml("case", one.yaml, problems);
  how = problems.empty() ? "accepted" : problems[0].to_string();
  if (one.fail) return problems.empty() ? Answer::kWrong : Answer::kRight;
  if (!problems.empty()) {
    const bool declared = std::ranges::any_of(kDeclaredLimits, [&](const char* limit) {
      return problems[0].what.find(limit) != std::string::npos;
    });
    return declared ? Answer::kBeyondLimits : Answer::kWrong;
  }
  std::vector<json> values;
  for (const Node& document : documents) values.push_back(to_value(document));
  const std::vector<json> wanted =
      one.has_json ? json_stream(one.json_text) : Events(one.tree).documents();
  how = fmt::format("read as {} instead of {}", json(values).dump(), json(wanted).dump());
  return values == wanted ? Answer::kRight : Answer::kWrong;
}

TEST(YamlSuite, IsAnswered) {
  const std::filesystem::path dir = std::filesystem::path(WEFT_SUITES_DIR) / "yaml/src";
  if (!std::filesystem::exists(dir)) GTEST_SKIP() << "no " << dir << ": set WEFT_SUITES_DIR";
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) files.push_back(entry.path());
  std::ranges::sort(files);
  size_t passed = 0, beyond = 0;
  for (const auto& file : files) {
    Answer worst = Answer::kRight;
    std::string how, limit;
    for (const Case& one : cases_of(file)) {
      const Answer answer = answer_of(one, how);
      if (answer == Answer::kWrong) ADD_FAILURE() << file.stem() << ": " << how << "\n" << one.yaml;
      if (answer == Answer::kBeyondLimits) limit = how;
      worst = std::max(worst, answer);
    }
    passed += worst == Answer::kRight;
    beyond += worst == Answer::kBeyondLimits;
    if (worst == Answer::kBeyondLimits)
      fmt::print("  counted out {}: {}\n", file.stem().string(), limit);
  }
  fmt::print("suite yaml: {} of {}, {} counted out\n", passed, files.size() - beyond, beyond);
}

}  // namespace
}  // namespace weft::control
