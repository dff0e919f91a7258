// What users write wrong, and the exact words they read: message, place and hint are the interface.
#include "control/kinds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> problems_of(std::string_view text) {
  Problems problems;
  const auto objects = decode_objects("f.yaml", text, problems);
  if (problems.empty()) EXPECT_FALSE(objects.empty());
  std::vector<std::string> out;
  for (const Problem& problem : problems) out.push_back(problem.to_string());
  return out;
}

std::string service(const std::string& spec) {
  return "apiVersion: v1\nkind: Service\nmetadata: {name: cart}\nspec:\n" + spec;  // spec at line 5
}
std::string route(const std::string& rules) {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec:\n"
         "  parentRefs: [{kind: Service, name: cart}]\n  rules:\n" +
         rules;  // rules at line 7
}

const std::string kAllKinds =
    "kinds: Service, Namespace, HTTPRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute, Gateway, "
    "GatewayClass, ListenerSet, ReferenceGrant, BackendTLSPolicy)";

TEST(WrongObjects, OfNoKnownKindSayWhatTheyCouldBe) {
  EXPECT_THAT(
      problems_of("kind: Servce\napiVersion: v1\n"),
      ElementsAre("f.yaml:1:7: kind: Weft knows no kind 'Servce' (did you mean 'Service'? " +
                  kAllKinds));
  EXPECT_THAT(
      problems_of("apiVersion: v1\n"),
      ElementsAre("f.yaml:1:1: kind: required: which kind of object is this? (" + kAllKinds));
  EXPECT_THAT(
      problems_of("apiVersion: v2\nkind: Service\n"),
      ElementsAre("f.yaml:1:13: apiVersion: 'v2' is not the version of Service that Weft reads "
                  "(write apiVersion: v1)"));
  EXPECT_THAT(problems_of("kind: HTTPRoute\n"),
              ElementsAre("f.yaml:1:1: apiVersion: required by HTTPRoute (write apiVersion: "
                          "gateway.networking.k8s.io/v1)"));
  EXPECT_THAT(
      problems_of("- 1\n"),
      ElementsAre("f.yaml:1:1: an object is a map, not a list (begin with apiVersion, kind, "
                  "metadata and spec)"));
  EXPECT_THAT(problems_of("kind: List\n"),
              ElementsAre("f.yaml:1:1: items: a List needs a list of items"));
}

struct WrongCase {
  std::string text;
  const char* problem;
};

TEST(WrongObjects, ServicesSayWherePathWhatAndHint) {
  const WrongCase kCases[] = {
      {service("  prots: [{port: 80}]\n  ports: [{port: 80}]\n"),
       "f.yaml:5:3: spec.prots: unknown field (did you mean 'ports'?)"},
      {service("  ports: [{port: 80}]\n  targetPort: 8080\n"),
       "f.yaml:6:3: spec.targetPort: unknown field ('targetPort' belongs under ports[])"},
      {service("  ports: [{port: 80}]\n  wibble: 1\n"),
       "f.yaml:6:3: spec.wibble: unknown field (fields of a Service's spec: selector, clusterIP, "
       "ports, "
       "type, sessionAffinity)"},
      {service("  ports: [{port: \"80\"}]\n"),
       "f.yaml:5:18: spec.ports[0].port: must be a whole number from 1 to 65535, not the text '80' "
       "(write "
       "it without quotes)"},
      {service("  ports: [{port: 70000}]\n"),
       "f.yaml:5:18: spec.ports[0].port: 70000 is out of range: 1 to 65535"},
      {service("  ports: [{name: http}]\n"),
       "f.yaml:5:11: spec.ports[0].port: required by a Service port (Port that clients connect "
       "to.)"},
      {service("  ports: []\n"), "f.yaml:5:10: spec.ports: needs at least 1 item"},
      {service("  ports: {port: 80}\n"),
       "f.yaml:5:10: spec.ports: must be a list, not a map (begin each item with '- ')"},
      {service("  selector: {app: 1}\n  ports: [{port: 80}]\n"),
       "f.yaml:5:19: spec.selector.app: must be text, not the number 1 (put it in quotes: \"1\")"},
      {service("  selector: {app: 'a b'}\n  ports: [{port: 80}]\n"),
       "f.yaml:5:19: spec.selector.app: the text 'a b' is not a label value: at most 63 of A-Z, "
       "a-z, 0-9, "
       "'-', '_', '.', or empty (for example v2)"},
      {service("  selector: {'a b': x}\n  ports: [{port: 80}]\n"),
       "f.yaml:5:14: spec.selector: the name 'a b' is not a label name: [PREFIX/]NAME, NAME of at "
       "most 63 "
       "of A-Z, a-z, 0-9, '-', '_', '.' (for example app.kubernetes.io/name)"},
      {service("  ports: [{port: 80, protocol: UDP}]\n"),
       "f.yaml:5:32: spec.ports[0].protocol: 'UDP' is not supported yet (supported: TCP)"},
      {service("  ports: [{port: 80, appProtocol: htp}]\n"),
       "f.yaml:5:35: spec.ports[0].appProtocol: the text 'htp' is not allowed here (did you mean "
       "'http'? "
       "allowed: http, h2c, grpc, tcp, tls, https, kubernetes.io/h2c, kubernetes.io/ws, "
       "kubernetes.io/wss)"},
      {service("  type: LoadBalancer\n  ports: [{port: 80}]\n"),
       "f.yaml:5:9: spec.type: 'LoadBalancer' is not supported yet (supported: ClusterIP)"},
      {service("  clusterIP: 10.0.0.1\n  ports: [{port: 80}]\n"),
       "f.yaml:5:14: spec.clusterIP: the text '10.0.0.1' is not allowed here (allowed: None)"},
      {service("  externalIPs: [1.2.3.4]\n  ports: [{port: 80}]\n"),
       "f.yaml:5:16: spec.externalIPs: not supported yet (leave it out)"},
      {service("  ports: [{port: 80, name: a}, {port: 80, name: b}]\n"),
       "f.yaml:5:39: spec.ports[1].port: port 80 is already spec.ports[0] (each port once)"},
      {service("  ports: [{port: 80, name: a}, {port: 81}]\n"),
       "f.yaml:5:32: spec.ports[1].name: required when a Service has several ports (for example "
       "http)"},
      {service("  ports: [{port: 80, name: a}, {port: 81, name: a}]\n"),
       "f.yaml:5:49: spec.ports[1].name: the name 'a' is already spec.ports[0] (each name once)"},
      {service("  ports: [{port: 80, targetPort: HTTP}]\n"),
       "f.yaml:5:34: spec.ports[0].targetPort: the text 'HTTP' is not a port name: at most 15 of "
       "a-z, 0-9 "
       "and single '-', one letter at least (for example http)"},
      {"apiVersion: v1\nkind: Service\nmetadata: {name: My_Cart}\nspec: {ports: [{port: 80}]}\n",
       "f.yaml:3:18: metadata.name: the text 'My_Cart' is not a DNS label: 1 to 63 of a-z, 0-9 and "
       "'-', "
       "not at an end (for example cart-v2)"},
      {"apiVersion: v1\nkind: Service\nspec: {ports: [{port: 80}]}\n",
       "f.yaml:1:1: metadata: required by Service (Who the object is.)"},
      {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\n",
       "f.yaml:1:1: spec: required by Service (What the Service is.)"},
      {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: 5\n",
       "f.yaml:4:7: spec: must be a map with the fields of a Service's spec, not the number 5 "
       "(fields: "
       "selector, clusterIP, ports, type, sessionAffinity)"},
  };
  for (const WrongCase& c : kCases)
    EXPECT_THAT(problems_of(c.text), ElementsAre(c.problem)) << c.text;
}

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

TEST(WrongObjects, EverythingWrongIsSaidAtOnceInOrderOfPlace) {
  const std::string text =
      "apiVersion: v1\nkind: Service\nmetadata: {name: UPPER, lables: {}}\n"
      "spec:\n  type: NodePort\n  ports:\n  - {port: 0, name: a}\n  - {port: 80}\n"
      "---\napiVersion: v1\nkind: Nothing\n---\n" +
      route("  - {matches: [{path: {value: x}}], weight: 1}\n");
  EXPECT_THAT(
      problems_of(text),
      ElementsAre(
          "f.yaml:3:18: metadata.name: the text 'UPPER' is not a DNS label: 1 to 63 of a-z, 0-9 "
          "and "
          "'-', not at an end (for example cart-v2)",
          "f.yaml:3:25: metadata.lables: unknown field (did you mean 'labels'?)",
          "f.yaml:5:9: spec.type: 'NodePort' is not supported yet (supported: ClusterIP)",
          "f.yaml:7:12: spec.ports[0].port: 0 is out of range: 1 to 65535",
          "f.yaml:8:5: spec.ports[1].name: required when a Service has several ports (for example "
          "http)",
          "f.yaml:11:7: kind: Weft knows no kind 'Nothing' (" + kAllKinds,
          "f.yaml:19:31: spec.rules[0].matches[0].path.value: 'x' does not begin with '/' (did you "
          "mean '/x'?)",
          "f.yaml:19:37: spec.rules[0].weight: unknown field ('weight' belongs under "
          "backendRefs[])"));
}

Object decode_one(const std::string& text) {
  Problems problems;
  auto objects = decode_objects("f.yaml", text, problems);
  EXPECT_THAT(problems, IsEmpty()) << problems.front().to_string();
  EXPECT_EQ(objects.size(), 1u);
  return objects.empty() ? Object{} : std::move(objects.front().object);
}

TEST(Service, IsReadWithDefaultsFilledIn) {
  const Object object = decode_one(
      "apiVersion: v1\nkind: Service\n"
      "metadata: {name: cart, namespace: shop, labels: {team: a}}\n"
      "spec:\n  selector: {app: cart, version: v2}\n  ports:\n"
      "  - {name: http, port: 80, targetPort: 8080, appProtocol: kubernetes.io/h2c}\n"
      "  - {name: admin, port: 81, targetPort: admin}\n");
  EXPECT_EQ(object.key().to_string(), "Service/shop/cart");
  const auto& spec = std::get<ServiceSpec>(object.spec);
  EXPECT_EQ(spec.selector, (Labels{{"app", "cart"}, {"version", "v2"}}));
  EXPECT_FALSE(spec.headless);
  ASSERT_EQ(spec.ports.size(), 2u);
  EXPECT_EQ(spec.ports[0].target.number, 8080);
  EXPECT_EQ(spec.ports[0].protocol, model::Protocol::kH2c);
  EXPECT_EQ(spec.ports[1].target.name, "admin");
  EXPECT_EQ(spec.ports[1].protocol, model::Protocol::kAuto);
  EXPECT_EQ(object.body,
            R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"cart","namespace":"shop",)"
            R"("labels":{"team":"a"}},"spec":{"selector":{"app":"cart","version":"v2"},)"
            R"("ports":[{"name":"http","port":80,"targetPort":8080,"protocol":"TCP",)"
            R"("appProtocol":"kubernetes.io/h2c"},{"name":"admin","port":81,"targetPort":"admin",)"
            R"("protocol":"TCP"}]}})");
}

TEST(Service, HeadlessIsClusterIpNone) {
  EXPECT_TRUE(
      std::get<ServiceSpec>(decode_one(service("  clusterIP: None\n  ports: [{port: 80}]\n")).spec)
          .headless);
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

// Valid, kept, and told in the status: Object::unsupported.
TEST(Objects, SayWhatOfThemIsNotCarriedOut) {
  struct Case {
    const char* rule;
    const char* told;
  };
  for (const Case& c :
       {Case{"timeouts: {request: 25h}",
             "spec.rules[0].timeouts.request: 25h is longer than a day, the longest Weft carries "
             "out"},
        Case{"retry: {backoff: 90000s}",
             "spec.rules[0].retry.backoff: 90000s is longer than a day, the longest Weft carries "
             "out"},
        Case{"retry: {attempts: 11}",
             "spec.rules[0].retry.attempts: 11 is more than Weft carries out: 10"},
        Case{"sessionPersistence: {type: Header, header: {name: x}}",
             "spec.rules[0].sessionPersistence: not supported yet: Weft does not keep a client on "
             "one "
             "instance"},
        Case{"filters: [{type: ExtensionRef, extensionRef: {group: a.b, kind: C, name: d}}]",
             "spec.rules[0].filters[0].type: 'ExtensionRef' is not supported yet: supported: "}}) {
    const Object object = decode_one(route(std::string("  - ") + c.rule + "\n"));
    ASSERT_EQ(object.unsupported.size(), 1u) << c.rule;
    EXPECT_THAT(object.unsupported[0], testing::StartsWith(c.told));
  }
}

TEST(Objects, OfOtherVersionsAreKeptAsOne) {
  EXPECT_EQ(decode_one("apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\n"
                       "metadata: {name: g}\nspec:\n  from: [{group: '', kind: A, namespace: n}]\n"
                       "  to: [{group: '', kind: Service}]\n")
                .body,
            R"({"apiVersion":"gateway.networking.k8s.io/v1","kind":"ReferenceGrant",)"
            R"("metadata":{"name":"g","namespace":"default"},)"
            R"("spec":{"from":[{"group":"","kind":"A","namespace":"n"}],)"
            R"("to":[{"group":"","kind":"Service"}]}})");
}

TEST(Objects, WhatTheServerPrintsIsReadBackWithoutEffect) {
  const std::string plain = service("  ports: [{port: 80}]\n");
  const std::string printed =
      "apiVersion: v1\nkind: Service\nmetadata:\n  name: cart\n  namespace: default\n  uid: abc\n"
      "  generation: 3\n  creationTimestamp: 2026-01-01T00:00:00Z\n  resourceVersion: '5'\n"
      "spec:\n  ports: [{port: 80, protocol: TCP}]\nstatus: {anything: [goes]}\n";
  EXPECT_EQ(decode_one(plain).body, decode_one(printed).body);
}

TEST(Objects, AListIsUnfolded) {
  Problems problems;
  const auto objects = decode_objects(
      "f",
      R"({"apiVersion":"v1","kind":"List","items":[)"
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"ports":[{"port":1}]}},)"
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"b"},"spec":{"ports":[{"port":1}]}}]})",
      problems);
  EXPECT_THAT(problems, IsEmpty());
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_EQ(objects[1].object.meta.name, "b");
}

TEST(Objects, CanonicalBodiesAreReadBackToThemselves) {
  const Object first = decode_one(route("  - backendRefs: [{name: a, port: 80}]\n"));
  EXPECT_EQ(decode_one(first.body).body, first.body);
}

TEST(Kinds, GoByManyNames) {
  EXPECT_EQ(parse_kind("svc"), "Service");
  EXPECT_EQ(parse_kind("HTTPRoute"), "HTTPRoute");
  EXPECT_EQ(parse_kind("routes"), "HTTPRoute");
  EXPECT_EQ(parse_kind("gtw"), "Gateway");
  EXPECT_FALSE(parse_kind("pod").has_value());
}

}  // namespace
}  // namespace weft::control
