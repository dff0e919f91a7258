// Fields against what they promise: order, case, views that stay good, any amount of text.
#include "wire/message.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"

namespace weft::wire {
namespace {

std::string text(const Fields& fields) {
  std::string out;
  for (const auto& line : fields) out.append(line.name).append("=").append(line.value).append(" ");
  return out;
}

Fields made(std::initializer_list<std::pair<std::string_view, std::string_view>> lines) {
  Fields fields;
  for (const auto& [name, value] : lines) fields.add(name, value);
  return fields;
}

TEST(Fields, KeepOrderAndLetterCaseAndAreFoundInAnyCase) {
  const Fields fields = made({{"B", "1"}, {"a", ""}, {"b", "2"}});
  EXPECT_EQ(text(fields), "B=1 a= b=2 ");
  EXPECT_EQ(fields.get("b"), "1");
  EXPECT_EQ(fields.get("A"), "");
  EXPECT_EQ(fields.get("c"), std::nullopt);
  EXPECT_EQ(fields.count("B"), 2u);
  EXPECT_EQ(fields[2].value, "2");
}

TEST(Fields, SetReplacesTheFirstLineInItsPlaceAndRemovesTheOthers) {
  Fields fields = made({{"x", "1"}, {"Y", "2"}, {"X", "3"}, {"z", "4"}, {"x", "5"}});
  fields.set("X", "a longer value");
  EXPECT_EQ(text(fields), "x=a longer value Y=2 z=4 ");
  fields.set("new", "6");
  EXPECT_EQ(text(fields), "x=a longer value Y=2 z=4 new=6 ");
}

TEST(Fields, RemoveSaysHowManyAndLeavesViewsOfTheRest) {
  Fields fields = made({{"x", "1"}, {"y", "2"}, {"X", "3"}});
  const std::string_view kept = *fields.get("y");
  EXPECT_EQ(fields.remove("x"), 2u);
  EXPECT_EQ(fields.remove("x"), 0u);
  EXPECT_EQ(kept, "2");
  EXPECT_EQ(text(fields), "y=2 ");
}

TEST(Fields, TakeArgumentsThatLookIntoThemselvesWhileTheyGrow) {
  Fields fields;
  fields.add("seed", std::string(500, 's'));
  for (int i = 0; i < 12; ++i) fields.add(fields[0].name, fields[fields.size() - 1].value);
  for (int i = 0; i < 12; ++i) fields.set(fields[0].name, fields[0].value);
  fields.add("after", fields[0].value);
  EXPECT_EQ(fields.size(), 2u);
  EXPECT_EQ(fields.get("seed"), std::string(500, 's'));
  EXPECT_EQ(fields.get("after"), std::string(500, 's'));
}

TEST(Fields, CopiesAreTheirOwnAndMovedFromIsEmpty) {
  Fields fields = made({{"x", "1"}});
  Fields copy = fields;
  copy.set("x", "2");
  EXPECT_EQ(text(fields), "x=1 ");
  const Fields moved = std::move(fields);
  fields = Fields();
  EXPECT_TRUE(fields.empty());
  EXPECT_EQ(text(moved), "x=1 ");
  copy = moved;
  EXPECT_EQ(text(copy), "x=1 ");
  copy = Fields();
  EXPECT_EQ(text(copy), "");
}

// Against a list of strings that does the same the simple way.
TEST(Fields, DoWhatAListOfLinesDoes) {
  SeededRandom random(3);
  std::vector<std::pair<std::string, std::string>> list;
  Fields fields;
  for (int round = 0; round < 20'000; ++round) {
    const std::string name(1 + random.below(3), static_cast<char>('a' + random.below(3)));
    const std::string value(random.below(200), static_cast<char>('0' + random.below(10)));
    const auto same = [&](const auto& line) { return line.first == name; };
    switch (random.below(5)) {
      case 0:
      case 1: {
        fields.set(name, value);
        const auto first = std::find_if(list.begin(), list.end(), same);
        if (first == list.end()) {
          list.emplace_back(name, value);
        } else {
          first->second = value;
          list.erase(std::remove_if(first + 1, list.end(), same), list.end());
        }
        break;
      }
      case 2: EXPECT_EQ(fields.remove(name), std::erase_if(list, same)); break;
      default:
        if (list.size() > 40) break;
        fields.add(name, value);
        list.emplace_back(name, value);
    }
    std::string expected;
    for (const auto& [n, v] : list) expected.append(n).append("=").append(v).append(" ");
    ASSERT_EQ(text(fields), expected) << "round " << round;
  }
}

TEST(Fields, NamesDifferInCaseOnlyWhenTheyDifferInLettersOnly) {
  const std::vector<std::string> tails = {"", "b", "bcdefg", "bcdefghijklmnop"};
  for (const std::string& tail : tails) {
    for (int x = 0; x < 256; ++x) {
      for (int y = 0; y < 256; ++y) {
        const auto lower = [](int c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; };
        const std::string a = static_cast<char>(x) + tail;
        const std::string b = static_cast<char>(y) + tail;
        ASSERT_EQ(equal_ignoring_case(a, b), lower(x) == lower(y)) << x << " " << y << tail;
      }
    }
  }
  EXPECT_TRUE(equal_ignoring_case("X-Request-ID", "x-rEQUEST-id"));
  EXPECT_FALSE(equal_ignoring_case("x-request-id", "x-request-ie"));
}

}  // namespace
}  // namespace weft::wire
