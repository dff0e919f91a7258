#include "proxy/redirect.h"

#include <gtest/gtest.h>

namespace weft::proxy {
namespace {

using model::PathRewrite;

// The table of HTTPPathModifier.replacePrefixMatch in the Gateway API.
TEST(Rewrite, ReplacesAPrefixByElement) {
  struct Case {
    const char *target, *prefix, *replacement, *expected;
  };
  for (const Case& c :
       {Case{"/foo/bar", "/foo", "/xyz", "/xyz/bar"}, Case{"/foo/bar", "/foo", "/xyz/", "/xyz/bar"},
        Case{"/foo/bar", "/foo/", "/xyz", "/xyz/bar"},
        Case{"/foo/bar", "/foo/", "/xyz/", "/xyz/bar"}, Case{"/foo", "/foo", "/xyz", "/xyz"},
        Case{"/foo/", "/foo", "/xyz", "/xyz/"}, Case{"/foo/bar", "/foo", "", "/bar"},
        Case{"/foo/", "/foo", "", "/"}, Case{"/foo", "/foo", "", "/"},
        Case{"/foo/", "/foo", "/", "/"}, Case{"/foo", "/foo", "/", "/"},
        Case{"/a", "/", "/xyz", "/xyz/a"}, Case{"/foo/bar?q=1&r", "/foo", "/xyz", "/xyz/bar?q=1&r"},
        Case{"/foo", "/foo", "xyz", "/xyz"}}) {
    EXPECT_EQ(rewritten_target({PathRewrite::kPrefix, c.replacement}, c.target, c.prefix),
              c.expected)
        << c.target << " " << c.prefix << " " << c.replacement;
  }
}

TEST(Rewrite, ReplacesTheWholePathAndKeepsTheQuery) {
  EXPECT_EQ(rewritten_target({PathRewrite::kFull, "/one"}, "/a/b?x=1", "/"), "/one?x=1");
  EXPECT_EQ(rewritten_target({PathRewrite::kFull, ""}, "/a", "/"), "/");
  EXPECT_EQ(rewritten_target({}, "/a?x", "/"), "/a?x");
}

TEST(Redirect, TakesFromTheRequestWhatItDoesNotName) {
  struct Case {
    model::Redirect redirect;
    uint16_t port;
    const char* expected;
  };
  const Case kCases[] = {
      {{}, 80, "http://cart/a/b?x=1"},
      {{}, 8080, "http://cart:8080/a/b?x=1"},
      {{.hostname = "example.org"}, 80, "http://example.org/a/b?x=1"},
      {{.scheme = "https"}, 80, "https://cart/a/b?x=1"},
      {{.scheme = "https"}, 8080, "https://cart/a/b?x=1"},
      {{.scheme = "http"}, 8080, "http://cart/a/b?x=1"},
      {{.port = 8083}, 80, "http://cart:8083/a/b?x=1"},
      {{.port = 80}, 8080, "http://cart/a/b?x=1"},
      {{.scheme = "https", .port = 443}, 80, "https://cart/a/b?x=1"},
      {{.scheme = "https", .port = 80}, 80, "https://cart:80/a/b?x=1"},
      {{.path = {PathRewrite::kFull, "/new"}}, 80, "http://cart/new?x=1"},
      {{.path = {PathRewrite::kPrefix, "/z"}}, 80, "http://cart/z/b?x=1"},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(location_of(c.redirect, {.scheme = "http",
                                       .host = "cart",
                                       .port = c.port,
                                       .target = "/a/b?x=1",
                                       .prefix = "/a"}),
              c.expected);
  }
}

}  // namespace
}  // namespace weft::proxy
