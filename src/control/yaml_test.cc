#include "control/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string problem_of(std::string_view text, const YamlLimits& limits = {}) {
  Problems problems;
  const auto documents = read_yaml("f.yaml", text, problems, limits);
  if (problems.empty()) return "";
  EXPECT_TRUE(documents.empty()) << "a text with a syntax error yields no documents";
  return problems.front().to_string();
}

std::string json_of(std::string_view text) {
  Problems problems;
  const auto documents = read_yaml("f.yaml", text, problems);
  if (!problems.empty()) return problems.front().to_string();
  std::string out;
  for (const Node& document : documents) out += (out.empty() ? "" : " ") + to_json(document);
  return out;
}

TEST(Yaml, ReadsWhatYamlAndJsonMean) {
  const struct {
    const char* yaml;
    const char* json;
  } kCases[] = {
      {"a: 1\nb: [x, 'y', \"z\"]\n", R"({"a":1,"b":["x","y","z"]})"},
      {R"({"a": {"b": [1, 2]}, "c": null})", R"({"a":{"b":[1,2]},"c":null})"},
      {"a: yes\nb: on\nc: true\nd: ~\n", R"({"a":"yes","b":"on","c":true,"d":null})"},
      {"a: 0x1F\nb: 0o17\nc: -3\nd: +4\ne: 1e3\nf: 08\n",
       R"({"a":31,"b":15,"c":-3,"d":4,"e":1000,"f":8})"},
      {"a: !!str 1\n", R"({"a":"1"})"},
      {"a: |\n  one\n  two\nb: >-\n  one\n  two\n", R"({"a":"one\ntwo\n","b":"one two"})"},
      {"a: &x [1, 2]\nb: *x\n", R"({"a":[1,2],"b":[1,2]})"},
      {"a: 1\n---\nb: 2\n---\n# nothing\n---\nc: 3\n", R"({"a":1} {"b":2} {"c":3})"},
      {"\"tab\\there\": \"\\u00e9\"\n", "{\"tab\\there\":\"\xc3\xa9\"}"},
      {"", ""},
      {"# only a comment\n", ""},
  };
  for (const auto& c : kCases) EXPECT_EQ(json_of(c.yaml), c.json) << c.yaml;
}

TEST(Yaml, RefusesWhatCouldBeReadInTwoWays) {
  const struct {
    const char* yaml;
    const char* problem;
  } kCases[] = {
      {"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: the name 'a' appears twice in this map (remove one of the two)"},
      {"x:\n  a: 1\n  \"a\": 2\n", "f.yaml:3:3: the name 'a' appears twice in this map (remove one of the two)"},
      {"b: &x {c: 1}\na:\n  <<: *x\n", "f.yaml:3:3: merge keys (<<) are not supported (write the fields out)"},
      {"? [a, b]\n: 1\n", "f.yaml:1:3: a list or a map cannot be a name in a map (names must be plain text)"},
      {"a: !color red\n",
       "f.yaml:1:4: the tag !color does not fit this value or is unknown (write the value without a tag)"},
      {"a: !!int red\n",
       "f.yaml:1:4: the tag tag:yaml.org,2002:int does not fit this value or is unknown (write the value "
       "without a tag)"},
      {"a: \x01\n", "f.yaml:1:4: the control character 0x01 is not allowed"},
      {"a: \xff\n", "f.yaml:1:4: the byte 0xff is not UTF-8 text"},
  };
  for (const auto& c : kCases) EXPECT_EQ(problem_of(c.yaml), c.problem) << c.yaml;
}

TEST(Yaml, SaysWhereASyntaxErrorIs) {
  EXPECT_THAT(problem_of("a: [1, 2\nb: 3\n"), HasSubstr("f.yaml:2:"));
  EXPECT_THAT(problem_of("a: 'x\n"), HasSubstr("not YAML"));
  EXPECT_THAT(problem_of("a: *nobody\n"), HasSubstr("f.yaml:1:"));
}

TEST(Yaml, BoundsDepthSizeAndAliases) {
  const std::string deep = std::string(70, '[') + std::string(70, ']');
  EXPECT_THAT(problem_of(deep), HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(problem_of(std::string(100, 'a'), {.bytes = 99}), HasSubstr("100 bytes; at most 99"));
  // The "billion laughs": nine levels of nine aliases each.
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 9; ++j) laughs += (j ? ", *a" : "*a") + std::to_string(i - 1);
    laughs += "]\n";
  }
  EXPECT_THAT(problem_of(laughs), HasSubstr("more than 200000 values in one file"));
}

TEST(Yaml, RemembersWhereEveryValueStood) {
  Problems problems;
  const auto documents = read_yaml("f", "a: 1\nlist:\n  - x\n  - y: 2\n", problems);
  ASSERT_EQ(documents.size(), 1u);
  const Node& root = documents[0];
  EXPECT_EQ(root.find("a")->at, (Position{1, 4}));
  EXPECT_EQ(root.entries[1].at, (Position{2, 1}));
  EXPECT_EQ(root.find("list")->items[0].at, (Position{3, 5}));
  EXPECT_EQ(root.find_path({"list"})->items[1].find("y")->at, (Position{4, 8}));
}

TEST(Yaml, WritesYamlThatReadsBackTheSame) {
  for (const char* json : {
           R"({"a":1,"b":"1","c":true,"d":"true","e":"yes","f":null,"g":"","h":" x "})",
           R"({"a":[],"b":{},"c":[[1,2],[3]],"d":[{"x":1,"y":[{"z":2}]}]})",
           R"({"a b":"line\nbreak","c":"quote\"d","colon: x":"# no comment","-":"- x"})",
           R"({"time":"12:30:00","date":"2026-01-01","dur":"10s","float":"1e3","v":1.5})",
           R"("just text")", "[]", "{}"}) {
    Problems problems;
    const auto documents = read_yaml("f", json, problems);
    ASSERT_EQ(documents.size(), 1u) << json;
    EXPECT_EQ(to_json(documents[0]), json);
    EXPECT_EQ(json_of(to_yaml(documents[0])), json) << to_yaml(documents[0]);
  }
}

TEST(Yaml, WritesBlockStyle) {
  Problems problems;
  const auto documents =
      read_yaml("f", R"({"kind":"Service","spec":{"ports":[{"port":80,"name":"http"}]}})", problems);
  EXPECT_EQ(to_yaml(documents.at(0)),
            "kind: Service\nspec:\n  ports:\n  - port: 80\n    name: http\n");
}

}  // namespace
}  // namespace weft::control
