#include "wire/cookie.h"

#include <gtest/gtest.h>

namespace weft::wire {
namespace {

TEST(Cookie, IsFoundByItsNameInAnyLine) {
  struct Case {
    std::vector<std::string> lines;
    std::string name;
    std::optional<std::string> value;
  };
  for (const Case& c : std::vector<Case>{
           {{"SID=31d4d96e407aad42; lang=en-US"}, "SID", "31d4d96e407aad42"},
           {{"SID=31d4d96e407aad42; lang=en-US"}, "lang", "en-US"},
           {{"SID=31d4", "lang=en-US"}, "lang", "en-US"},
           {{"a=1;b=2;  c=3"}, "c", "3"},
           {{"a=1; a=2"}, "a", "1"},
           {{"a=x=y"}, "a", "x=y"},
           {{"a="}, "a", ""},
           {{"a=\"1\""}, "a", "\"1\""},
           {{"aa=1"}, "a", std::nullopt},
           {{"A=1"}, "a", std::nullopt},
           {{"a; b"}, "a", std::nullopt},
           {{";;="}, "a", std::nullopt},
           {{""}, "a", std::nullopt},
           {{}, "a", std::nullopt},
       }) {
    Fields fields;
    fields.add("Host", "a=1");
    for (const std::string& line : c.lines) fields.add("Cookie", line);
    const auto value = cookie_value(fields, c.name);
    EXPECT_EQ(value ? std::optional(std::string(*value)) : std::nullopt, c.value)
        << ::testing::PrintToString(c.lines) << " " << c.name;
  }
}

}  // namespace
}  // namespace weft::wire
