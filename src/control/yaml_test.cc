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
      {"a: 1\nb: 2\na: 3\n",
       "f.yaml:3:1: the name 'a' appears twice in this map (remove one of the two)"},
      {"x:\n  a: 1\n  \"a\": 2\n",
       "f.yaml:3:3: the name 'a' appears twice in this map (remove one of the two)"},
      {"b: &x {c: 1}\na:\n  <<: *x\n",
       "f.yaml:3:3: merge keys (<<) are not supported (write the fields out)"},
      {"? a\n: 1\n", "f.yaml:1:1: explicit keys ('? ') are not supported (write NAME: VALUE)"},
      {"[a, b]: 1\n",
       "f.yaml:1:1: a list or a map cannot be a name in a map (names must be plain text)"},
      {": 1\n", "f.yaml:1:1: a name is missing before ':' (write NAME: VALUE)"},
      {"a: !color red\n",
       "f.yaml:1:4: the tag !color does not fit this value or is unknown (write the value without "
       "a tag)"},
      {"a: !!int red\n",
       "f.yaml:1:4: the tag tag:yaml.org,2002:int does not fit this value or is unknown (write the "
       "value "
       "without a tag)"},
      {"%TAG", "f.yaml:1:1: a %TAG directive has a handle and a prefix"},
      {"a: \x01\n", "f.yaml:1:4: the control character 0x01 is not allowed"},
      {"a: \xff\n", "f.yaml:1:4: the byte 0xff is not UTF-8 text"},
  };
  for (const auto& c : kCases) EXPECT_EQ(problem_of(c.yaml), c.problem) << c.yaml;
}

TEST(Yaml, SaysWhereASyntaxErrorIsAndWhatToDo) {
  const struct {
    const char* yaml;
    const char* problem;
  } kCases[] = {
      {"a: 'x\nb: 1\n",
       "f.yaml:2:1: a quoted text goes on with too little indentation (indent its further lines)"},
      {"a: 'x", "f.yaml:1:4: this quoted text does not end (close it with ')"},
      {"a: [1, 2\nb: 3\n",
       "f.yaml:2:1: this line is indented too little to belong to the [ ] or { } it stands in"},
      {"a: [1, 2", "f.yaml:1:4: this list is not closed (close it with ])"},
      {"a: {b: 1 c: 2}", "f.yaml:1:11: a ',' or '}' is missing here"},
      {"a: [1,, 2]", "f.yaml:1:7: a value is missing before ','"},
      {"a: *nobody\n", "f.yaml:1:4: the alias *nobody refers to nothing before it"},
      {"a: 1\nb\nc: 2\n", "f.yaml:2:1: a map's next name lacks its ':' (write NAME: VALUE)"},
      {"a: 1\n b: 2\n",
       "f.yaml:2:3: a name with its ':' inside a text of several lines (is the line above "
       "indented too little, or its ':' missing?)"},
      {"a:\n  b: 1\n c: 2\n",
       "f.yaml:3:2: this line is indented neither as the map nor as anything before it"},
      {"a: b: c\n",
       "f.yaml:1:5: a name with its ':' where only a value may stand (begin a new line, or quote "
       "the text)"},
      {"a: - b\n", "f.yaml:1:4: a list item cannot begin here (begin the list on a new line)"},
      {"a:\n\tb: 1\n", "f.yaml:2:2: a tab used for indentation (use spaces)"},
      {"a: \"x\" y\n",
       "f.yaml:1:8: unexpected text behind the value (quote the value if this belongs to it)"},
      {"a: \"\\q\"\n",
       "f.yaml:1:6: an unknown escape (write \\\\ for a backslash, or use single quotes)"},
      {"a: @x\n", "f.yaml:1:4: a text cannot begin with '@' (quote it)"},
      {"- a\nb: 1\n",
       "f.yaml:2:1: text behind the end of the document's value (is it indented wrongly?)"},
      {"a: |x\n  y\n", "f.yaml:1:5: after | or > only an indentation (1-9) and - or + may follow"},
      {"%FOO\na: 1\n", "f.yaml:2:1: a document with directives begins with ---"},
  };
  for (const auto& c : kCases) EXPECT_EQ(problem_of(c.yaml), c.problem) << c.yaml;
}

TEST(Yaml, ReadsEveryWayToWriteAText) {
  const struct {
    const char* yaml;
    const char* json;
  } kCases[] = {
      {"a: one\n  two\n\n  three\n", R"({"a":"one two\nthree"})"},
      {"a: 'it''s\n  so'\n", R"({"a":"it's so"})"},
      {"a: \"x\\\n  y\\tz\"\n", R"({"a":"xy\tz"})"},
      {"a: \"\\ud83d\\ude00\\x41\"\n",
       "{\"a\":\"\xF0\x9F\x98\x80"
       "A\"}"},
      {"a: |2-\n    x\n   y\n", R"({"a":"  x\n y"})"},
      {"a: |+\n  x\n\nb: 1\n", R"({"a":"x\n\n","b":1})"},
      {"a: >\n  x\n  y\n\n    z\n  w\n", R"({"a":"x y\n\n  z\nw\n"})"},
      {"url: http://x/y#z\nb: a:b\n", R"({"url":"http://x/y#z","b":"a:b"})"},
      {"a:\n- x\n- y\nb:\n  - - 1\n    - 2\n  - c: 3\n    d: 4\n",
       R"({"a":["x","y"],"b":[[1,2],{"c":3,"d":4}]})"},
      {"a: {b, c: , \"d\":1, e: [f: g]}\n", R"({"a":{"b":null,"c":null,"d":1,"e":[{"f":"g"}]}})"},
      {"a: 1\r\nb: 2\r\n", R"({"a":1,"b":2})"},
      {"\xEF\xBB\xBF"
       "a: 1\n",
       R"({"a":1})"},
      {"a: {\n  b: 1\n}\n", R"({"a":{"b":1}})"},
      {"%YAML 1.2\n---\na: 1\n...\n# end\n", R"({"a":1})"},
  };
  for (const auto& c : kCases) EXPECT_EQ(json_of(c.yaml), c.json) << c.yaml;
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
  for (const char* json :
       {R"({"a":1,"b":"1","c":true,"d":"true","e":"yes","f":null,"g":"","h":" x "})",
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

TEST(Yaml, WritesNoNegativeZeroThatWouldReadAsAnInteger) {
  Problems problems;
  const auto documents = read_yaml("f.yaml", "-0e0", problems);
  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(to_json(documents.front()), "0");
}

TEST(Yaml, WritesBlockStyle) {
  Problems problems;
  const auto documents = read_yaml(
      "f", R"({"kind":"Service","spec":{"ports":[{"port":80,"name":"http"}]}})", problems);
  EXPECT_EQ(to_yaml(documents.at(0)),
            "kind: Service\nspec:\n  ports:\n  - port: 80\n    name: http\n");
}

}  // namespace
}  // namespace weft::control
