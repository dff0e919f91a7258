#include "base/text.h"

#include <gtest/gtest.h>

#include <array>

namespace weft {
namespace {

using Pieces = std::vector<std::string_view>;

TEST(Text, SplitKeepsEmptyPieces) {
  EXPECT_EQ(split("a,,b", ','), (Pieces{"a", "", "b"}));
  EXPECT_EQ(split("", ','), (Pieces{""}));
  EXPECT_EQ(split(",", ','), (Pieces{"", ""}));
  EXPECT_EQ(split_once("k=v=w", '='), std::pair(std::string_view("k"), std::string_view("v=w")));
  EXPECT_EQ(split_once("kv", '='), std::nullopt);
}

TEST(Text, TrimsBlanksAtBothEndsOnly) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(" \t\r\n"), "");
  EXPECT_EQ(trim(""), "");
}

TEST(Text, JoinsWithTheSeparatorBetween) {
  const std::array<std::string, 3> pieces{"a", "b", "c"};
  EXPECT_EQ(join(pieces, ", "), "a, b, c");
  EXPECT_EQ(join({}, ", "), "");
}

TEST(Text, NumbersAreWholeOrNothing) {
  EXPECT_EQ(parse_u64("0"), 0u);
  EXPECT_EQ(parse_u64("18446744073709551615"), 18446744073709551615u);
  for (const char* bad : {"", "18446744073709551616", "-1", "+1", " 1", "1 ", "0x1", "1e3"}) {
    EXPECT_EQ(parse_u64(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(parse_port("65535"), 65535);
  EXPECT_EQ(parse_port("65536"), std::nullopt);
  EXPECT_EQ(parse_port("0"), std::nullopt);
}

TEST(Text, DurationsFollowTheGatewayApi) {
  constexpr int64_t kSecond = 1'000'000'000;
  EXPECT_EQ(parse_duration_ns("10s"), 10 * kSecond);
  EXPECT_EQ(parse_duration_ns("1h30m"), 5400 * kSecond);
  EXPECT_EQ(parse_duration_ns("250ms"), kSecond / 4);
  EXPECT_EQ(parse_duration_ns("1.5s"), kSecond * 3 / 2);
  EXPECT_EQ(parse_duration_ns("0s"), 0);
  for (const char* bad : {"", "10", "s", "1x", "1s ", "-1s", ".5s", "1.s", "9999999999h", "1d"}) {
    EXPECT_FALSE(parse_duration_ns(bad).has_value()) << bad;
  }
}

TEST(Text, HexGoesBothWays) {
  const std::string bytes("\x00\x7f\xff", 3);
  EXPECT_EQ(to_hex(bytes), "007fff");
  EXPECT_EQ(from_hex("007fff"), bytes);
  EXPECT_EQ(from_hex("00FF"), std::string("\x00\xff", 2));
  EXPECT_EQ(from_hex("0"), std::nullopt);
  EXPECT_EQ(from_hex("0g"), std::nullopt);
  EXPECT_EQ(from_hex("-1"), std::nullopt);
}

TEST(Text, CaseIsAsciiOnly) {
  EXPECT_EQ(to_lower("Content-TYPE\xc3\x84"), "content-type\xc3\x84");
  EXPECT_TRUE(equals_ignoring_case("Host", "hOST"));
  EXPECT_FALSE(equals_ignoring_case("Host", "Hosts"));
}

std::string json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(Text, JsonStringsAreAlwaysValid) {
  EXPECT_EQ(json("a\"b\\c/"), R"("a\"b\\c/")");
  EXPECT_EQ(json("\b\f\n\r\t"), R"("\b\f\n\r\t")");
  EXPECT_EQ(json(std::string_view("\0\x1b\x7f", 3)), R"("\u0000\u001b\u007f")");
  EXPECT_EQ(json("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80"), "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\"");
  EXPECT_EQ(json("\xc2\x85"), R"("\u0085")");
  EXPECT_EQ(json("a\xff"
                 "b"),
            "\"a\xef\xbf\xbd"
            "b\"");
}

TEST(Text, EscapedTextStaysOnOneLine) {
  std::string out;
  append_escaped(out, "a\nb\x1b[31m\xc2\x9b\xff \xc3\xbc");
  EXPECT_EQ(out, "a\\nb\\x1b[31m\\xc2\\x9b\\xff \xc3\xbc");
}

TEST(Text, Utf8FollowsTheTableOfRfc3629) {
  struct Case {
    std::string_view bytes;
    size_t length;
  };
  for (const Case& c :
       {Case{"a", 1}, Case{"\xc2\x80", 2}, Case{"\xe0\xa0\x80", 3}, Case{"\xed\x9f\xbf", 3},
        Case{"\xf4\x8f\xbf\xbf", 4}, Case{"", 0}, Case{"\x80", 0}, Case{"\xc1\xbf", 0},
        Case{"\xe0\x9f\xbf", 0}, Case{"\xed\xa0\x80", 0}, Case{"\xf4\x90\x80\x80", 0},
        Case{"\xf5\x80\x80\x80", 0}, Case{"\xe2\x82", 0}, Case{"\xe2\x28\xa1", 0}}) {
    EXPECT_EQ(utf8_sequence(c.bytes), c.length) << to_hex(c.bytes);
  }
}

TEST(Text, EditDistanceCountsSwapsOnce) {
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("backendRefs", "backnedRefs"), 1u);
  EXPECT_EQ(edit_distance("same", "same"), 0u);
}

TEST(Text, SuggestsOnlyWhatIsNear) {
  const std::array<std::string_view, 3> fields{"timeouts", "backendRefs", "filters"};
  EXPECT_EQ(nearest("backendrefs", fields), "backendRefs");
  EXPECT_EQ(nearest("timeout", fields), "timeouts");
  EXPECT_EQ(nearest("colour", fields), std::nullopt);
}

}  // namespace
}  // namespace weft
