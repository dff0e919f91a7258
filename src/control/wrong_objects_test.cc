// Wrong objects of every kind, and the exact words a user reads: place, path, what, hint. Services,
// HTTPRoutes and policies have longer tables of their own; here every kind has one.
#include <set>

#include "control/kinds_test_support.h"

namespace weft::control {
namespace {

using testing::ElementsAre;

struct Row {
  const char* kind;
  const char* text;  // from line 4 on
  const char* problem;
};

std::string document(const Row& row) {
  return std::string("apiVersion: ") + find_kind(row.kind)->api_version + "\nkind: " + row.kind +
         "\nmetadata: {name: a}\n" + row.text;
}

constexpr Row kRows[] = {
    {"Service", "spec: {ports: [{port: 0}]}\n",
     "f.yaml:4:23: spec.ports[0].port: 0 is out of range: 1 to 65535"},
    {"Namespace", "spec: {quota: 5}\n",
     "f.yaml:4:8: spec.quota: unknown field (fields of a Namespace's spec: )"},
    {"Namespace", "spec: 5\n",
     "f.yaml:4:7: spec: must be a map with the fields of a Namespace's spec, not the number 5 "
     "(fields: )"},
    {"HTTPRoute", "spec: {rules: [{matches: [{method: FETCH}]}]}\n",
     "f.yaml:4:36: spec.rules[0].matches[0].method: the text 'FETCH' is not allowed here ("
     "allowed: GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH)"},
    {"GRPCRoute", "spec: {rules: [{matches: [{method: {}}]}]}\n",
     "f.yaml:4:36: spec.rules[0].matches[0].method: needs service or method, or both (leave out "
     "the "
     "whole to match all)"},
    {"GRPCRoute", "spec: {rules: [{matches: [{method: {service: shop/Cart}}]}]}\n",
     "f.yaml:4:46: spec.rules[0].matches[0].method.service: 'shop/Cart' is not the name of a "
     "service "
     "(for example shop.v1.Cart)"},
    {"GRPCRoute", "spec: {rules: [{matches: [{method: {method: Add-Item}}]}]}\n",
     "f.yaml:4:45: spec.rules[0].matches[0].method.method: 'Add-Item' is not the name of a method "
     "(for example Add)"},
    {"GRPCRoute", "spec: {rules: [{matches: [{path: /a}]}]}\n",
     "f.yaml:4:28: spec.rules[0].matches[0].path: unknown field (fields of a match: method, "
     "headers)"},
    {"GRPCRoute", "spec: {rules: [{filters: [{}]}]}\n",
     "f.yaml:4:27: spec.rules[0].filters[0].type: required by a filter (Which filter.)"},
    {"HTTPRoute", "spec: {rules: [{sessionPersistence: {}}]}\n",
     "f.yaml:4:37: spec.rules[0].sessionPersistence.cookie: required by type Cookie"},
    {"GRPCRoute", "spec: {rules: [{filters: [{type: URLRewrite, urlRewrite: {}}]}]}\n",
     "f.yaml:4:34: spec.rules[0].filters[0].type: the text 'URLRewrite' is not allowed here "
     "(allowed: RequestHeaderModifier, ResponseHeaderModifier, RequestMirror)"},
    {"GRPCRoute",
     "spec: {rules: [{filters: [{type: Mirror, requestMirror: {backendRef: {name: b, port: "
     "1}}}]}]}\n",
     "f.yaml:4:34: spec.rules[0].filters[0].type: the text 'Mirror' is not allowed here (allowed: "
     "RequestHeaderModifier, ResponseHeaderModifier, RequestMirror)"},
    {"GRPCRoute", "spec: {rules: [{filters: [{type: RequestRedirect}]}]}\n",
     "f.yaml:4:34: spec.rules[0].filters[0].type: the text 'RequestRedirect' is not allowed here "
     "(allowed: RequestHeaderModifier, ResponseHeaderModifier, RequestMirror)"},
    {"GRPCRoute", "spec: {rules: [{name: a}, {name: a}]}\n",
     "f.yaml:4:34: spec.rules[1].name: the name 'a' is taken by a rule before (each name once)"},
    {"TLSRoute", "spec: {rules: [{backendRefs: [{name: b, port: 443}]}]}\n",
     "f.yaml:4:7: spec.hostnames: required by a TLSRoute's spec (for example *.example.com)"},
    {"TLSRoute", "spec: {hostnames: [10.0.0.1], rules: [{backendRefs: [{name: b, port: 443}]}]}\n",
     "f.yaml:4:20: spec.hostnames[0]: '10.0.0.1' is an address (TLS clients name hosts only; for "
     "connections to an address use a TCPRoute)"},
    {"TLSRoute", "spec: {hostnames: [a.b], rules: [{}]}\n",
     "f.yaml:4:34: spec.rules[0].backendRefs: required by a rule (Services that share the "
     "connections "
     "by weight. One that cannot be used has its share reset.)"},
    {"TCPRoute", "spec: {rules: [{backendRefs: [{name: b}]}]}\n",
     "f.yaml:4:31: spec.rules[0].backendRefs[0].port: required for a Service (which port of the "
     "Service?)"},
    {"TCPRoute", "spec: {rules: [{backendRefs: [{name: b, port: 1, weight: -1}]}]}\n",
     "f.yaml:4:58: spec.rules[0].backendRefs[0].weight: -1 is out of range: 0 to 1000000"},
    {"TCPRoute", "spec: {hostnames: [a.b], rules: [{backendRefs: [{name: b, port: 1}]}]}\n",
     "f.yaml:4:8: spec.hostnames: unknown field (fields of a TCPRoute's spec: parentRefs, rules)"},
    {"UDPRoute", "spec: {}\n",
     "f.yaml:4:7: spec.rules: required by a UDPRoute's spec (Where datagrams go.)"},
    {"UDPRoute", "spec: {rules: [{backendRefs: [{name: b, port: 70000}]}]}\n",
     "f.yaml:4:47: spec.rules[0].backendRefs[0].port: 70000 is out of range: 1 to 65535"},
    {"Gateway", "spec: {listeners: [{name: a, port: 80, protocol: HTTP}]}\n",
     "f.yaml:4:7: spec.gatewayClassName: required by a Gateway's spec (Name of the "
     "GatewayClass, which says who carries the Gateway out.)"},
    {"Gateway", "spec: {gatewayClassName: weft, listeners: []}\n",
     "f.yaml:4:43: spec.listeners: needs at least 1 item"},
    {"Gateway",
     "spec: {gatewayClassName: weft, listeners: [{name: a, port: 80, protocol: HTTP, tls: "
     "{mode: Passthrough}}]}\n",
     "f.yaml:4:85: spec.listeners[0].tls: does not belong to protocol HTTP (protocols HTTPS and "
     "TLS "
     "have it)"},
    {"Gateway",
     "spec: {gatewayClassName: weft, listeners: [{name: a, port: 443, protocol: HTTPS, tls: "
     "{}}]}\n",
     "f.yaml:4:87: spec.listeners[0].tls.certificateRefs: required by mode Terminate, or options "
     "in "
     "its place"},
    {"Gateway",
     "spec: {gatewayClassName: weft, listeners: [{name: a, port: 443, protocol: TLS}]}\n",
     "f.yaml:4:44: spec.listeners[0].tls: required by protocol TLS (with mode: Terminate or "
     "Passthrough)"},
    {"Gateway",
     "spec: {gatewayClassName: weft, listeners: [{name: a, port: 1, protocol: TCP, hostname: "
     "a.b}]}\n",
     "f.yaml:4:88: spec.listeners[0].hostname: does not belong to protocol TCP (nothing in such a "
     "connection names a host)"},
    {"Gateway",
     "spec: {gatewayClassName: weft, listeners: [{name: a, port: 1, protocol: TCP}, {name: b, "
     "port: 1, protocol: TCP}]}\n",
     "f.yaml:4:79: spec.listeners[1]: port, protocol and hostname are those of listeners[0] (a "
     "connection must find one listener)"},
    {"GatewayClass", "spec: {}\n",
     "f.yaml:4:7: spec.controllerName: required by a GatewayClass's spec (for example "
     "weft.dev/gateway)"},
    {"GatewayClass", "spec: {controllerName: weft}\n",
     "f.yaml:4:24: spec.controllerName: the text 'weft' is not a controller's name: DOMAIN/PATH "
     "(for "
     "example weft.dev/gateway)"},
    {"ListenerSet", "spec: {listeners: [{name: a, port: 80, protocol: HTTP}]}\n",
     "f.yaml:4:7: spec.parentRef: required by a ListenerSet's spec (The Gateway the listeners are "
     "for.)"},
    {"ListenerSet", "spec: {parentRef: {name: g}, listeners: [{name: a, port: 80}]}\n",
     "f.yaml:4:42: spec.listeners[0].protocol: required by a listener (for example HTTPS)"},
    {"ReferenceGrant", "spec: {from: [{group: '', kind: A, namespace: b}]}\n",
     "f.yaml:4:7: spec.to: required by a ReferenceGrant's spec (What they may refer to.)"},
    {"ReferenceGrant", "spec: {from: [{group: '', kind: A}], to: [{group: '', kind: B}]}\n",
     "f.yaml:4:15: spec.from[0].namespace: required by a from (for example cart-v2)"},
    {"ReferenceGrant", "spec: {from: [{group: '', kind: A, namespace: b}], to: [{kind: B}]}\n",
     "f.yaml:4:57: spec.to[0].group: required by a to (for example gateway.networking.k8s.io)"},
    {"ConfigMap", "data: {a/b: x}\n",
     "f.yaml:4:8: data: the name 'a/b' is not a key: up to 253 of letters, digits, '-', '_' and "
     "'.' (for example ca.crt)"},
    {"ConfigMap", "data: {a: 5}\n",
     "f.yaml:4:11: data.a: must be text, not the number 5 (put it in quotes: \"5\")"},
    {"ConfigMap", "data: {a: x}\nbinaryData: {a: eA==}\n",
     "f.yaml:5:17: binaryData.a: the same key is in data (each key once)"},
    {"ConfigMap", "binaryData: {a: 'x,y'}\n",
     "f.yaml:4:17: binaryData.a: is not base64 (data takes text as it is)"},
    {"ConfigMap", "spec: {}\n",
     "f.yaml:4:1: spec: unknown field (fields of ConfigMap: apiVersion, kind, metadata, data, "
     "binaryData)"},
    {"EndpointSlice", "addressType: IPv4\n",
     "f.yaml:1:1: endpoints: required by EndpointSlice (Where the Service is served.)"},
    {"EndpointSlice", "addressType: IPv5\nendpoints: []\n",
     "f.yaml:4:14: addressType: the text 'IPv5' is not allowed here (did you mean 'IPv4'? "
     "allowed: IPv4, IPv6)"},
    {"EndpointSlice", "addressType: IPv4\nendpoints: [{addresses: ['2001:db8::1']}]\n",
     "f.yaml:5:26: endpoints[0].addresses[0]: '2001:db8::1' is no IPv4 address (for example "
     "10.0.0.7)"},
    {"EndpointSlice", "addressType: IPv6\nendpoints: [{addresses: ['::ffff:127.0.0.1']}]\n",
     "f.yaml:5:26: endpoints[0].addresses[0]: '::ffff:127.0.0.1' is no IPv6 address (for example "
     "2001:db8::7)"},
    {"EndpointSlice", "addressType: IPv4\nendpoints: [{addresses: [169.254.169.254]}]\n",
     "f.yaml:5:26: endpoints[0].addresses[0]: 169.254.169.254 is a link-local address (endpoints "
     "have addresses that hosts have)"},
    {"EndpointSlice", "addressType: IPv4\nendpoints: [{addresses: [240.241.0.2]}]\n",
     "f.yaml:5:26: endpoints[0].addresses[0]: 240.241.0.2 is an address of the mesh itself, or of "
     "nobody (endpoints have addresses that hosts have)"},
    {"EndpointSlice", "addressType: IPv4\nendpoints: [{addresses: []}]\n",
     "f.yaml:5:25: endpoints[0].addresses: needs at least 1 item"},
    {"EndpointSlice", "addressType: IPv4\nendpoints: []\nports: [{port: 1}, {port: 2}]\n",
     "f.yaml:6:20: ports[1].name: '' is ports[0] already (each once)"},
    {"EndpointSlice", "addressType: IPv4\nendpoints: []\nports: [{name: a}]\n",
     "f.yaml:6:9: ports[0].port: required by a port (Port of the endpoints.)"},
    {"BackendTLSPolicy",
     "spec: {targetRefs: [{group: '', kind: Service, name: b}], validation: "
     "{hostname: a.b, wellKnownCACertificates: System, subjectAltNames: [{type: URI}]}}\n",
     "f.yaml:4:138: spec.validation.subjectAltNames[0].uri: required by type URI"},
    {"BackendTLSPolicy",
     "spec: {targetRefs: [{group: '', kind: Service, name: b}], validation: "
     "{hostname: a.b}}\n",
     "f.yaml:4:71: spec.validation.caCertificateRefs: required, or wellKnownCACertificates in its "
     "place (who signs the backend's certificate?)"},
    {"BackendTLSPolicy",
     "spec: {targetRefs: [{group: '', kind: Service, name: b}], validation: "
     "{hostname: '*.b', wellKnownCACertificates: System}}\n",
     "f.yaml:4:82: spec.validation.hostname: the text '*.b' is not a host name: a-z, 0-9, '-' and "
     "dots, no wildcard (for example example.com)"},
    {"BackendPolicy", "spec: {targetRefs: [{kind: Service, name: a}]}\n",
     "f.yaml:4:7: spec: says nothing about its targets (sections: loadBalancing, slowStart, "
     "locality, "
     "circuitBreaker, connectionPool, outlierDetection, healthCheck, retries)"},
    {"FaultPolicy", "spec: {targetRefs: [{kind: Service, name: a}], duration: 1m}\n",
     "f.yaml:4:7: spec: breaks nothing (set delay, abort or both)"},
    {"RateLimitPolicy", "spec: {targetRefs: [{kind: Service, name: a}], limits: []}\n",
     "f.yaml:4:56: spec.limits: needs at least 1 item"},
    {"XBackendTrafficPolicy", "spec: {targetRefs: [{kind: Service, name: a}]}\n",
     "f.yaml:4:21: spec.targetRefs[0].group: required by a targetRef (for example "
     "gateway.networking.k8s.io)"},
    {"XBackendTrafficPolicy", "spec: {targetRefs: []}\n",
     "f.yaml:4:20: spec.targetRefs: needs at least 1 item"},
    {"XBackendTrafficPolicy",
     "spec: {targetRefs: [{group: '', kind: Service, name: a}, {group: '', kind: Service, name: "
     "a}]}\n",
     "f.yaml:4:66: spec.targetRefs[1].group: '' is targetRefs[0] already (each once)"},
    {"XBackendTrafficPolicy",
     "spec: {targetRefs: [{group: '', kind: Service, name: a, sectionName: b}]}\n",
     "f.yaml:4:57: spec.targetRefs[0].sectionName: unknown field (fields of a targetRef: group, "
     "kind, name)"},
    {"XBackendTrafficPolicy",
     "spec: {targetRefs: [{group: '', kind: Service, name: a}], retryConstraint: {budget: "
     "{interval: 999ms}}}\n",
     "f.yaml:4:96: spec.retryConstraint.budget.interval: 999ms is out of range: 1s to 1h"},
    {"XBackendTrafficPolicy",
     "spec: {targetRefs: [{group: '', kind: Service, name: a}], retryConstraint: {budget: "
     "{interval: 61m}}}\n",
     "f.yaml:4:96: spec.retryConstraint.budget.interval: 61m is out of range: 1s to 1h"},
    {"XBackendTrafficPolicy",
     "spec: {targetRefs: [{group: '', kind: Service, name: a}], retryConstraint: {budget: "
     "{percent: 101}}}\n",
     "f.yaml:4:95: spec.retryConstraint.budget.percent: 101 is out of range: 0 to 100"},
    {"XBackendTrafficPolicy",
     "spec: {targetRefs: [{group: '', kind: Service, name: a}], retryConstraint: {minRetryRate: "
     "{interval: 0s}}}\n",
     "f.yaml:4:102: spec.retryConstraint.minRetryRate.interval: 0s is out of range: longer than "
     "0s, at most 1h"},
    {"XBackendTrafficPolicy",
     "spec: {targetRefs: [{group: '', kind: Service, name: a}], retryConstraint: {minRetryRate: "
     "{interval: 2h}}}\n",
     "f.yaml:4:102: spec.retryConstraint.minRetryRate.interval: 2h is out of range: longer than "
     "0s, at most 1h"},
    {"XBackendTrafficPolicy",
     "spec: {targetRefs: [{group: '', kind: Service, name: a}], retryConstraint: {minRetryRate: "
     "{count: 0}}}\n",
     "f.yaml:4:99: spec.retryConstraint.minRetryRate.count: 0 is out of range: 1 to 1000000"},
    {"XBackendTrafficPolicy",
     "spec: {targetRefs: [{group: '', kind: Service, name: a}], sessionPersistence: {}}\n",
     "f.yaml:4:79: spec.sessionPersistence.cookie: required by type Cookie"},
    {"XBackendTrafficPolicy",
     "spec: {targetRefs: [{group: '', kind: Service, name: a}], sessionPersistence: {type: Header, "
     "header: {name: a}, cookie: {}}}\n",
     "f.yaml:4:121: spec.sessionPersistence.cookie: does not belong to type Header"},
    {"XBackendTrafficPolicy",
     "spec: {targetRefs: [{group: '', kind: Service, name: a}], sessionPersistence: {cookie: "
     "{lifetimeType: Permanent}}}\n",
     "f.yaml:4:79: spec.sessionPersistence.absoluteTimeout: required by a cookie of lifetimeType "
     "Permanent (for example 1h)"},
};

TEST(WrongObjectsOfEveryKind, SayWherePathWhatAndHint) {
  for (const Row& row : kRows) {
    EXPECT_THAT(problems_of(document(row)), ElementsAre(row.problem)) << document(row);
  }
}

TEST(WrongObjectsOfEveryKind, NoKindIsLeftOut) {
  std::set<std::string> rows;
  for (const Row& row : kRows) rows.insert(row.kind);
  rows.insert("Secret");  // its problems are of two documents: below
  for (const Kind& kind : kinds()) EXPECT_TRUE(rows.contains(kind.kind)) << kind.kind;
}

TEST(WrongObjectsOfEveryKind, ASecretIsOfTheOneTypeAndHasBothHalves) {
  const std::string head = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n";
  EXPECT_THAT(problems_of(head + "type: Opaque\n"),
              ElementsAre("f.yaml:1:1: data.tls.crt: required by type kubernetes.io/tls",
                          "f.yaml:1:1: data.tls.key: required by type kubernetes.io/tls",
                          "f.yaml:4:7: type: the text 'Opaque' is not allowed here (allowed: "
                          "kubernetes.io/tls)"));
  EXPECT_THAT(
      problems_of(head + "type: kubernetes.io/tls\ndata: {tls.crt: '%', tls.key: YQ==}\n"),
      ElementsAre("f.yaml:5:17: data.tls.crt: is not base64 (stringData takes text as it is)"));
}

TEST(WrongObjectsOfEveryKind, NamesAreChecked) {
  for (const Kind& kind : kinds()) {
    const std::string text = std::string("apiVersion: ") + kind.api_version +
                             "\nkind: " + kind.kind + "\nmetadata: {name: A_b}\n";
    const auto problems = problems_of(text);
    const bool label = std::string_view(kind.kind) == "Service";
    EXPECT_THAT(problems,
                testing::Contains(testing::StartsWith(
                    std::string("f.yaml:3:18: metadata.name: the text 'A_b' is not a DNS ") +
                    (label ? "label" : "name"))))
        << kind.kind;
  }
}

}  // namespace
}  // namespace weft::control
