// ListenerSets: whom a Gateway takes, who comes first, and whose routes their listeners have.
#include <fmt/format.h>

#include "control/gateway_test_support.h"

namespace weft::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ListenerSetTest : public GatewayTest {
 protected:
  void put_edge(const std::string& from, const std::string& listeners) {
    put("{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: edge}, spec: "
        "{gatewayClassName: weft, allowedListeners: {namespaces: {from: " +
        from + "}}, listeners: [" + listeners + "]}}");
  }
  void put_set(const std::string& name, const std::string& listeners,
               const std::string& ns = "default", const std::string& parent = "name: edge") {
    put(
        fmt::format("{{apiVersion: gateway.networking.k8s.io/v1, kind: ListenerSet, metadata: "
                    "{{name: {}, namespace: {}}}, spec: {{parentRef: {{{}, namespace: default}}, "
                    "listeners: [{}]}}}}",
                    name, ns, parent, listeners));
  }
  const Object& set(const std::string& name, const std::string& ns = "default") {
    return *compiler_.object({"ListenerSet", ns, name});
  }
  std::string of_set(const std::string& name, const std::string& type,
                     const std::string& ns = "default") {
    return told(compiler_.conditions(set(name, ns)), type);
  }
  std::string of_listener(const std::string& name, size_t index, const std::string& type) {
    return told(compiler_.gateway_state(set(name)).listeners.at(index).conditions, type);
  }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const auto& one : compiler_.compile_gateway({"default", "edge"})->listeners)
      out.push_back(one.name);
    return out;
  }
};

constexpr const char* kPlain = "{name: http, port: 80, protocol: HTTP}";

TEST_F(ListenerSetTest, AGatewayTakesNoneUnlessItSaysSo) {
  put_gateway(kPlain);
  put_set("more", "{name: http, port: 81, protocol: HTTP}");
  EXPECT_EQ(of_set("more", "Accepted"),
            "False/NotAllowed: Gateway default/edge takes no ListenerSets of namespace default "
            "(its allowedListeners)");
  EXPECT_THAT(of_set("more", "Programmed"), HasSubstr("False/NotAllowed"));
  EXPECT_THAT(names(), ElementsAre("http"));
  EXPECT_TRUE(compiler_.gateway_state(set("more")).listeners.empty());
  put_edge("Same", kPlain);
  EXPECT_EQ(of_set("more", "Accepted"), "True/Accepted: ");
  EXPECT_THAT(of_set("more", "Programmed"), HasSubstr("False/Pending: nobody serves it"));
  EXPECT_THAT(names(), ElementsAre("http", "default/more/http"));
  serve();
  EXPECT_EQ(of_set("more", "Programmed"), "True/Programmed: ");
  EXPECT_EQ(compiler_.gateway_state(gateway()).attached_sets, 1u);
  EXPECT_EQ(compiler_.gateway_state(gateway()).listeners.size(), 1u);
}

TEST_F(ListenerSetTest, NamespacesAreChosenAsForRoutes) {
  put_edge("Same", kPlain);
  put_set("more", "{name: a, port: 81, protocol: HTTP}", "shop");
  EXPECT_THAT(of_set("more", "Accepted", "shop"), HasSubstr("False/NotAllowed"));
  put_edge("Selector, selector: {matchLabels: {team: web}}", kPlain);
  EXPECT_THAT(of_set("more", "Accepted", "shop"), HasSubstr("False/NotAllowed"));
  compiler_.take_changed_gateways();
  put("{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: web}}}");
  EXPECT_THAT(compiler_.take_changed_gateways(),
              ElementsAre(model::GatewayName{"default", "edge"}));
  EXPECT_EQ(of_set("more", "Accepted", "shop"), "True/Accepted: ");
  put_edge("All", kPlain);
  EXPECT_EQ(of_set("more", "Accepted", "shop"), "True/Accepted: ");
  put_edge("None", kPlain);
  EXPECT_THAT(of_set("more", "Accepted", "shop"), HasSubstr("False/NotAllowed"));
}

TEST_F(ListenerSetTest, WhatItsParentIsNotIsTold) {
  put_set("lost", kPlain);
  EXPECT_EQ(of_set("lost", "Accepted"),
            "False/ParentNotAccepted: there is no Gateway default/edge");
  put_set("odd", kPlain, "default", "kind: Bucket, name: edge");
  EXPECT_EQ(of_set("odd", "Accepted"),
            "False/Invalid: parentRef: a Bucket has no listeners, a Gateway has");
  put("{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: edge}, spec: "
      "{gatewayClassName: other, allowedListeners: {namespaces: {from: All}}, listeners: [" +
      std::string(kPlain) + "]}}");
  EXPECT_THAT(of_set("lost", "Accepted"),
              HasSubstr("False/ParentNotAccepted: Gateway default/edge is not carried out: class"));
}

TEST_F(ListenerSetTest, TheGatewayComesFirstThenTheOldest) {
  put_edge("All", "{name: http, port: 80, protocol: HTTP, hostname: a.test}");
  put_set("z-old",
          "{name: same, port: 80, protocol: HTTP, hostname: a.test}, "
          "{name: raw, port: 80, protocol: TCP}, {name: mine, port: 81, protocol: TCP}");
  put_set("a-new",
          "{name: b, port: 80, protocol: HTTP, hostname: b.test}, "
          "{name: late, port: 81, protocol: HTTP}");
  // The TCP listener of z-old is in its own HTTP listener's way: neither takes anything from others.
  EXPECT_THAT(names(), ElementsAre("http", "default/z-old/mine", "default/a-new/b"));
  EXPECT_EQ(listener(0, "Conflicted"), "False/NoConflicts: ");
  EXPECT_EQ(of_listener("z-old", 0, "Conflicted"),
            "True/HostnameConflict: listener http of the Gateway has the same port and hostname");
  EXPECT_EQ(of_listener("z-old", 1, "Conflicted"),
            "True/ProtocolConflict: listener http of the Gateway has port 80 too and speaks HTTP");
  EXPECT_EQ(of_listener("a-new", 1, "Conflicted"),
            "True/ProtocolConflict: a listener of another ListenerSet has port 81 too and speaks "
            "TCP");
  EXPECT_THAT(of_listener("a-new", 1, "Accepted"), HasSubstr("False/ProtocolConflict"));
  EXPECT_THAT(of_set("z-old", "Accepted"), HasSubstr("True/ListenersNotValid: listener same"));
  EXPECT_EQ(compiler_.gateway_state(gateway()).attached_sets, 2u);
}

TEST_F(ListenerSetTest, RoutesAttachToTheSetTheyNameAndNotToItsGateway) {
  put_service("cart");
  put_edge("All", kPlain);
  put_set("more", "{name: http, port: 81, protocol: HTTP}", "shop");
  const std::string to = "rules: [{backendRefs: [{name: cart, port: 80}]}]";
  compiler_.take_changed_gateways();
  put("{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r, namespace: "
      "shop}, spec: {parentRefs: [{kind: ListenerSet, name: more, sectionName: http}], "
      "hostnames: [shop.test], " +
      to + "}}");
  EXPECT_THAT(compiler_.take_changed_gateways(),
              ElementsAre(model::GatewayName{"default", "edge"}));
  put_route("HTTPRoute", "own", "group: gateway.networking.k8s.io", to);
  // Same means the namespace of the ListenerSet.
  EXPECT_EQ(accepted("HTTPRoute", "r", "shop"), "True/Accepted: ");
  EXPECT_THAT(rules(0), ElementsAre(" /"));
  EXPECT_THAT(rules(1), ElementsAre("shop.test /"));
  EXPECT_EQ(compiler_.gateway_state(set("more", "shop")).listeners.at(0).attached_routes, 1u);
  const auto carriers = compiler_.carriers(*compiler_.object({"HTTPRoute", "shop", "r"}));
  EXPECT_EQ(carriers, (Carriers{{{"default", "edge"}, "", Carrier::kGateway}}));
  EXPECT_EQ(compiler_.carriers(set("more", "shop")), carriers);

  put_edge("None", kPlain);
  EXPECT_THAT(accepted("HTTPRoute", "r", "shop"),
              HasSubstr("False/NoMatchingParent: ListenerSet shop/more is not accepted: "));
  compiler_.remove({"ListenerSet", "shop", "more"});
  EXPECT_EQ(accepted("HTTPRoute", "r", "shop"),
            "False/NoMatchingParent: there is no ListenerSet shop/more");
}

TEST_F(ListenerSetTest, ItsCertificatesNeedGrantsToIt) {
  put_edge("All", kPlain);
  put_set("more",
          "{name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: c, namespace: "
          "bank}]}}");
  EXPECT_EQ(of_listener("more", 0, "ResolvedRefs"),
            "False/RefNotPermitted: no ReferenceGrant in namespace bank lets a ListenerSet of "
            "default refer to Secret c");
  put("{apiVersion: gateway.networking.k8s.io/v1, kind: ReferenceGrant, metadata: {name: g, "
      "namespace: bank}, spec: {from: [{group: gateway.networking.k8s.io, kind: ListenerSet, "
      "namespace: default}], to: [{group: '', kind: Secret}]}}");
  EXPECT_EQ(of_listener("more", 0, "ResolvedRefs"),
            "False/InvalidCertificateRef: there is no Secret bank/c");
}

TEST_F(ListenerSetTest, OfAllTogetherTheFirst256AreOpened) {
  put_edge("All", kPlain);
  for (int i = 0; i < 5; ++i) {
    std::string listeners;
    for (int j = 0; j < 64; ++j)
      listeners += fmt::format("{{name: l{}, port: {}, protocol: HTTP}},", j, 1000 + 64 * i + j);
    put_set(fmt::format("s{}", i), listeners);
  }
  EXPECT_EQ(names().size(), 256u);
  EXPECT_EQ(of_listener("s3", 63, "Accepted"),
            "False/TooManyListeners: a Gateway and its ListenerSets have at most 256 listeners");
  EXPECT_THAT(of_set("s4", "Accepted"), HasSubstr("False/ListenersNotValid"));
  EXPECT_EQ(compiler_.gateway_state(gateway()).attached_sets, 4u);
}

}  // namespace
}  // namespace weft::control
