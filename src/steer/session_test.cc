#include "steer/session.h"

#include <gtest/gtest.h>

#include <set>

namespace weft::steer {
namespace {

using model::SessionPersistence;

const WallTime kNow = WallTime::from_unix_seconds(1'800'000'000);

model::RouteRule rule(std::string route, std::string name) {
  model::RouteRule out;
  out.route = std::move(route);
  out.rule = std::move(name);
  return out;
}

model::Backend backend(std::string name, uint16_t port = 80) {
  model::Backend out;
  out.service = {"default", std::move(name)};
  out.port = port;
  return out;
}

TEST(Session, ATokenSaysWhatWasPutInToAMillisecond) {
  const SessionToken token{0x0123456789abcdef, 0xfedcba9876543210, kNow + Duration::micros(1'500),
                           kNow + Duration::seconds(9)};
  const std::string text = token.encode();
  // 1 800 000 000 001 ms is 0x1a3185c5001, 1 800 000 009 000 is 0x1a3185c7328.
  EXPECT_EQ(text, "0123456789abcdeffedcba987654321001a3185c500101a3185c7328");
  const auto again = SessionToken::decode(text);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->backend, token.backend);
  EXPECT_EQ(again->instance, token.instance);
  EXPECT_EQ(again->created, kNow + Duration::millis(1));
  EXPECT_EQ(again->used, token.used);
}

TEST(Session, WhatIsNoTokenIsNone) {
  const std::string good = SessionToken{1, 2, kNow, kNow}.encode();
  for (const std::string& text : {std::string(), good.substr(1), good + "0", "x" + good.substr(1),
                                  good.substr(0, good.size() - 1) + " ", std::string(56, '-')}) {
    EXPECT_FALSE(SessionToken::decode(text)) << text;
  }
}

TEST(Session, TagsTellRulesBackendsAndInstancesApart) {
  const auto tag = [](std::string_view secret, const model::RouteRule& rule,
                      const model::Backend& backend, std::string_view workload) {
    return instance_tag(backend_tag(secret, rule, backend), workload);
  };
  const std::set<uint64_t> tags{
      tag("fd01::/48", rule("default/shop", "0"), backend("cart"), "cart-7f3a9c"),
      tag("fd02::/48", rule("default/shop", "0"), backend("cart"), "cart-7f3a9c"),
      tag("fd01::/48", rule("default/shop", "1"), backend("cart"), "cart-7f3a9c"),
      tag("fd01::/48", rule("default/shop2", "0"), backend("cart"), "cart-7f3a9c"),
      tag("fd01::/48", rule("default/shop", "0"), backend("cart2"), "cart-7f3a9c"),
      tag("fd01::/48", rule("default/shop", "0"), backend("cart", 81), "cart-7f3a9c"),
      tag("fd01::/48", rule("default/shop", "0"), backend("cart"), "cart-7f3a9d")};
  EXPECT_EQ(tags.size(), 7u);
  // Another match of the rule, another weight: the same session.
  model::RouteRule other_match = rule("default/shop", "0");
  other_match.match.path.value = "/b";
  model::Backend no_weight = backend("cart");
  no_weight.weight = 0;
  EXPECT_TRUE(tags.contains(tag("fd01::/48", other_match, no_weight, "cart-7f3a9c")));
}

TEST(Session, HoldsWithinItsTimeouts) {
  struct Case {
    Duration absolute, idle, created, used;  // ago
    bool holds;
  };
  const Duration none{}, minute = Duration::minutes(1), hour = Duration::hours(1);
  for (const Case& c : std::vector<Case>{
           {none, none, hour * 24 * 365, hour * 24 * 365, true},
           {hour, none, hour - Duration::millis(1), hour, true},
           {hour, none, hour, none, false},
           {none, minute, hour, minute, true},
           {none, minute, hour, minute + Duration::millis(1), false},
           {hour, minute, hour, none, false},
           {hour, minute, minute, minute * 2, false},
           {hour, none, minute * -1, minute * -1, true},  // another sidecar's clock is ahead
           {hour, none, hour * -25, none, false},
           {none, minute, none, hour * -25, false},
       }) {
    SessionPersistence rules;
    rules.absolute_timeout = c.absolute;
    rules.idle_timeout = c.idle;
    EXPECT_EQ(session_holds({1, 2, kNow - c.created, kNow - c.used}, rules, kNow), c.holds)
        << c.created.to_millis() << " " << c.used.to_millis();
  }
}

TEST(Session, OfTheFarthestFutureIsNoneAndOverflowsNothing) {
  SessionPersistence rules;
  rules.absolute_timeout = Duration::hours(1);
  const auto token = SessionToken::decode(std::string(56, 'f'));
  ASSERT_TRUE(token);
  EXPECT_FALSE(session_holds(*token, rules, kNow));
}

TEST(Session, ACookieEndsWithTheBrowsersSessionOrAtItsTime) {
  SessionPersistence rules;
  rules.name = "cart";
  rules.absolute_timeout = Duration::minutes(5);
  const SessionToken token{1, 2, kNow - Duration::millis(1500), kNow};
  const std::string value = "cart=" + token.encode() + "; Path=/";
  EXPECT_EQ(session_cookie(token, rules, kNow, false), value + "; HttpOnly; SameSite=Lax");
  rules.permanent = true;
  EXPECT_EQ(session_cookie(token, rules, kNow, true),
            value + "; Max-Age=299; HttpOnly; SameSite=Lax; Secure");
  rules.path = "/shop";
  EXPECT_NE(session_cookie(token, rules, kNow, true).find("; Path=/shop; "), std::string::npos);
}

}  // namespace
}  // namespace weft::steer
