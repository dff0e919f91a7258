// The index finds what a walk over the rules would find, and looks at few of many.
#include "proxy/route_index.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
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
  RouteIndex::Effort effort;
  EXPECT_EQ(RouteIndex(rules).find(rules, request, &effort), expected);
  return effort.tried;
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

// The comparisons for the request that each of `matches` asks for, at the most.
size_t most_compared(const std::vector<model::RouteMatch>& matches) {
  const CompiledRules rules = compiled(matches);
  const RouteIndex index(rules);
  const wire::Fields none;
  size_t most = 0;
  for (size_t i = 0; i < matches.size(); ++i) {
    const std::string host =
        matches[i].host.starts_with("*") ? "a" + matches[i].host.substr(1) : matches[i].host;
    const std::string method = matches[i].method.empty() ? "GET" : matches[i].method;
    const RequestView request{method, matches[i].path.value, none, "", host};
    RouteIndex::Effort effort;
    EXPECT_EQ(index.find(rules, request, &effort), i);
    EXPECT_LE(effort.tried, 2u) << "itself, and what stands above it";
    most = std::max(most, effort.compared);
  }
  return most;
}

TEST(RouteIndex, ComparesNoMoreThanTheLogarithmOfTheNumberOfRules) {
  using Make = model::RouteMatch (*)(int);
  const std::pair<const char*, Make> kKinds[] = {
      {"exact path",
       [](int i) -> model::RouteMatch {
         return {.path = {model::PathMatch::kExact, "/item/" + std::to_string(i)}};
       }},
      {"prefix",
       [](int i) -> model::RouteMatch {
         return {.path = {model::PathMatch::kPrefix, "/item/" + std::to_string(i)}};
       }},
      {"host",
       [](int i) -> model::RouteMatch { return {.host = "h" + std::to_string(i) + ".example"}; }},
      {"wildcard host",
       [](int i) -> model::RouteMatch { return {.host = "*.h" + std::to_string(i) + ".example"}; }},
      {"method",
       [](int i) -> model::RouteMatch {
         return {.path = {model::PathMatch::kExact, "/"}, .method = "M" + std::to_string(i)};
       }},
      {"host and path",
       [](int i) -> model::RouteMatch {
         return {.host = "h" + std::to_string(i % 70) + ".example",
                 .path = {model::PathMatch::kPrefix, "/item/" + std::to_string(i)}};
       }},
  };
  for (const auto& [name, make] : kKinds) {
    std::map<int, size_t> compared;
    for (const int count : {100, 1000, 5000}) {
      std::vector<model::RouteMatch> matches;
      for (int i = 0; i < count; ++i) matches.push_back(make(i));
      compared[count] = most_compared(matches);
    }
    // A search of n ends after log2(n) + 1 comparisons: ten times the rules cost 3.4 more of them in each
    // place looked at, whatever the number of places.
    const double places = static_cast<double>(compared[100]) / (std::log2(100) + 1);
    EXPECT_LE(compared[1000], std::ceil(places * (std::log2(1000) + 2))) << name;
    EXPECT_LE(compared[5000], std::ceil(places * (std::log2(5000) + 2))) << name;
    EXPECT_LT(compared[5000], 200u) << name;
  }
}

TEST(RouteIndex, LooksPastRulesThatNoRequestCanReach) {
  std::vector<model::RouteMatch> matches(5000, {.path = {model::PathMatch::kExact, "/a"}});
  const wire::Fields none;
  EXPECT_EQ(tried(matches, {"GET", "/a", none, ""}, 0), 1u);
  for (model::RouteMatch& match : matches) match.grpc = true;
  EXPECT_EQ(tried(matches, {"GET", "/a", none, ""}, RouteIndex::kNone), 1u);
}

TEST(RouteIndex, LooksAtTheRulesOfTheCallersNamespaceOnly) {
  CompiledRules rules;
  for (int i = 0; i < 5000; ++i) {
    model::RouteRule rule;
    rule.consumer_namespace = "ns" + std::to_string(i);
    rules.push_back(*CompiledRule::compile(rule));
  }
  rules.push_back(*CompiledRule::compile({}));
  const RouteIndex index(rules);
  const wire::Fields none;
  RouteIndex::Effort effort;
  EXPECT_EQ(index.find(rules, {"GET", "/", none, "ns77"}, &effort), 77u);
  EXPECT_LE(effort.tried, 2u);
  EXPECT_EQ(index.find(rules, {"GET", "/", none, "other"}, &effort), 5000u);
  EXPECT_EQ(effort.tried, 1u);
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
    CompiledRules rules;
    for (model::RouteMatch& match : matches) {
      model::RouteRule rule;
      rule.match = std::move(match);
      if (random() % 6 == 0) rule.consumer_namespace = "shop";
      rules.push_back(*CompiledRule::compile(std::move(rule)));
    }
    const RouteIndex index(rules);
    wire::Fields fields;
    if (random() % 2 == 0) fields.add("x-a", "1");
    for (const char* target : {"/", "/a", "/a/", "/a/b", "/a/b?q", "/a/b/c/d", "/ab", "/zz", "*"}) {
      for (const char* host : {"", "x.example", "y.x.example", "y.example", "example", "other"}) {
        for (const char* method : {"GET", "POST", "PUT"}) {
          const RequestView request{method, target,
                                    fields, random() % 2 == 0 ? "shop" : "default",
                                    host,   random() % 2 == 0};
          EXPECT_EQ(index.find(rules, request), walk(rules, request))
              << method << " " << host << target;
        }
      }
    }
  }
}

}  // namespace
}  // namespace weft::proxy
