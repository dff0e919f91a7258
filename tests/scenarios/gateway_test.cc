// A Gateway served by a proxy of the mesh, and clients that are not of it.
#include <gtest/gtest.h>

#include "scenarios/raw_mesh.h"
#include "wire/tls_test_support.h"

namespace weft::scenarios {
namespace {

class GatewayScene : public testing::Test {
 protected:
  GatewayScene() : mesh(23), outside(mesh.world().node("outside")) {
    for (const char* name : {"a", "b"}) {
      mesh.add({.name = name,
                .services = {{name, 80, 8080, model::Protocol::kHttp}},
                .behaviour = {.says = name}});
    }
    mesh.add({.name = "gateway-edge",
              .services = {},
              .behaviour = {},
              .gateway = true,
              .serves = "edge"});
  }

  void apply(const std::string& kind, const std::string& name, const std::string& spec) {
    const CallResult result =
        mesh.apply("{apiVersion: gateway.networking.k8s.io/v1, kind: " + kind +
                   ", metadata: {name: " + name + "}, spec: {" + spec + "}}");
    ASSERT_EQ(result.status, 200) << result.body << result.error;
    mesh.world().run_for(Duration::millis(500));
  }
  void listeners(const std::string& list) {
    apply("Gateway", "edge", "gatewayClassName: weft, listeners: [" + list + "]");
  }
  void route(const std::string& name, const std::string& hosts, const std::string& backend) {
    apply("HTTPRoute", name,
          "parentRefs: [{name: edge}], hostnames: [" + hosts +
              "], rules: [{backendRefs: [{name: " + backend + ", port: 80}]}]");
  }
  // "STATUS BODY", or the error.
  std::string get(const std::string& host, uint16_t port = 80) {
    wire::RequestHead head;
    head.method = "GET";
    head.target = "/";
    head.authority = host;
    auto answer =
        mesh.world().run(http::fetch(outside.loop(), outside.network(),
                                     SocketAddress{mesh.instance("gateway-edge").side->ip(), port},
                                     head, "", Duration::seconds(10)));
    if (!answer) return "refused";
    return std::to_string(answer->status) + " " + answer->body.substr(0, 1);
  }

  Mesh mesh;
  sim::Node& outside;
};

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
