#include "proxy/target.h"

#include <gtest/gtest.h>

namespace weft::proxy {
namespace {

TEST(Target, DotSegmentsGoHoweverTheyAreSpelled) {
  struct {
    std::string from, to;
  } cases[] = {
      {"/a/../b", "/b"},
      {"/a/./b", "/a/b"},
      {"/a/b/..", "/a/"},
      {"/a/b/.", "/a/b/"},
      {"/..", "/"},
      {"/../../x", "/x"},
      {"/a/%2e%2E/b", "/b"},
      {"/a/.%2e/b", "/b"},
      {"/a//../b", "/a/b"},
      {"/a/../b?x=/../y", "/b?x=/../y"},
      {"/mnop/xyz/../../g", "/g"},
      {"/.?q", "/?q"},
      {"/a/b/../", "/a/"},
  };
  for (const auto& c : cases) {
    std::string target = c.from;
    EXPECT_TRUE(resolve_dot_segments(target)) << c.from;
    EXPECT_EQ(target, c.to) << c.from;
  }
}

TEST(Target, EverythingElseStaysAsItIs) {
  for (const std::string from : {"/", "*", "", "/a/...", "/.well-known/x", "/a..b/..c", "/%2f..",
                                 "/a?b=/../c", "//a//b", "/%2e%2e%2e", "/a/%2"}) {
    std::string target = from;
    EXPECT_FALSE(resolve_dot_segments(target)) << from;
    EXPECT_EQ(target, from);
  }
}

}  // namespace
}  // namespace weft::proxy
