#include "proxy/tcp_rules.h"

#include <gtest/gtest.h>

#include <map>

namespace weft::proxy {
namespace {

model::TcpRule rule(std::string route, std::vector<std::string> hostnames,
                    std::string consumers = "") {
  return {.route = std::move(route),
          .rule = "0",
          .hostnames = std::move(hostnames),
          .backends = {{.service = {"default", "b"}, .port = 1}},
          .consumer_namespace = std::move(consumers)};
}

std::string route_of(const TcpRulePtr& found) { return found ? found->rule().route : "none"; }

TEST(TcpRules, ANameIsTakenByTheMostSpecificRule) {
  const auto rules = *TcpRules::compile({rule("wide", {"*.com"}), rule("sub", {"*.example.com"}),
                                         rule("one", {"a.example.com", "x.test"}),
                                         rule("late", {"a.example.com", "late.test"})});
  const std::map<std::string, std::string> expected{{"a.example.com", "one"},
                                                    {"b.example.com", "sub"},
                                                    {"c.b.example.com", "sub"},
                                                    {"b.a.example.com", "sub"},
                                                    {"example.com", "wide"},
                                                    {"com", "none"},
                                                    {"example.org", "none"},
                                                    {"x.test", "one"},
                                                    {"y.x.test", "none"},
                                                    {"late.test", "late"},
                                                    {"", "none"},
                                                    {".example.com", "wide"},
                                                    {"notexample.com", "wide"},
                                                    {"a.example.com.", "none"},
                                                    {"*.example.com", "sub"}};
  for (const auto& [name, route] : expected) {
    EXPECT_EQ(route_of(rules.named("default", name)), route) << name;
  }
  EXPECT_EQ(rules.any("default"), nullptr);
}

TEST(TcpRules, OfAConsumerComeFirstForItsCallersAndConcernNobodyElse) {
  const auto rules = *TcpRules::compile(
      {rule("consumer", {"*.example.com"}, "shop"), rule("producer", {"a.example.com", "b.test"})});
  EXPECT_EQ(route_of(rules.named("shop", "a.example.com")), "consumer");
  EXPECT_EQ(route_of(rules.named("shop", "b.test")), "producer");
  EXPECT_EQ(route_of(rules.named("default", "a.example.com")), "producer");
  EXPECT_EQ(route_of(rules.named("default", "c.example.com")), "none");

  const auto only = *TcpRules::compile({rule("consumer", {"a.test"}, "shop")});
  EXPECT_TRUE(only.concern("shop"));
  EXPECT_TRUE(only.by_name("shop"));
  EXPECT_FALSE(only.concern("default"));
  EXPECT_FALSE(only.by_name("default"));
}

TEST(TcpRules, WithoutNamesTakeAnythingTheFirstOneAll) {
  const auto rules =
      *TcpRules::compile({rule("mine", {}, "shop"), rule("first", {}), rule("second", {})});
  EXPECT_EQ(route_of(rules.any("default")), "first");
  EXPECT_EQ(route_of(rules.any("shop")), "mine");
  EXPECT_TRUE(rules.concern("default"));
  EXPECT_FALSE(rules.by_name("default"));
  EXPECT_EQ(rules.named("default", "a.test"), nullptr);
}

TEST(TcpRules, ThatAreNoneConcernNobody) {
  const auto rules = *TcpRules::compile({});
  EXPECT_FALSE(rules.concern("default"));
  EXPECT_FALSE(rules.by_name("default"));
  EXPECT_EQ(rules.any("default"), nullptr);
}

TEST(TcpRules, AllNamesOfARuleShareItsTurns) {
  model::TcpRule split = rule("split", {"a.test", "b.test"});
  split.backends = {{.service = {"default", "x"}, .port = 1, .weight = 3},
                    {.service = {"default", "y"}, .port = 1, .weight = 1}};
  const auto rules = *TcpRules::compile({split});
  std::map<std::string, int> count;
  SeededRandom random(1);
  for (int i = 0; i < 4; ++i) {
    ++count[rules.named("", i % 2 == 0 ? "a.test" : "b.test")->next_backend(random)->service.name];
  }
  EXPECT_EQ(count, (std::map<std::string, int>{{"x", 3}, {"y", 1}}));
}

}  // namespace
}  // namespace weft::proxy
