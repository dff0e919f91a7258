// A Gateway served by a proxy of the mesh, and clients that are not of it.
#include <map>
#include <set>

#include "scenarios/gateway_scene.h"

namespace weft::scenarios {
namespace {

TEST_F(GatewayScene, HostsDecideAndChangesTakeEffectWithoutARestart) {
  EXPECT_EQ(get("a.test"), "refused");  // nothing is open before there is a Gateway
  listeners("{name: http, port: 80, protocol: HTTP}");
  EXPECT_EQ(get("a.test"), "404 w");
  route("a", "a.test", "a");
  route("b", "'*.b.test'", "b");
  EXPECT_EQ(get("a.test"), "200 a");
  EXPECT_EQ(get("x.b.test"), "200 b");
  EXPECT_EQ(get("b.test"), "404 w");
  route("a", "a.test", "b");
  EXPECT_EQ(get("a.test"), "200 b");
  listeners("{name: http, port: 80, protocol: HTTP}, {name: more, port: 81, protocol: HTTP}");
  EXPECT_EQ(get("a.test", 81), "200 b");
  listeners("{name: more, port: 81, protocol: HTTP}");
  EXPECT_EQ(get("a.test", 81), "200 b");
  EXPECT_EQ(get("a.test", 80), "refused");
}

TEST_F(GatewayScene, AFaultOfARouteActsAtTheGatewayToo) {
  listeners("{name: web, port: 80, protocol: HTTP}");
  route("a", "a.example", "a");
  route("b", "b.example", "b");
  EXPECT_EQ(get("a.example"), "200 a");
  const CallResult result = mesh.apply(
      "{apiVersion: weft.dev/v1, kind: FaultPolicy, metadata: {name: broken}, spec: {targetRefs: "
      "[{kind: "
      "HTTPRoute, name: a}], duration: 1h, abort: {percentage: 100, httpStatus: 418}}}");
  ASSERT_EQ(result.status, 200) << result.body << result.error;
  mesh.world().run_for(Duration::millis(500));
  EXPECT_EQ(get("a.example").substr(0, 3), "418");
  EXPECT_EQ(get("b.example"), "200 b");
}

// Who asks is known by what it sends: a client outside has no identity, and its address is the key where
// that is asked for.
TEST_F(GatewayScene, TheSameKeyOfARequestGoesToTheSameInstance) {
  more_of_a();
  listeners("{name: web, port: 80, protocol: HTTP}");
  route("a", "a.test", "a");
  for (const char* algorithm : {"RingHash", "Maglev"}) {
    const CallResult applied = mesh.apply(
        std::string("{apiVersion: weft.dev/v1, kind: BackendPolicy, metadata: {name: p}, spec: "
                    "{targetRefs: [{group: '', kind: Service, name: a}], loadBalancing: "
                    "{algorithm: ") +
        algorithm +
        ", hashBy: [{type: Header, name: x-user}, {type: Cookie, name: key, ttl: 1h}, {type: "
        "SourceAddress}]}}}");
    ASSERT_EQ(applied.status, 200) << applied.body;
    mesh.world().run_for(Duration::millis(500));
    std::set<std::string> instances;
    for (int user = 0; user < 40; ++user) {
      wire::Fields fields;
      fields.add("x-user", "user-" + std::to_string(user));
      std::set<std::string> of_user;
      for (int i = 0; i < 3; ++i) of_user.insert(fetch("a.test", 80, fields)->body);
      EXPECT_EQ(of_user.size(), 1u) << algorithm << user;
      instances.merge(of_user);
    }
    EXPECT_EQ(instances.size(), 4u) << "all of them serve somebody";
    // Who has neither gets the cookie, and stays where it was then.
    const auto first = fetch("a.test", 80);
    ASSERT_TRUE(first);
    const std::string told(first->fields.get("set-cookie").value_or(""));
    ASSERT_TRUE(told.starts_with("key=")) << told;
    wire::Fields fields;
    fields.add("cookie", told.substr(0, told.find(';')));
    for (int i = 0; i < 10; ++i) {
      const auto again = fetch("a.test", 80, fields);
      EXPECT_EQ(again->body, first->body);
      EXPECT_EQ(again->fields.get("set-cookie"), std::nullopt);
    }
  }
}

TEST_F(GatewayScene, AClientOutsideKeepsItsSession) {
  more_of_a();
  listeners("{name: web, port: 80, protocol: HTTP}");
  apply("HTTPRoute", "a",
        "parentRefs: [{name: edge}], rules: [{sessionPersistence: {cookie: {name: basket}}, "
        "backendRefs: [{name: a, port: 80}, {name: b, port: 80}]}]");
  std::map<std::string, std::string> sessions;
  for (int i = 0; i < 40; ++i) {
    const auto first = fetch("x.test", 80);
    const std::string told(first->fields.get("set-cookie").value_or(""));
    ASSERT_TRUE(told.starts_with("basket=")) << told;
    sessions[first->body] = told.substr(0, told.find(';'));
  }
  EXPECT_EQ(sessions.size(), 5u) << "of both services";
  for (const auto& [instance, cookie] : sessions) {
    wire::Fields fields;
    fields.add("cookie", cookie);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(fetch("x.test", 80, fields)->body, instance);
  }
  // The same where the Service says so and the rule does not.
  route("a", "x.test", "a");
  const CallResult applied = mesh.apply(
      "{apiVersion: gateway.networking.x-k8s.io/v1alpha1, kind: XBackendTrafficPolicy, metadata: "
      "{name: s}, spec: {targetRefs: [{group: '', kind: Service, name: a}], sessionPersistence: "
      "{cookie: {name: whole}}}}");
  ASSERT_EQ(applied.status, 200) << applied.body;
  mesh.world().run_for(Duration::millis(500));
  const auto first = fetch("x.test", 80);
  const std::string told(first->fields.get("set-cookie").value_or(""));
  ASSERT_TRUE(told.starts_with("whole=")) << told;
  wire::Fields fields;
  fields.add("cookie", told.substr(0, told.find(';')));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(fetch("x.test", 80, fields)->body, first->body);
}

// GEP-1713, "Gateway parents and sectionName": only its own listeners, not those of its ListenerSets.
TEST_F(GatewayScene, ARouteOfAGatewayIsNotOneOfItsListenerSets) {
  apply("Gateway", "edge",
        "gatewayClassName: weft, allowedListeners: {namespaces: {from: Same}}, listeners: [{name: "
        "web, port: 80, protocol: HTTP}, {name: more, port: 82, protocol: HTTP}]");
  apply("ListenerSet", "set",
        "parentRef: {name: edge}, listeners: [{name: web, port: 81, protocol: HTTP}]");
  route("a", "a.test", "a");
  EXPECT_EQ(get("a.test", 80), "200 a");
  EXPECT_EQ(get("a.test", 82), "200 a");
  EXPECT_EQ(get("a.test", 81), "404 w");
  // Both, where both are named.
  apply("HTTPRoute", "a",
        "parentRefs: [{name: edge}, {kind: ListenerSet, name: set}], hostnames: [a.test], rules: "
        "[{backendRefs: [{name: b, port: 80}]}]");
  EXPECT_EQ(get("a.test", 80), "200 b");
  EXPECT_EQ(get("a.test", 81), "200 b");
}

TEST_F(GatewayScene, ItsCertificatesAreForWhoServesItAlone) {
  listeners("{name: http, port: 80, protocol: HTTP}");
  // Another instance of the mesh asks for it by name.
  mesh.add({.name = "thief", .services = {}, .behaviour = {}, .gateway = true, .serves = "edge"});
  EXPECT_TRUE(mesh.instance("thief").gateway_listeners.empty());
  EXPECT_FALSE(mesh.instance("gateway-edge").gateway_listeners.empty());
}

TEST_F(GatewayScene, ALastGoodStateServesWhileTheControlPlaneIsAway) {
  listeners("{name: http, port: 80, protocol: HTTP}");
  route("a", "a.test", "a");
  mesh.world().run_for(Duration::seconds(5));  // it is written now and then
  mesh.kill_server();
  mesh.kill_sidecar("gateway-edge");
  mesh.restart_sidecar("gateway-edge");
  mesh.world().run_for(Duration::millis(500));
  EXPECT_EQ(get("a.test"), "200 a");
}

}  // namespace
}  // namespace weft::scenarios
