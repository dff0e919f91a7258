#include "proxy/router.h"

#include <gtest/gtest.h>

#include <map>

namespace weft::proxy {
namespace {

model::Backend backend(const std::string& name, uint32_t weight) {
  return {.service = {"default", name}, .port = 80, .weight = weight};
}

std::shared_ptr<const CompiledRule> compiled(const model::RouteRule& rule) {
  auto result = CompiledRule::compile(rule);
  EXPECT_TRUE(result) << result.error().message();
  return *result;
}

bool matches(const model::RouteMatch& match, std::string_view method, std::string_view target,
             const wire::Fields& fields = {}) {
  model::RouteRule rule;
  rule.match = match;
  return compiled(rule)->matches({method, target, fields, "default"});
}

TEST(PathPrefix, MatchesByElement) {
  struct Case {
    const char* path;
    const char* prefix;
    bool expected;
  };
  // Examples of the Gateway API's PathPrefix.
  for (const Case& c :
       {Case{"/foo", "/foo", true}, Case{"/foo/", "/foo", true}, Case{"/foo", "/foo/", true},
        Case{"/foo/bar", "/foo", true}, Case{"/foobar", "/foo", false}, Case{"/", "/", true},
        Case{"/any", "/", true}, Case{"/fo", "/foo", false}}) {
    EXPECT_EQ(path_has_prefix(c.path, c.prefix), c.expected) << c.path << " " << c.prefix;
  }
}

TEST(Rule, LooksAtThePathWithoutItsQuery) {
  model::RouteMatch exact{.path = {model::PathMatch::kExact, "/cart"}};
  EXPECT_TRUE(matches(exact, "GET", "/cart?item=1"));
  EXPECT_FALSE(matches(exact, "GET", "/cart/"));
  model::RouteMatch regex{.path = {model::PathMatch::kRegex, "/item/[0-9]+"}};
  EXPECT_TRUE(matches(regex, "GET", "/item/12"));
  EXPECT_FALSE(matches(regex, "GET", "/item/12/x"));
}

TEST(Rule, NamesEveryPartThatDoesNotHold) {
  model::RouteRule rule;
  rule.consumer_namespace = "shop";
  rule.match = {.host = "a.example",
                .grpc = true,
                .path = {model::PathMatch::kExact, "/cart"},
                .method = "POST",
                .headers = {{model::StringMatch::kExact, "x-a", "1"},
                            {model::StringMatch::kRegex, "x-b", "[0-9]+"}},
                .query = {{model::StringMatch::kExact, "q", "1"}}};
  wire::Fields fields;
  fields.add("x-a", "1");
  fields.add("x-b", "x");
  std::vector<std::pair<RuleMiss::Kind, size_t>> misses;
  for (const RuleMiss& miss :
       compiled(rule)->misses({"GET", "/other", fields, "default", "b.example"})) {
    misses.emplace_back(miss.kind, miss.index);
  }
  EXPECT_EQ(misses, (decltype(misses){{RuleMiss::kCaller, 0},
                                      {RuleMiss::kMethod, 0},
                                      {RuleMiss::kGrpc, 0},
                                      {RuleMiss::kHost, 0},
                                      {RuleMiss::kPath, 0},
                                      {RuleMiss::kHeader, 1},
                                      {RuleMiss::kQuery, 0}}));
  fields.set("x-b", "7");
  EXPECT_TRUE(
      compiled(rule)->misses({"POST", "/cart?q=1", fields, "shop", "a.example", true}).empty());
}

TEST(Rule, NeedsEveryPartToHold) {
  model::RouteMatch match;
  match.method = "POST";
  match.headers = {{model::StringMatch::kExact, "X-Version", "2"},
                   {model::StringMatch::kRegex, "x-user", "a.*"}};
  match.query = {{model::StringMatch::kExact, "q", "red shoes"}};
  wire::Fields fields;
  fields.add("x-version", "2");
  fields.add("X-User", "anna");
  EXPECT_TRUE(matches(match, "POST", "/?q=red+shoes", fields));
  EXPECT_TRUE(matches(match, "POST", "/?a=1&q=red%20shoes", fields));
  EXPECT_FALSE(matches(match, "GET", "/?q=red+shoes", fields));
  EXPECT_FALSE(matches(match, "POST", "/?q=blue", fields));
  EXPECT_FALSE(matches(match, "POST", "/", fields));
  fields.set("X-User", "bert");
  EXPECT_FALSE(matches(match, "POST", "/?q=red+shoes", fields));
}

TEST(Rule, OfAConsumerConcernsItsNamespaceOnly) {
  model::RouteRule rule;
  rule.consumer_namespace = "shop";
  auto compiled_rule = compiled(rule);
  wire::Fields none;
  EXPECT_TRUE(compiled_rule->matches({"GET", "/", none, "shop"}));
  EXPECT_FALSE(compiled_rule->matches({"GET", "/", none, "default"}));
  model::Service service;
  service.ports.push_back({.port = 80, .routed = true, .rules = {rule}});
  auto compiled_service = *CompiledService::compile(service);
  EXPECT_TRUE(compiled_service->port(80)->routed_for("shop"));
  EXPECT_FALSE(compiled_service->port(80)->routed_for("default"));
}

TEST(Rule, WithABrokenExpressionIsRefusedWithItsPlace) {
  model::RouteRule rule;
  rule.route = "default/cart";
  rule.rule = "0";
  rule.match.path = {model::PathMatch::kRegex, "/a("};
  auto result = CompiledRule::compile(rule);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message().find("route default/cart rule 0: path \"/a(\""),
            std::string::npos);
}

TEST(Service, GivesTheFirstRuleThatMatches) {
  model::RouteRule first, second;
  first.rule = "first";
  first.match.path = {model::PathMatch::kExact, "/a"};
  second.rule = "second";
  model::Service service;
  service.ports.push_back({.port = 80, .routed = true, .rules = {first, second}});
  auto compiled_service = *CompiledService::compile(service);
  wire::Fields none;
  const CompiledPort* port = compiled_service->port(80);
  ASSERT_NE(port, nullptr);
  EXPECT_EQ(port->match({"GET", "/a", none, "default"})->rule().rule, "first");
  EXPECT_EQ(port->match({"GET", "/b", none, "default"})->rule().rule, "second");
  EXPECT_EQ(compiled_service->port(81), nullptr);
}

TEST(Service, DependsOnItsBackendsButNotOnItselfNorOnInvalidOnes) {
  model::RouteRule rule;
  rule.backends = {backend("b", 1), backend("a", 1), backend("b", 2), backend("self", 1)};
  rule.backends.push_back({.service = {"default", "gone"}, .invalid = true});
  model::Service service;
  service.name = {"default", "self"};
  service.ports.push_back({.port = 80, .routed = true, .rules = {rule}});
  std::vector<model::ServiceName> expected{{"default", "a"}, {"default", "b"}};
  EXPECT_EQ((*CompiledService::compile(service))->dependencies(), expected);
}

TEST(Service, DependsOnTheBackendsOfOpaqueConnectionsToo) {
  model::Service service;
  service.name = {"default", "self"};
  service.ports.push_back({.port = 443,
                           .name = "",
                           .tcp_rules = {{.hostnames = {"a"}, .backends = {backend("t", 1)}}}});
  EXPECT_EQ((*CompiledService::compile(service))->dependencies(),
            (std::vector<model::ServiceName>{{"default", "t"}}));
}

TEST(Weights, AreExactOverOneRound) {
  model::RouteRule rule;
  rule.backends = {backend("v1", 90), backend("v2", 10)};
  auto compiled_rule = compiled(rule);
  std::map<std::string, int> count;
  SeededRandom random(1);
  for (int i = 0; i < 100; ++i) ++count[compiled_rule->next_backend(random)->service.name];
  EXPECT_EQ(count["v1"], 90);
  EXPECT_EQ(count["v2"], 10);
}

TEST(Query, GivesTheFirstValueDecoded) {
  EXPECT_EQ(query_parameter("a=1&a=2", "a"), "1");
  EXPECT_EQ(query_parameter("a", "a"), "");
  EXPECT_EQ(query_parameter("a%20b=%41%zz", "a b"), "A%zz");
  EXPECT_EQ(query_parameter("ab=1", "a"), std::nullopt);
}

}  // namespace
}  // namespace weft::proxy
