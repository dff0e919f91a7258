// Gateways: which routes attach where, what is wrong with a listener, and what those who serve one get.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/compile_gateway.h"
#include "control/gateway_test_support.h"

namespace weft::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(CommonHost, IsWhatBothLetIn) {
  const auto both = [](const char* a, const char* b) { return common_host(a, b).value_or("none"); };
  EXPECT_EQ(both("", ""), "");
  EXPECT_EQ(both("", "*.a.test"), "*.a.test");
  EXPECT_EQ(both("x.test", ""), "x.test");
  EXPECT_EQ(both("*.test", "x.test"), "x.test");
  EXPECT_EQ(both("a.b.test", "*.test"), "a.b.test");
  EXPECT_EQ(both("*.test", "*.b.test"), "*.b.test");
  EXPECT_EQ(both("*.b.test", "*.test"), "*.b.test");
  EXPECT_EQ(both("*.test", "test"), "none");
  EXPECT_EQ(both("*.b.test", "b.test"), "none");
  EXPECT_EQ(both("x.test", "y.test"), "none");
  EXPECT_EQ(both("*.b.test", "ab.test"), "none");
}

TEST_F(GatewayTest, UntilSomebodyServesItItIsPendingAndSaysHow) {
  put_gateway("{name: http, port: 80, protocol: HTTP}");
  EXPECT_EQ(condition("Accepted"), "True/Accepted: ");
  EXPECT_EQ(condition("Programmed"), "False/Pending: nobody serves it: run `weft gateway edge`");
  serve();
  EXPECT_EQ(condition("Programmed"), "True/Programmed: ");
  EXPECT_EQ(listener(0, "Programmed"), "True/Programmed: ");
  EXPECT_THAT(compiler_.gateway_state(gateway()).addresses, ElementsAre(IpAddress::v4(0x7f000001)));
}

TEST_F(GatewayTest, AListenerTakesAThousandAndTwentyFourRulesOfTheOldestRoutes) {
  put_service("cart");
  put_gateway(
      "{name: web, port: 80, protocol: HTTP, hostname: '*.test'}, "
      "{name: more, port: 81, protocol: HTTP}");
  const auto of = [](int matches) {
    std::string out = "hostnames: [a.test, b.test], rules: [{matches: [";
    for (int i = 0; i < matches; ++i) out += "{path: {value: /m" + std::to_string(i) + "}},";
    return out + "], backendRefs: [{name: cart, port: 80}]}]";
  };
  for (int i = 0; i < 8; ++i) put_route("HTTPRoute", "r" + std::to_string(i), "port: 80", of(64));
  EXPECT_EQ(rules(0).size(), 1024u);
  EXPECT_EQ(accepted("HTTPRoute", "r7"), "True/Accepted: ");
  put_route("HTTPRoute", "last", "port: 80", of(3));
  EXPECT_EQ(accepted("HTTPRoute", "last"),
            "False/TooManyRules: listener web of default/edge takes at most 1024 rules: the routes "
            "before it have 1024, this one has 6");
  EXPECT_EQ(rules(0).size(), 1024u);
  EXPECT_EQ(compiler_.gateway_state(gateway()).listeners.at(0).attached_routes, 8u);
  put_route("HTTPRoute", "elsewhere", "port: 81", of(3));
  EXPECT_EQ(accepted("HTTPRoute", "elsewhere"), "True/Accepted: ");
  // An older one that goes makes room.
  compiler_.remove({"HTTPRoute", "default", "r3"});
  EXPECT_EQ(accepted("HTTPRoute", "last"), "True/Accepted: ");
  EXPECT_EQ(rules(0).size(), 1024u - 128 + 6);
}

TEST_F(GatewayTest, AnotherClassIsNotOurs) {
  put("{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: edge}, spec: "
      "{gatewayClassName: other, listeners: [{name: a, port: 80, protocol: HTTP}]}}");
  EXPECT_THAT(condition("Accepted"), HasSubstr("False/Pending: class other"));
  EXPECT_FALSE(compiler_.compile_gateway({"default", "edge"}));
  put("{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: other}, "
      "spec: "
      "{controllerName: weft.dev/gateway}}");
  EXPECT_EQ(condition("Accepted"), "True/Accepted: ");
  EXPECT_TRUE(compiler_.compile_gateway({"default", "edge"}));
}

TEST_F(GatewayTest, RoutesGetTheHostsThatTheirListenerLetsIn) {
  put_service("cart");
  put_gateway(
      "{name: any, port: 80, protocol: HTTP}, "
      "{name: shop, port: 80, protocol: HTTP, hostname: '*.shop.test'}");
  const std::string to = "rules: [{backendRefs: [{name: cart, port: 80}]}]";
  put_route("HTTPRoute", "both", "port: 80", "hostnames: [a.shop.test, other.test], " + to);
  put_route("HTTPRoute", "one", "sectionName: shop", to);
  EXPECT_THAT(rules(0), ElementsAre("a.shop.test /", "other.test /"));
  EXPECT_THAT(rules(1), ElementsAre("a.shop.test /", " /"));
  const GatewayState state = compiler_.gateway_state(gateway());
  EXPECT_EQ(state.listeners[0].attached_routes, 1u);
  EXPECT_EQ(state.listeners[1].attached_routes, 2u);
  EXPECT_THAT(state.listeners[0].kinds, ElementsAre("HTTPRoute", "GRPCRoute"));
  EXPECT_EQ(accepted("HTTPRoute", "both"), "True/Accepted: ");
}

TEST_F(GatewayTest, WhatDoesNotAttachIsToldWhy) {
  put_service("cart");
  put("{apiVersion: v1, kind: Namespace, metadata: {name: friend, labels: {team: web}}}");
  put_gateway(
      "{name: http, port: 80, protocol: HTTP, hostname: shop.test}, "
      "{name: grpc, port: 81, protocol: HTTP, allowedRoutes: {kinds: [{kind: GRPCRoute}], "
      "namespaces: {from: All}}}, "
      "{name: web, port: 82, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, "
      "selector: {matchLabels: {team: web}}}}}");
  const std::string to = "rules: [{backendRefs: [{name: cart, port: 80}]}]";
  put_route("HTTPRoute", "host", "sectionName: http", "hostnames: [other.test], " + to);
  EXPECT_EQ(accepted("HTTPRoute", "host"),
            "False/NoMatchingListenerHostname: default/edge: listener http is for shop.test");
  put_route("HTTPRoute", "kind", "port: 81", to);
  EXPECT_EQ(accepted("HTTPRoute", "kind"),
            "False/NotAllowedByListeners: default/edge: listener grpc takes no HTTPRoute");
  put_route("HTTPRoute", "foreign", "sectionName: http", to, "shop");
  EXPECT_EQ(
      accepted("HTTPRoute", "foreign", "shop"),
      "False/NotAllowedByListeners: default/edge: listener http takes no routes of namespace shop");
  put_route("HTTPRoute", "friends", "sectionName: web", to, "friend");
  EXPECT_EQ(accepted("HTTPRoute", "friends", "friend"), "True/Accepted: ");
  put_route("HTTPRoute", "nowhere", "sectionName: none", to);
  EXPECT_EQ(accepted("HTTPRoute", "nowhere"),
            "False/NoMatchingParent: default/edge has no listener 'none'");
  put_route("HTTPRoute", "noport", "port: 99", to);
  EXPECT_EQ(accepted("HTTPRoute", "noport"),
            "False/NoMatchingParent: default/edge has no listener with port 99");
}

TEST_F(GatewayTest, ABackendOfAnotherNamespaceNeedsAGrant) {
  put_service("ledger", "bank");
  put_gateway("{name: http, port: 80, protocol: HTTP}");
  put_route("HTTPRoute", "r", "port: 80",
            "rules: [{backendRefs: [{name: ledger, namespace: bank, port: 80}]}]");
  compiler_.take_changed_gateways();
  const auto invalid = [&] {
    return compiler_.compile_gateway({"default", "edge"})
        ->listeners[0]
        .port.rules[0]
        .backends[0]
        .invalid;
  };
  EXPECT_TRUE(invalid());
  put("{apiVersion: gateway.networking.k8s.io/v1, kind: ReferenceGrant, metadata: {name: g, "
      "namespace: "
      "bank}, spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: "
      "default}], "
      "to: [{group: '', kind: Service}]}}");
  EXPECT_FALSE(invalid());
  EXPECT_THAT(compiler_.take_changed_gateways(),
              ElementsAre(model::GatewayName{"default", "edge"}));
}

TEST_F(GatewayTest, ListenersThatCannotBeToldApartConflictAll) {
  put_gateway(
      "{name: http, port: 80, protocol: HTTP}, {name: tcp, port: 80, protocol: TCP}, "
      "{name: alone, port: 81, protocol: TCP}");
  EXPECT_THAT(listener(0, "Conflicted"), HasSubstr("True/ProtocolConflict: listener tcp"));
  EXPECT_THAT(listener(1, "Conflicted"), HasSubstr("True/ProtocolConflict: listener http"));
  EXPECT_EQ(listener(2, "Conflicted"), "False/NoConflicts: ");
  EXPECT_THAT(condition("Accepted"), HasSubstr("True/ListenersNotValid: listener http"));
  EXPECT_EQ(compiler_.compile_gateway({"default", "edge"})->listeners.size(), 1u);
}

TEST_F(GatewayTest, ACertificateThatIsNotThereIsNamed) {
  put_gateway(
      "{name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: none}]}}, "
      "{name: foreign, port: 444, protocol: HTTPS, tls: {certificateRefs: [{name: c, namespace: "
      "bank}]}}, {name: ends, port: 445, protocol: TLS, tls: {mode: Terminate, certificateRefs: "
      "[{name: none}]}}, {name: udp, port: 446, protocol: UDP}");
  EXPECT_EQ(listener(0, "ResolvedRefs"),
            "False/InvalidCertificateRef: there is no Secret default/none");
  EXPECT_THAT(listener(1, "ResolvedRefs"), HasSubstr("False/RefNotPermitted"));
  EXPECT_THAT(listener(2, "Accepted"), HasSubstr("False/UnsupportedValue: tls.mode"));
  EXPECT_THAT(listener(3, "Accepted"), HasSubstr("False/UnsupportedProtocol"));
  EXPECT_THAT(condition("Accepted"), HasSubstr("False/ListenersNotValid"));
  EXPECT_TRUE(compiler_.compile_gateway({"default", "edge"})->listeners.empty());
}

TEST_F(GatewayTest, OfTwoTcpRoutesTheOlderTakesTheListener) {
  put_service("db");
  put_gateway("{name: tcp, port: 5432, protocol: TCP}");
  const std::string to = "rules: [{backendRefs: [{name: db, port: 80}]}]";
  put_route("TCPRoute", "first", "port: 5432", to);
  put_route("TCPRoute", "second", "port: 5432", to);
  EXPECT_EQ(accepted("TCPRoute", "first"), "True/Accepted: ");
  EXPECT_EQ(accepted("TCPRoute", "second"),
            "False/Conflicted: TCPRoute default/first is older and takes the same connections of "
            "default/edge");
}

TEST_F(GatewayTest, AddressesAreAskedForAndShownOnceSomebodyServesThem) {
  const auto ask_for = [&](const std::string& addresses) {
    put("{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: edge}, spec: "
        "{gatewayClassName: weft, addresses: [" +
        addresses + "], listeners: [{name: http, port: 80, protocol: HTTP}]}}");
  };
  ask_for("{value: 192.0.2.7}, {value: '2001:db8::7'}, {type: IPAddress}");
  EXPECT_TRUE(compiler_.gateway_state(gateway()).addresses.empty());
  const auto wanted =
      ElementsAre(IpAddress::v4(0xc0000207), IpAddress::parse("2001:db8::7").value());
  EXPECT_THAT(compiler_.compile_gateway({"default", "edge"})->addresses, wanted);
  serve();
  EXPECT_THAT(compiler_.gateway_state(gateway()).addresses, wanted);
  EXPECT_EQ(condition("Programmed"), "True/Programmed: ");
  serve({{80, false}});
  EXPECT_EQ(condition("Programmed"),
            "False/AddressNotUsable: listener http: gateway-edge-1 cannot listen on port 80: its "
            "notes say why");
  ask_for("{type: Hostname, value: shop.test}");
  EXPECT_EQ(condition("Accepted"),
            "False/UnsupportedAddress: spec.addresses: Weft listens at addresses of type "
            "IPAddress, not Hostname");
  EXPECT_FALSE(compiler_.compile_gateway({"default", "edge"}));
}

TEST_F(GatewayTest, ASecretThatNoServerCanShowIsKeptAndSaidToBeSo) {
  put("{apiVersion: v1, kind: Secret, metadata: {name: c}, type: kubernetes.io/tls, stringData: "
      "{tls.crt: no, tls.key: no}}");
  const auto conditions = compiler_.conditions(*compiler_.object({"Secret", "default", "c"}));
  EXPECT_EQ(conditions.at(0).reason, "Invalid");
  Problems problems;
  decode_objects("f",
                 "{apiVersion: v1, kind: Secret, metadata: {name: c}, type: kubernetes.io/tls, "
                 "data: {tls.crt: '(hidden)'}}",
                 problems);
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[1].what, "is not base64");
  EXPECT_EQ(problems[0].path, "data.tls.key");
}

}  // namespace
}  // namespace weft::control
