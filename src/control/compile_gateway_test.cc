// The Gateway API's words for what is and is not in force: hosts, gRPC methods, references across
// namespaces, kinds and values that are stored only.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/compile.h"
#include "control/kinds.h"

namespace weft::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kServices =
    "{apiVersion: v1, kind: Service, metadata: {name: cart}, spec: {ports: [{name: web, port: 80}, "
    "{name: admin, port: 81}]}}\n---\n"
    "{apiVersion: v1, kind: Service, metadata: {name: ledger, namespace: bank}, spec: {ports: "
    "[{port: 80}]}}\n---\n";

class GatewayCompileTest : public testing::Test {
 protected:
  void put(const std::string& yaml) {
    Problems problems;
    for (DecodedObject& one : decode_objects("test", yaml, problems)) compiler_.put(one.object);
    ASSERT_TRUE(problems.empty()) << problems.front().to_string();
    compiler_.set_address({"default", "cart"}, IpAddress::v4(1), IpAddress());
  }
  void put_route(const std::string& kind, const std::string& name, const std::string& spec) {
    put("{apiVersion: gateway.networking.k8s.io/v1, kind: " + kind + ", metadata: {name: " + name +
        "}, spec: {parentRefs: [{kind: Service, name: cart}], " + spec + "}}");
  }
  // "HOST PATH" of each rule of port 80, in order of precedence.
  std::vector<std::string> rules(size_t port = 0) {
    std::vector<std::string> out;
    const auto compiled = compiler_.compile({"default", "cart"});
    for (const model::RouteRule& rule : compiled->service.ports.at(port).rules) {
      out.push_back(rule.match.host + " " + rule.match.path.value);
    }
    return out;
  }
  std::string condition(const std::string& kind, const std::string& name, size_t index) {
    const auto states = compiler_.parents(*compiler_.object({kind, "default", name}));
    const Condition& one = states.at(0).conditions.at(index);
    return one.type + "=" + (one.ok ? "True" : "False") + "/" + one.reason + ": " + one.message;
  }
  Compiler compiler_;
};

TEST_F(GatewayCompileTest, TheClosestHostComesFirstWhateverThePath) {
  put(kServices);
  put_route("HTTPRoute", "any", "rules: [{matches: [{path: {type: Exact, value: /long/path}}]}]");
  put_route("HTTPRoute", "hosts", "hostnames: ['*.example.com', a.example.com, '*.b.example.com']");
  EXPECT_THAT(rules(), ElementsAre("a.example.com /", "*.b.example.com /", "*.example.com /",
                                   " /long/path"));
}

TEST_F(GatewayCompileTest, GrpcMethodsArePathsTheClosestFirst) {
  put(kServices);
  put_route("GRPCRoute", "g",
            "rules: [{}, {matches: [{method: {method: Add}}, {method: {service: shop.v1.Cart}}, "
            "{method: {service: shop.v1.Cart, method: Add}}]}]");
  EXPECT_THAT(rules(), ElementsAre(" /shop.v1.Cart/Add", " /shop.v1.Cart", " /[^/]+/Add", " /"));
  const auto compiled = compiler_.compile({"default", "cart"});
  for (const model::RouteRule& rule : compiled->service.ports.at(0).rules) {
    EXPECT_TRUE(rule.match.grpc);
  }
}

TEST_F(GatewayCompileTest, ARouteWithAValueThatIsNotCarriedOutIsNotInForce) {
  put(kServices);
  put_route("HTTPRoute", "everywhere", "useDefaultGateways: All, rules: [{}]");
  EXPECT_TRUE(rules().empty());
  EXPECT_THAT(condition("HTTPRoute", "everywhere", 0),
              HasSubstr("Accepted=False/UnsupportedValue: spec.useDefaultGateways: "));
}

TEST_F(GatewayCompileTest, OtherParentsThanServicesGatewaysAndListenerSetsAreToldToBeUnsupported) {
  put("{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r}, spec: "
      "{parentRefs: [{kind: Bucket, name: more}]}}");
  EXPECT_EQ(
      condition("HTTPRoute", "r", 0),
      "Accepted=False/UnsupportedValue: parent Bucket more.default: Weft carries routes out for "
      "Services, Gateways and ListenerSets");
}

TEST_F(GatewayCompileTest, StoredKindsSayThatNothingIsDoneWithThem) {
  put("{apiVersion: gateway.networking.k8s.io/v1, kind: UDPRoute, metadata: {name: u}, spec: "
      "{rules: [{backendRefs: [{name: cart, port: 80}]}]}}");
  const auto conditions = compiler_.conditions(*compiler_.object({"UDPRoute", "default", "u"}));
  ASSERT_EQ(conditions.size(), 1u);
  EXPECT_FALSE(conditions[0].ok);
  EXPECT_EQ(conditions[0].reason, "UnsupportedValue");
  EXPECT_THAT(conditions[0].message, HasSubstr("kind UDPRoute: "));
}

TEST_F(GatewayCompileTest, ASectionNameIsTheNameOfAPort) {
  put(kServices);
  put("{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r}, spec: "
      "{parentRefs: [{kind: Service, name: cart, sectionName: admin}]}}");
  EXPECT_TRUE(rules(0).empty());
  EXPECT_THAT(rules(1), ElementsAre(" /"));
}

TEST_F(GatewayCompileTest, AcrossNamespacesAReferenceNeedsAGrantThere) {
  put(kServices);
  put_route("HTTPRoute", "r",
            "rules: [{backendRefs: [{name: ledger, namespace: bank, port: 80}]}]");
  const auto invalid = [&] {
    return compiler_.compile({"default", "cart"})
        ->service.ports[0]
        .rules.at(0)
        .backends.at(0)
        .invalid;
  };
  EXPECT_TRUE(invalid());
  EXPECT_EQ(
      condition("HTTPRoute", "r", 1),
      "ResolvedRefs=False/RefNotPermitted: no ReferenceGrant in namespace bank lets a HTTPRoute "
      "of default refer to Service ledger: its share of requests gets 500");
  const auto grant = [&](const std::string& from_ns, const std::string& to) {
    put("{apiVersion: gateway.networking.k8s.io/v1, kind: ReferenceGrant, metadata: {name: g, "
        "namespace: bank}, spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, "
        "namespace: " +
        from_ns + "}], to: [{group: '', kind: Service" + to + "}]}}");
  };
  grant("other", "");
  EXPECT_TRUE(invalid());
  grant("default", ", name: else");
  EXPECT_TRUE(invalid());
  grant("default", ", name: ledger");
  EXPECT_FALSE(invalid());
  EXPECT_EQ(compiler_.remove({"ReferenceGrant", "bank", "g"}), (Affected{{"default", "cart"}}));
  EXPECT_TRUE(invalid());
}

TEST_F(GatewayCompileTest, ABackendOfAnotherKindIsNone) {
  put(kServices);
  put_route("HTTPRoute", "r", "rules: [{backendRefs: [{group: a.b, kind: Bucket, name: X_1}]}]");
  EXPECT_EQ(
      condition("HTTPRoute", "r", 1),
      "ResolvedRefs=False/InvalidKind: a Bucket of group a.b is no backend: only a Service is: "
      "its share of requests gets 500");
}

}  // namespace
}  // namespace weft::control
