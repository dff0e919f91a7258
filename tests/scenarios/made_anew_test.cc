// What is deleted and made anew while sidecars hold on to what there was: a Service, under connections that are
// idle and under one with a request open, and the target of a policy.
#include <gtest/gtest.h>

#include <map>

#include "scenarios/mesh.h"

namespace weft::scenarios {
namespace {

class MadeAnew : public testing::Test {
 protected:
  MadeAnew() : mesh(31) {
    mesh.add({.name = "client", .services = {}, .behaviour = {}});
    // Two programs of two identities; which of them is `cart` is the Service's to say.
    for (const char* name : {"old", "new"}) {
      mesh.add({.name = name,
                .services = {{name, 9000, 8080, model::Protocol::kHttp, false}},
                .behaviour = {.says = name}});
    }
  }
  void apply(const std::string& yaml) {
    const CallResult applied = mesh.apply(yaml);
    ASSERT_EQ(applied.status, 200) << applied.body;
    mesh.world().run_for(Duration::millis(300));
  }
  void remove(const std::string& kind, const std::string& name) {
    const CallResult gone = mesh.api("DELETE", "/v1/objects/" + kind + "/default/" + name, "");
    ASSERT_EQ(gone.status, 200) << gone.body;
    mesh.world().run_for(Duration::millis(300));
  }
  void service(const std::string& app, int port) {
    apply("{apiVersion: v1, kind: Service, metadata: {name: cart}, spec: {selector: {app: " + app +
          "}, ports: [{port: " + std::to_string(port) +
          ", targetPort: 8080, appProtocol: http}]}}");
  }
  static wire::RequestHead get() {
    wire::RequestHead head;
    head.method = "GET";
    head.target = "/";
    head.authority = "cart";
    return head;
  }
  CallResult ask(uint16_t port = 80) {
    return mesh.call("client", get(), "cart", port, {}, Duration::seconds(5));
  }

  Mesh mesh;
};

TEST_F(MadeAnew, AServiceUnderIdleConnectionsLeadsToItsNewInstances) {
  service("old", 80);
  ASSERT_EQ(ask().body, "old");  // its connection is kept
  remove("service", "cart");
  EXPECT_EQ(ask().status, 0) << "there is no such name";
  service("new", 80);
  EXPECT_EQ(ask().body, "new");
  // And with another port: the former is refused, also for those who know the address still.
  remove("service", "cart");
  service("old", 81);
  EXPECT_EQ(ask(81).body, "old");
  EXPECT_EQ(ask(80).status, 0);
  EXPECT_EQ(mesh.instance("new").record.requests, 1u);
}

TEST_F(MadeAnew, AServiceUnderAnOpenRequestAnswersItAndTakesTheNextElsewhere) {
  service("old", 80);
  ASSERT_EQ(ask().body, "old");
  mesh.instance("old").behaviour.delay = Duration::seconds(3);
  CallResult open;
  io::TaskScope scope;
  const auto call = [](Mesh& mesh, CallResult& result) -> io::Task<void> {
    result = co_await mesh.call_task("client", get(), "cart", 80, "", Duration::seconds(20));
  };
  scope.spawn(call(mesh, open));
  mesh.world().run_for(Duration::millis(500));
  ASSERT_EQ(mesh.instance("old").record.requests, 2u) << "it is under way";
  remove("service", "cart");
  service("new", 80);
  EXPECT_EQ(open.status, 0);
  EXPECT_EQ(ask().body, "new");
  mesh.world().run_for(Duration::seconds(4));
  EXPECT_EQ(open.status, 200) << open.error;
  EXPECT_EQ(open.body, "old");
}

TEST_F(MadeAnew, ATargetOfAPolicyHasThePolicyAgain) {
  service("old", 80);
  apply(
      "{apiVersion: weft.dev/v1, kind: FaultPolicy, metadata: {name: broken}, spec: {targetRefs: "
      "[{group: '', kind: Service, name: cart}, {kind: HTTPRoute, name: tea}], duration: 1h, "
      "abort: {percentage: 100, httpStatus: 418}}}");
  const std::string route =
      "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: tea}, spec: "
      "{parentRefs: [{group: '', kind: Service, name: old}], rules: [{backendRefs: [{name: old, "
      "port: 9000}]}]}}";
  const auto of_route = [&] {
    return mesh.call("client", get(), "old", 9000, {}, Duration::seconds(5)).status;
  };
  const auto told = [&] { return mesh.read("/v1/objects/fault/default/broken").body; };
  EXPECT_EQ(ask().status, 418);
  EXPECT_EQ(of_route(), 200);
  EXPECT_NE(told().find("there is no HTTPRoute default/tea"), std::string::npos) << told();

  apply(route);
  EXPECT_EQ(of_route(), 418);
  EXPECT_EQ(told().find("TargetNotFound"), std::string::npos) << told();
  remove("httproute", "tea");
  EXPECT_EQ(of_route(), 200);
  EXPECT_NE(told().find("TargetNotFound"), std::string::npos);
  apply(route);
  EXPECT_EQ(of_route(), 418);

  remove("service", "cart");
  EXPECT_NE(told().find("there is no Service default/cart"), std::string::npos) << told();
  service("new", 80);
  EXPECT_EQ(ask().status, 418);
  EXPECT_EQ(told().find("TargetNotFound"), std::string::npos) << told();
  remove("fault", "broken");
  EXPECT_EQ(ask().body, "new");
}

}  // namespace
}  // namespace weft::scenarios
