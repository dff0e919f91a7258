// Cross-origin requests through two sidecars: who answers a preflight, and what an answer says on its way back.
#include <gtest/gtest.h>

#include "scenarios/raw_mesh.h"

namespace weft::scenarios {
namespace {

const std::string kPreflight =
    "OPTIONS /items HTTP/1.1\r\nHost: weft\r\nOrigin: https://shop.example\r\n"
    "Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-a\r\n\r\n";

class CorsScenario : public RawMesh {
 protected:
  CorsScenario() {
    start_backend(
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAccess-Control-Allow-Origin: "
         "https://app.example\r\n\r\nok"});
    const CallResult applied = mesh.apply(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: pages}
spec:
  parentRefs: [{group: "", kind: Service, name: weft}]
  rules:
  - matches: [{path: {value: /items}, method: PUT}]
    filters:
    - type: CORS
      cors: {allowOrigins: ["https://*.example"], allowMethods: [PUT], allowHeaders: [X-A], exposeHeaders: [X-B], maxAge: 60}
    backendRefs: [{name: weft, port: 80}]
  - matches: [{path: {value: /moved}}]
    filters:
    - type: CORS
      cors: {allowOrigins: ["*"]}
    - type: RequestRedirect
      requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: /items}}
  - matches: [{path: {value: /nobody}}]
    filters:
    - type: CORS
      cors: {allowOrigins: ["*"]}
    - type: RequestHeaderModifier
      requestHeaderModifier: {remove: [Origin]}
  - backendRefs: [{name: weft, port: 80}]
)");
    EXPECT_EQ(applied.status, 200) << applied.body;
    world().run_for(Duration::seconds(1));
  }
  plain::Message ask(const std::string& request) {
    auto peer = dial();
    peer->write(request);
    plain::Message answer;
    EXPECT_TRUE(until(
        [&] { return plain::read_response(peer->in, "GET", false, answer) == plain::Read::kWhole; },
        Duration::seconds(2)))
        << peer->in;
    return answer;
  }
  using Values = std::vector<std::string>;
};

TEST_F(CorsScenario, APreflightIsAnsweredByTheSidecarOfTheCaller) {
  const plain::Message answer = ask(kPreflight);
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.all("access-control-allow-origin"), Values{"https://shop.example"});
  EXPECT_EQ(answer.all("access-control-allow-methods"), Values{"PUT"});
  EXPECT_EQ(answer.all("access-control-allow-headers"), Values{"X-A"});
  EXPECT_EQ(answer.all("access-control-max-age"), Values{"60"});
  EXPECT_EQ(answer.all("vary"), Values{"Origin"});
  EXPECT_FALSE(answer.has("access-control-expose-headers"));
  EXPECT_FALSE(answer.has("content-length"));
  EXPECT_TRUE(backend->reached().empty());
}

TEST_F(CorsScenario, OneOfAnotherOriginIsAnsweredWithNothingAllowed) {
  std::string text = kPreflight;
  text.replace(text.find("https://shop.example"), 20, "https://other.test:80");
  const plain::Message answer = ask(text);
  EXPECT_EQ(answer.status, 204);
  EXPECT_FALSE(answer.has("access-control-allow-origin"));
  EXPECT_FALSE(answer.has("access-control-allow-methods"));
}

TEST_F(CorsScenario, AnOptionsThatIsNoPreflightAndOnesForOtherRulesReachTheApp) {
  EXPECT_EQ(ask("OPTIONS /items HTTP/1.1\r\nHost: weft\r\n\r\n").status, 200);
  std::string other = kPreflight;
  other.replace(other.find("PUT"), 3, "GET");
  EXPECT_EQ(ask(other).status, 200);
  EXPECT_EQ(backend->reached().size(), 2u);
}

TEST_F(CorsScenario, AnAnswerIsMarkedAndTheAppsOwnWordIsGone) {
  const plain::Message answer =
      ask("PUT /items HTTP/1.1\r\nHost: weft\r\nOrigin: https://shop.example\r\nContent-Length: "
          "0\r\n\r\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.all("access-control-allow-origin"), Values{"https://shop.example"});
  EXPECT_EQ(answer.all("access-control-expose-headers"), Values{"X-B"});
  const plain::Message plain = ask("GET / HTTP/1.1\r\nHost: weft\r\n\r\n");
  EXPECT_EQ(plain.all("access-control-allow-origin"), Values{"https://app.example"})
      << "without the filter it is the app's business";
}

TEST_F(CorsScenario, WhatTheSidecarAnswersByItselfIsMarkedToo) {
  const plain::Message moved =
      ask("GET /moved HTTP/1.1\r\nHost: weft\r\nOrigin: https://a.test\r\n\r\n");
  EXPECT_EQ(moved.status, 302);
  EXPECT_EQ(moved.all("location"), Values{"http://weft/items"});
  EXPECT_EQ(moved.all("access-control-allow-origin"), Values{"*"});
  const plain::Message failed =
      ask("GET /nobody HTTP/1.1\r\nHost: weft\r\nOrigin: https://a.test\r\n\r\n");
  EXPECT_EQ(failed.status, 500);
  EXPECT_EQ(failed.all("access-control-allow-origin"), Values{"*"});
  EXPECT_EQ(failed.all("content-type").size(), 1u);
}

}  // namespace
}  // namespace weft::scenarios
