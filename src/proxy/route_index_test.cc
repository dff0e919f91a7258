// The index finds what a walk over the rules would find, and looks at few of many.
#include "proxy/route_index.h"

#include <gtest/gtest.h>

#include <random>

#include "proxy/router.h"

namespace weft::proxy {
namespace {

CompiledRules compiled(const std::vector<model::RouteMatch>& matches) {
  CompiledRules out;
  for (const model::RouteMatch& match : matches) {
    model::RouteRule rule;
    rule.match = match;
    out.push_back(*CompiledRule::compile(rule));
  }
  return out;
}

size_t walk(const CompiledRules& rules, const RequestView& request) {
  for (size_t i = 0; i < rules.size(); ++i) {
    if (rules[i]->matches(request)) return i;
  }
  return RouteIndex::kNone;
}

// How many rules were looked at for one request among `matches`, which must find `expected`.
size_t tried(const std::vector<model::RouteMatch>& matches, const RequestView& request,
             size_t expected) {
  const CompiledRules rules = compiled(matches);
  size_t count = 0;
  EXPECT_EQ(RouteIndex(rules).find(rules, request, &count), expected);
  return count;
}

TEST(RouteIndex, LooksAtOneRuleOfFiveThousandPathsHostsOrPrefixes) {
  std::vector<model::RouteMatch> exact, prefix, host, wildcard;
  for (int i = 0; i < 5000; ++i) {
    const std::string n = std::to_string(i);
    exact.push_back({.path = {model::PathMatch::kExact, "/item/" + n}});
    prefix.push_back({.path = {model::PathMatch::kPrefix, "/item/" + n}});
    host.push_back({.host = "h" + n + ".example"});
    wildcard.push_back({.host = "*.h" + n + ".example"});
  }
  const wire::Fields none;
  EXPECT_EQ(tried(exact, {"GET", "/item/4321?x", none, ""}, 4321), 1u);
  EXPECT_EQ(tried(prefix, {"GET", "/item/4321/a/b/c", none, ""}, 4321), 1u);
  EXPECT_EQ(tried(host, {"GET", "/", none, "", "h4321.example"}, 4321), 1u);
  EXPECT_EQ(tried(wildcard, {"GET", "/", none, "", "a.b.h4321.example"}, 4321), 1u);
  EXPECT_EQ(tried(exact, {"GET", "/other", none, ""}, RouteIndex::kNone), 0u);
}

TEST(RouteIndex, LooksAtRulesOfTheMethodOnly) {
  std::vector<model::RouteMatch> matches;
  for (int i = 0; i < 2500; ++i) {
    matches.push_back(
        {.method = "GET", .headers = {{model::StringMatch::kExact, "x-n", std::to_string(i)}}});
  }
  matches.push_back({.method = "POST"});
  const wire::Fields none;
  EXPECT_EQ(tried(matches, {"POST", "/", none, ""}, 2500), 1u);
}

TEST(RouteIndex, FindsWhatAWalkFinds) {
  std::mt19937 random(7);
  const auto pick = [&](const auto& from) { return from[random() % std::size(from)]; };
  const char* kPaths[] = {"/", "/a", "/a/", "/a/b", "/a/b/c", "/b", "/ab"};
  const char* kRegexes[] = {"/a/[a-z]+", "/.*b"};
  const char* kHosts[] = {"", "", "x.example", "*.example", "*.x.example"};
  const char* kMethods[] = {"", "", "GET", "POST"};
  for (int round = 0; round < 200; ++round) {
    std::vector<model::RouteMatch> matches;
    for (int i = 0; i < 30; ++i) {
      const auto kind = static_cast<model::PathMatch::Kind>(random() % 3);
      const char* path = kind == model::PathMatch::kRegex ? pick(kRegexes) : pick(kPaths);
      model::RouteMatch match{.host = pick(kHosts), .path = {kind, path}, .method = pick(kMethods)};
      if (random() % 4 == 0) match.headers = {{model::StringMatch::kExact, "x-a", "1"}};
      if (random() % 8 == 0) match.grpc = true;
      matches.push_back(std::move(match));
    }
    const CompiledRules rules = compiled(matches);
    const RouteIndex index(rules);
    wire::Fields fields;
    if (random() % 2 == 0) fields.add("x-a", "1");
    for (const char* target : {"/", "/a", "/a/", "/a/b", "/a/b?q", "/a/b/c/d", "/ab", "/zz", "*"}) {
      for (const char* host : {"", "x.example", "y.x.example", "y.example", "example", "other"}) {
        for (const char* method : {"GET", "POST", "PUT"}) {
          const RequestView request{method, target, fields, "", host, random() % 2 == 0};
          EXPECT_EQ(index.find(rules, request), walk(rules, request))
              << method << " " << host << target;
        }
      }
    }
  }
}

}  // namespace
}  // namespace weft::proxy
