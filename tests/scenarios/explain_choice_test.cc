// Sessions, hashes, preflights, copies and a Service's own budget: explained, then sent.
#include <set>

#include "scenarios/explain_mesh.h"

namespace weft::scenarios {
namespace {

constexpr const char* kMany = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: many}
spec:
  parentRefs: [{group: "", kind: Service, name: many}]
  rules:
  - name: kept
    matches: [{path: {value: /kept}}]
    sessionPersistence: {cookie: {name: kept}}
    backendRefs: [{name: many, port: 80}, {name: plain, port: 80}]
  - name: pages
    matches: [{path: {value: /pages}, method: PUT}]
    filters: [{type: CORS, cors: {allowOrigins: ["https://shop.test"], allowMethods: [PUT], maxAge: 60}}]
    backendRefs: [{name: many, port: 80}]
  - name: copied
    matches: [{path: {value: /copied}}]
    filters: [{type: RequestMirror, requestMirror: {backendRef: {name: cart-v1, port: 80}}}]
    backendRefs:
    - name: many
      port: 80
      filters: [{type: RequestMirror, requestMirror: {backendRef: {name: cart-v2, port: 80}, percent: 0}}]
  - backendRefs: [{name: many, port: 80}]
---
apiVersion: weft.dev/v1
kind: BackendPolicy
metadata: {name: by-user}
spec:
  targetRefs: [{kind: Service, name: many}]
  loadBalancing: {algorithm: Maglev, hashBy: [{type: Header, name: x-user}]}
---
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XBackendTrafficPolicy
metadata: {name: plain}
spec:
  targetRefs: [{group: "", kind: Service, name: plain}]
  retryConstraint: {budget: {percent: 33, interval: 1m}}
  sessionPersistence: {type: Header, header: {name: x-session}}
)";

class ExplainChoices : public Explain {
 protected:
  ExplainChoices() {
    for (const char* name : {"many-a", "many-b", "many-c"}) {
      add(name, "many", 80, model::Protocol::kHttp, false);
    }
    const CallResult applied = mesh.apply(kMany);
    EXPECT_EQ(applied.status, 200) << applied.body << applied.error;
    mesh.world().run_for(Duration::seconds(1));
  }
};

TEST_F(ExplainChoices, AHashIsSaidWithItsKeyAndItsInstance) {
  std::set<std::string> instances;
  for (const char* user : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
    const Node said = foretold("GET", "many", "/x", {std::string("x-user:") + user}, 1);
    instances.insert(candidates(said).front());
    const std::string choice = stage(said, "choice");
    EXPECT_NE(choice.find("|the hash of header x-user falls to many-"), std::string::npos)
        << choice;
    EXPECT_NE(choice.find(std::string("|header x-user=") + user + "@the request"),
              std::string::npos)
        << choice;
  }
  EXPECT_GE(instances.size(), 2u);
  const Node none = foretold("GET", "many", "/x", {}, 3);
  EXPECT_EQ(stage(none, "choice"), "|drawn at random: the request has nothing to hash by");
  const std::string two = stage(explain("GET", "plain", "/x"), "choice");
  EXPECT_NE(two.find("of two drawn at random the one with the smaller product"), std::string::npos)
      << two;
}

TEST_F(ExplainChoices, ASessionNamesItsInstance) {
  const model::RouteRule rule{.route = "default/many", .rule = "kept"};
  for (const char* name : {"many-a", "many-b", "many-c", "plain-a", "plain-b"}) {
    const model::Backend backend{
        .service = {"default", std::string(name).substr(0, std::string(name).find('-'))},
        .port = 80};
    const std::string session = token(steer::backend_tag(secret(), rule, backend), name);
    const Node said = foretold("GET", "many", "/kept", {"cookie:kept=" + session, "x-user:a"}, 1);
    EXPECT_EQ(candidates(said), std::vector<std::string>{name});
    EXPECT_NE(stage(said, "session")
                  .find("HTTPRoute default/many rule kept|the cookie kept of the "
                        "request names " +
                        mesh.instance(name).registered.instance),
              std::string::npos)
        << stage(said, "session");
  }
  const std::string none = stage(foretold("GET", "many", "/kept", {"cookie:kept=x"}, 5), "session");
  EXPECT_NE(none.find("the request brings no cookie kept that holds"), std::string::npos) << none;
  // A Service's own.
  const uint64_t plain = steer::service_tag(secret(), {"default", "plain"}, 80);
  const Node own = foretold("GET", "plain", "/", {"x-session:" + token(plain, "plain-b")}, 1);
  EXPECT_EQ(candidates(own), std::vector<std::string>{"plain-b"});
  EXPECT_NE(stage(own, "session").find("XBackendTrafficPolicy default/plain|"), std::string::npos);
  foretold("GET", "plain", "/", {}, 2);
  EXPECT_EQ(stage(foretold("GET", "many", "/x", {"x-user:b"}, 1), "session"), "|none (default)");
  // Its instance has gone.
  mesh.close_app("plain-b");
  mesh.world().run_for(Duration::seconds(10));
  const Node gone = foretold("GET", "plain", "/", {"x-session:" + token(plain, "plain-b")}, 1);
  EXPECT_EQ(candidates(gone), std::vector<std::string>{"plain-a"});
  EXPECT_NE(stage(gone, "session").find("cannot serve"), std::string::npos);
}

TEST_F(ExplainChoices, PreflightsAndCopiesAreStages) {
  const std::vector<std::string> preflight = {"origin:https://shop.test",
                                              "access-control-request-method:PUT"};
  const Node said = explain("OPTIONS", "many", "/pages", preflight);
  EXPECT_EQ(said.find_path({"outcome", "status"})->number, 204);
  const std::string cors = stage(said, "CORS");
  EXPECT_NE(cors.find("HTTPRoute default/many rule pages|a preflight, which no backend sees: the "
                      "origin https://shop.test is allowed"),
            std::string::npos)
      << cors;
  EXPECT_NE(cors.find("access-control-max-age=60@HTTPRoute"), std::string::npos) << cors;
  EXPECT_EQ(mesh.call("web", head_of("OPTIONS", "many", "/pages", preflight), "many", 80).status,
            204);
  const std::string other =
      stage(foretold("PUT", "many", "/pages", {"origin:https://a.test", "x-user:a"}, 1), "CORS");
  EXPECT_NE(other.find("the origin https://a.test is not allowed"), std::string::npos) << other;

  const uint64_t v1 = mesh.instance("cart-v1").record.requests;
  const uint64_t v2 = mesh.instance("cart-v2").record.requests;
  const std::string copies = stage(foretold("GET", "many", "/copied", {}, 3), "mirrors");
  EXPECT_NE(copies.find("|copy=to cart-v1.default:80 of 100 % of the requests@HTTPRoute"),
            std::string::npos)
      << copies;
  EXPECT_NE(copies.find("|copy=to cart-v2.default:80 of 0 % of what goes to many.default:80@"),
            std::string::npos)
      << copies;
  mesh.world().run_for(Duration::seconds(1));
  EXPECT_EQ(mesh.instance("cart-v1").record.requests, v1 + 8);
  EXPECT_EQ(mesh.instance("cart-v2").record.requests, v2);
}

TEST_F(ExplainChoices, AServicesConstraintIsTheOriginOfTheBudget) {
  const CallResult applied = mesh.apply(R"(
apiVersion: weft.dev/v1
kind: BackendPolicy
metadata: {name: plain}
spec:
  targetRefs: [{kind: Service, name: plain}]
  retries: {attempts: 4}
)");
  ASSERT_EQ(applied.status, 200) << applied.body;
  mesh.world().run_for(Duration::seconds(1));
  const std::string retries = stage(foretold("GET", "plain", "/", {}, 2), "retries");
  EXPECT_NE(retries.find("|attempts=4@BackendPolicy default/plain"), std::string::npos) << retries;
  EXPECT_NE(retries.find("|budget.percent=33@XBackendTrafficPolicy default/plain"),
            std::string::npos)
      << retries;
  EXPECT_NE(retries.find("|budget.interval=60s@XBackendTrafficPolicy default/plain"),
            std::string::npos)
      << retries;
}

}  // namespace
}  // namespace weft::scenarios
