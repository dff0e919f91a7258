// What filters and sessions of a rule are read as, and what of them is beyond what sidecars take.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/kinds.h"

namespace weft::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Object route(const std::string& rule, const std::string& kind = "HTTPRoute") {
  Problems problems;
  auto decoded = decode_objects("f.yaml",
                                "apiVersion: gateway.networking.k8s.io/v1\nkind: " + kind +
                                    "\nmetadata: {name: r, namespace: shop}\nspec:\n"
                                    "  parentRefs: [{kind: Service, name: cart}]\n"
                                    "  rules: [" +
                                    rule + "]\n",
                                problems);
  EXPECT_TRUE(problems.empty()) << problems.front().to_string();
  return decoded.at(0).object;
}
const HttpRouteRule& rule_of(const Object& object) {
  return std::get<HttpRouteSpec>(object.spec).rules.at(0);
}
std::string mirror(const std::string& share) {
  return "{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: next, namespace: "
         "third, port: 81}" +
         share + "}}]}";
}

TEST(MirrorFilter, SharesAreCountedInMillionths) {
  const std::pair<const char*, uint32_t> rows[] = {
      {"", 1'000'000},
      {", percent: 0", 0},
      {", percent: 7", 70'000},
      {", percent: 100", 1'000'000},
      {", fraction: {numerator: 5}", 50'000},
      {", fraction: {numerator: 1, denominator: 3}", 333'333},
      {", fraction: {numerator: 0, denominator: 2147483647}", 0},
      {", fraction: {numerator: 2147483647, denominator: 2147483647}", 1'000'000},
  };
  for (const auto& [share, expected] : rows) {
    const Object object = route(mirror(share));
    EXPECT_THAT(object.unsupported, IsEmpty()) << share;
    ASSERT_EQ(rule_of(object).mirrors.size(), 1u);
    const MirrorRef& read = rule_of(object).mirrors[0];
    EXPECT_EQ(read.share, expected) << share;
    EXPECT_EQ(read.to.backend.service.to_string(), "next.third");
    EXPECT_EQ(read.to.backend.port, 81);
  }
}

TEST(MirrorFilter, AShareTooSmallToCarryOutIsHeld) {
  EXPECT_THAT(route(mirror(", fraction: {numerator: 1, denominator: 1000001}")).unsupported,
              ElementsAre("spec.rules[0].filters[0].requestMirror.fraction: less than a millionth, "
                          "the smallest share Weft carries out"));
}

TEST(MirrorFilter, ThereMayBeSeveralAlsoOfABackendAndOfGrpc) {
  const std::string two =
      "filters: [{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 80}}}, "
      "{type: RequestMirror, requestMirror: {backendRef: {name: b, port: 80}, percent: 1}}]";
  for (const char* kind : {"HTTPRoute", "GRPCRoute"}) {
    const Object object =
        route(fmt::format("{{{}, backendRefs: [{{name: c, port: 80, {}}}]}}", two, two), kind);
    EXPECT_THAT(object.unsupported, IsEmpty());
    const HttpRouteRule& rule = rule_of(object);
    ASSERT_EQ(rule.mirrors.size(), 2u);
    EXPECT_EQ(rule.mirrors[1].to.backend.service.to_string(), "b.shop");
    ASSERT_EQ(rule.backends.at(0).mirrors.size(), 2u);
    EXPECT_EQ(rule.backends[0].mirrors[1].share, 10'000u);
  }
}

TEST(BackendFilters, MayRewrite) {
  const Object object = route(
      "{matches: [{path: {value: /a}}], backendRefs: [{name: c, port: 80, filters: [{type: "
      "URLRewrite, urlRewrite: {hostname: c.example, path: {type: ReplacePrefixMatch, "
      "replacePrefixMatch: /b}}}]}]}");
  EXPECT_THAT(object.unsupported, IsEmpty());
  const model::UrlRewrite& rewrite = rule_of(object).backends.at(0).backend.rewrite;
  EXPECT_EQ(rewrite.hostname, "c.example");
  EXPECT_EQ(rewrite.path.kind, model::PathRewrite::kPrefix);
  EXPECT_EQ(rewrite.path.value, "/b");
}

TEST(BackendFilters, ThatComeBeforeABackendIsChosenAreHeld) {
  for (const char* filter : {"RequestRedirect, requestRedirect: {port: 1}", "CORS, cors: {}"}) {
    const Object object = route(
        std::string("{backendRefs: [{name: c, port: 80, filters: [{type: ") + filter + "}]}]}");
    ASSERT_EQ(object.unsupported.size(), 1u) << filter;
    EXPECT_THAT(object.unsupported[0],
                testing::StartsWith("spec.rules[0].backendRefs[0].filters[0].type: '"));
  }
}

TEST(CorsFilter, IsReadWhole) {
  const Object object = route(
      "{filters: [{type: CORS, cors: {allowOrigins: ['https://*.a.example', 'http://b:8080'], "
      "allowCredentials: true, allowMethods: [GET, PUT], allowHeaders: [X-A], exposeHeaders: "
      "['*'], "
      "maxAge: 600}}]}");
  EXPECT_THAT(object.unsupported, IsEmpty());
  ASSERT_TRUE(rule_of(object).cors);
  const model::Cors& cors = *rule_of(object).cors;
  EXPECT_THAT(cors.allow_origins, ElementsAre("https://*.a.example", "http://b:8080"));
  EXPECT_TRUE(cors.allow_credentials);
  EXPECT_THAT(cors.allow_methods, ElementsAre("GET", "PUT"));
  EXPECT_THAT(cors.allow_headers, ElementsAre("X-A"));
  EXPECT_THAT(cors.expose_headers, ElementsAre("*"));
  EXPECT_EQ(cors.max_age, Duration::seconds(600));

  const Object plain = route("{filters: [{type: CORS, cors: {}}]}");
  ASSERT_TRUE(rule_of(plain).cors);
  EXPECT_FALSE(rule_of(plain).cors->allow_credentials);
  EXPECT_EQ(rule_of(plain).cors->max_age, Duration::seconds(5));
}

TEST(SessionPersistence, IsReadWhole) {
  const Object header = route(
      "{sessionPersistence: {type: Header, absoluteTimeout: 100h, header: {name: X-Session}}}");
  ASSERT_TRUE(rule_of(header).persistence);
  EXPECT_TRUE(rule_of(header).persistence->header);
  EXPECT_EQ(rule_of(header).persistence->name, "X-Session");
  EXPECT_EQ(rule_of(header).persistence->absolute_timeout, Duration::hours(100));

  const Object cookie = route(
      "{sessionPersistence: {absoluteTimeout: 1h, cookie: {name: s, path: /shop, lifetimeType: "
      "Permanent}}}");
  const model::SessionPersistence& read = *rule_of(cookie).persistence;
  EXPECT_FALSE(read.header);
  EXPECT_EQ(read.name, "s");
  EXPECT_EQ(read.path, "/shop");
  EXPECT_TRUE(read.permanent);
}

TEST(SessionPersistence, ACookieWithoutANameGetsOneOfItsOwn) {
  const std::string rule = "{sessionPersistence: {cookie: {}}}";
  const Object object = route(rule + ", " + rule);
  const auto& rules = std::get<HttpRouteSpec>(object.spec).rules;
  const std::string& first = rules.at(0).persistence->name;
  EXPECT_TRUE(first.starts_with("weft-")) << first;
  EXPECT_EQ(first.size(), 21u);
  EXPECT_NE(first, rules.at(1).persistence->name);
  EXPECT_EQ(first, rule_of(route(rule)).persistence->name);
  EXPECT_EQ(rules.at(0).persistence->path, "/");
}

TEST(SessionPersistence, APathNoCookieCanHaveIsHeld) {
  const Object object = route("{sessionPersistence: {cookie: {path: '/a;b'}}}");
  EXPECT_THAT(object.unsupported,
              testing::Contains(
                  "spec.rules[0].sessionPersistence.cookie.path: no cookie can have this path"));
}

}  // namespace
}  // namespace weft::control
