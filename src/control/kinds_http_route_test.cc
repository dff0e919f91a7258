// HTTPRoutes as users write them, right and wrong.
#include "control/kinds_test_support.h"

namespace weft::control {
namespace {

using testing::ElementsAre;

TEST(WrongObjects, RoutesSayWherePathWhatAndHint) {
  const WrongCase kCases[] = {
      {route("  - backendRefs: [{name: cart, port: 80, wieght: 9}]\n"),
       "f.yaml:7:42: spec.rules[0].backendRefs[0].wieght: unknown field (did you mean 'weight'?)"},
      {route("  - backendRefs: [{name: cart, port: 80, weight: -1}]\n"),
       "f.yaml:7:50: spec.rules[0].backendRefs[0].weight: -1 is out of range: 0 to 1000000"},
      {route("  - backendRefs: [{name: cart}]\n"),
       "f.yaml:7:19: spec.rules[0].backendRefs[0].port: required for a Service (which port of "
       "the Service?)"},
      {route("  - filters: [{type: RequestMirror}]\n"),
       "f.yaml:7:15: spec.rules[0].filters[0].requestMirror: required by type RequestMirror"},
      {route("  - sessionPersistence: {type: Header, cookie: {}, header: {name: x}}\n"),
       "f.yaml:7:48: spec.rules[0].sessionPersistence.cookie: does not belong to type Header"},
      {route("  - matches: [{path: {value: api}}]\n"),
       "f.yaml:7:30: spec.rules[0].matches[0].path.value: 'api' does not begin with '/' (did you "
       "mean "
       "'/api'?)"},
      {route("  - matches: [{path: {value: /a//b}}]\n"),
       "f.yaml:7:30: spec.rules[0].matches[0].path.value: a path must not hold '//'"},
      {route("  - matches: [{path: {value: '/a?b=1'}}]\n"),
       "f.yaml:7:30: spec.rules[0].matches[0].path.value: a path must not hold '?' (match the "
       "query with "
       "queryParams)"},
      {route("  - matches: [{path: {type: RegularExpression, value: '/(a'}}]\n"),
       "f.yaml:7:55: spec.rules[0].matches[0].path.value: not a regular expression: missing ): /(a "
       "(syntax: RE2, without back references and look-around)"},
      {route("  - matches: [{path: {type: Prefix, value: /a}}]\n"),
       "f.yaml:7:29: spec.rules[0].matches[0].path.type: the text 'Prefix' is not allowed here "
       "(allowed: "
       "Exact, PathPrefix, RegularExpression)"},
      {route("  - matches: [{method: get}]\n"),
       "f.yaml:7:24: spec.rules[0].matches[0].method: the text 'get' is not allowed here (did you "
       "mean "
       "'GET'? allowed: GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH)"},
      {route("  - matches: [{headers: [{name: 'x y', value: z}]}]\n"),
       "f.yaml:7:33: spec.rules[0].matches[0].headers[0].name: the text 'x y' is not a header name "
       "(RFC "
       "9110 token) of at most 256 characters (for example x-canary)"},
      {route("  - matches: [{headers: [{name: a, value: x}, {name: A, value: y}]}]\n"),
       "f.yaml:7:54: spec.rules[0].matches[0].headers[1].name: 'A' is matched twice: only the "
       "first would "
       "count (write one regular expression, or two matches)"},
      {route("  - timeouts: {request: 5}\n"),
       "f.yaml:7:25: spec.rules[0].timeouts.request: must be text, not the number 5 (put it in "
       "quotes: "
       "\"5\")"},
      {route("  - timeouts: {request: 1.5s}\n"),
       "f.yaml:7:25: spec.rules[0].timeouts.request: the text '1.5s' is not a duration: up to 4 of "
       "NUMBER "
       "and h, m, s or ms (GEP-2257) (for example 1m30s)"},
      {route("  - timeouts: {request: 1s, backendRequest: 2s}\n"),
       "f.yaml:7:45: spec.rules[0].timeouts.backendRequest: 2s is longer than the request timeout "
       "1s (a "
       "try cannot outlast the whole request)"},
      {route("  - retry: {codes: [200]}\n"),
       "f.yaml:7:21: spec.rules[0].retry.codes[0]: 200 is out of range: 400 to 599"},
      {route("  - retry: {attempts: 0}\n"),
       "f.yaml:7:23: spec.rules[0].retry.attempts: 0 is out of range: 1 to 1000000000"},
      {route("  - filters: [{type: RequestHeaderModifier}]\n"),
       "f.yaml:7:15: spec.rules[0].filters[0].requestHeaderModifier: required by type "
       "RequestHeaderModifier"},
      {route("  - filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: "
             "Host, value: "
             "a}]}}]\n"),
       "f.yaml:7:82: spec.rules[0].filters[0].requestHeaderModifier.set[0].name: 'Host' cannot be "
       "modified "
       "(it belongs to the connection or to Weft)"},
      {route("  - filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: "
             "a, value: "
             "\"x\\r\\ny\"}]}}]\n"),
       "f.yaml:7:94: spec.rules[0].filters[0].responseHeaderModifier.add[0].value: the text "
       "'x\r\ny' is "
       "not a header value: visible ASCII characters with single blanks between them, no line "
       "breaks (for example yes)"},
      {route("  - {name: a}\n  - {name: a}\n"),
       "f.yaml:8:12: spec.rules[1].name: the name 'a' is taken by a rule before (each name once)"},
  };
  for (const WrongCase& c : kCases)
    EXPECT_THAT(problems_of(c.text), ElementsAre(c.problem)) << c.text;
}

TEST(WrongObjects, ParentsAreThereOnce) {
  const std::string head =
      "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
      "metadata: {name: r}\nspec:\n";
  EXPECT_THAT(
      problems_of(head + "  parentRefs: [{kind: Service, name: c}, {kind: Service, name: c}]\n"),
      ElementsAre("f.yaml:5:42: spec.parentRefs[1]: the same parent twice (each parent once)"));
  EXPECT_THAT(
      problems_of(head + "  parentRefs: [{kind: Service, name: c, port: 80}, {kind: Service, name: "
                         "c}]\n"),
      ElementsAre("f.yaml:5:52: spec.parentRefs[1]: Service c is a parent with and without a port "
                  "(give each a port, or only one without)"));
}

TEST(WrongObjects, LimitsAreTheCrds) {
  std::string rules, matches, refs;
  for (int i = 0; i < 17; ++i) rules += "  - {}\n";
  EXPECT_THAT(problems_of(route(rules)),
              ElementsAre("f.yaml:7:3: spec.rules: 17 items: at most 16"));
  for (int i = 0; i < 65; ++i) matches += "{method: GET},";
  EXPECT_THAT(problems_of(route("  - matches: [" + matches + "]\n")),
              ElementsAre("f.yaml:7:14: spec.rules[0].matches: 65 items: at most 64"));
  for (int i = 0; i < 17; ++i) refs += "{name: a, port: 80},";
  EXPECT_THAT(problems_of(route("  - backendRefs: [" + refs + "]\n")),
              ElementsAre("f.yaml:7:18: spec.rules[0].backendRefs: 17 items: at most 16"));
}

TEST(HttpRoute, IsReadWithAllItsParts) {
  const Object object = decode_one(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: cart.split, namespace: shop}
spec:
  parentRefs: [{group: core, kind: Service, name: cart, namespace: other, port: 80}]
  rules:
  - name: canary
    matches:
    - path: {type: Exact, value: /api}
      method: POST
      headers: [{name: X-Canary, value: "yes"}]
      queryParams: [{name: v, type: RegularExpression, value: "[0-9]+"}]
    - path: {type: RegularExpression, value: "/x/.*"}
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier: {set: [{name: a, value: "1"}], remove: [b]}
    - type: ResponseHeaderModifier
      responseHeaderModifier: {add: [{name: c, value: "2"}]}
    backendRefs:
    - {name: v1, port: 80, weight: 90}
    - name: v2
      namespace: third
      port: 81
      weight: 10
      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: d, value: "3"}]}}]
    timeouts: {request: 10s, backendRequest: 500ms}
    retry: {codes: [500, 503], attempts: 3, backoff: 100ms}
  - {}
)");
  const auto& spec = std::get<HttpRouteSpec>(object.spec);
  ASSERT_EQ(spec.parents.size(), 1u);
  EXPECT_EQ(spec.parents[0].service.to_string(), "cart.other");
  EXPECT_EQ(spec.parents[0].port, 80);
  ASSERT_EQ(spec.rules.size(), 2u);
  const HttpRouteRule& rule = spec.rules[0];
  EXPECT_EQ(rule.name, "canary");
  ASSERT_EQ(rule.matches.size(), 2u);
  EXPECT_EQ(rule.matches[0].path.kind, model::PathMatch::kExact);
  EXPECT_EQ(rule.matches[0].method, "POST");
  EXPECT_EQ(rule.matches[0].headers[0].name, "X-Canary");
  EXPECT_EQ(rule.matches[0].query[0].kind, model::StringMatch::kRegex);
  EXPECT_EQ(rule.matches[1].path.kind, model::PathMatch::kRegex);
  EXPECT_EQ(rule.request_headers.set[0].name, "a");
  EXPECT_THAT(rule.request_headers.remove, ElementsAre("b"));
  EXPECT_EQ(rule.response_headers.add[0].value, "2");
  ASSERT_EQ(rule.backends.size(), 2u);
  EXPECT_EQ(rule.backends[0].backend.service.to_string(), "v1.shop");
  EXPECT_EQ(rule.backends[0].backend.weight, 90u);
  EXPECT_EQ(rule.backends[1].backend.service.to_string(), "v2.third");
  EXPECT_EQ(rule.backends[1].backend.request_headers.add[0].name, "d");
  EXPECT_EQ(rule.request_timeout, Duration::seconds(10));
  EXPECT_EQ(rule.backend_timeout, Duration::millis(500));
  EXPECT_THAT(rule.retry->codes, ElementsAre(500, 503));
  EXPECT_EQ(rule.retry->attempts, 3u);
  EXPECT_EQ(rule.retry->backoff, Duration::millis(100));
  // The empty rule: everything, to nobody.
  ASSERT_EQ(spec.rules[1].matches.size(), 1u);
  EXPECT_EQ(spec.rules[1].matches[0].path.value, "/");
  EXPECT_TRUE(spec.rules[1].backends.empty());
}

}  // namespace
}  // namespace weft::control
