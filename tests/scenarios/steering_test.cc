// What a route does to a request, byte for byte at both ends: the rewritten target and host at the backend,
// the Location at the client, the rule chosen by the Host.
#include <gtest/gtest.h>

#include "scenarios/raw_mesh.h"

namespace weft::scenarios {
namespace {

class Steering : public RawMesh {
 protected:
  Steering() {
    start_backend({kOk, kOk, kOk});
    const CallResult applied = mesh.apply(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: steer}
spec:
  parentRefs: [{group: "", kind: Service, name: weft}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /prefix}}]
    filters: [{type: URLRewrite, urlRewrite: {hostname: one.example, path: {type: ReplacePrefixMatch, replacePrefixMatch: /one}}}]
    backendRefs: [{name: weft, port: 80}]
  - matches: [{path: {type: PathPrefix, value: /full}}]
    filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /whole}}}]
    backendRefs: [{name: weft, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: moved}
spec:
  parentRefs: [{group: "", kind: Service, name: weft}]
  hostnames: ["*.moved.example"]
  rules:
  - filters: [{type: RequestRedirect, requestRedirect: {hostname: new.example, port: 8080, statusCode: 308}}]
)");
    EXPECT_EQ(applied.status, 200) << applied.body;
    world().run_for(Duration::seconds(1));
  }

  std::string ask(const std::string& head, const std::string& until_text) {
    auto peer = dial();
    peer->write(head);
    EXPECT_TRUE(
        until([&] { return peer->in.find(until_text) != std::string::npos; }, Duration::seconds(2)))
        << peer->in;
    return peer->in;
  }
};

TEST_F(Steering, TheBackendSeesTheRewrittenTargetAndHost) {
  ask("GET /prefix/a?q=1 HTTP/1.1\r\nHost: weft\r\n\r\n", "\r\n\r\nok");
  ask("GET /full/a?q=2 HTTP/1.1\r\nHost: weft\r\n\r\n", "\r\n\r\nok");
  ASSERT_EQ(backend->reached().size(), 2u);
  EXPECT_EQ(backend->reached()[0].message.target, "/one/a?q=1");
  EXPECT_EQ(backend->reached()[0].message.all("host"), std::vector<std::string>{"one.example"});
  EXPECT_EQ(backend->reached()[1].message.target, "/whole?q=2");
  EXPECT_EQ(backend->reached()[1].message.all("host"), std::vector<std::string>{"weft"});
}

TEST_F(Steering, ARedirectIsChosenByTheHostAndReachesNoBackend) {
  const std::string answer =
      ask("GET /prefix?x HTTP/1.1\r\nHost: A.Moved.Example:80\r\n\r\n", "redirects to");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 308 ")) << answer;
  EXPECT_NE(answer.find("\r\nlocation: http://new.example:8080/prefix?x\r\n"), std::string::npos)
      << answer;
  EXPECT_TRUE(backend->reached().empty());
  const std::string none = ask("GET /other HTTP/1.1\r\nHost: moved.example\r\n\r\n", "no route");
  EXPECT_TRUE(none.starts_with("HTTP/1.1 404 ")) << none;
}

}  // namespace
}  // namespace weft::scenarios
