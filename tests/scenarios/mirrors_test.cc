// Copies of requests, octet for octet at the mirror: what they hold, when they are made, what they may cost.
#include <gtest/gtest.h>

#include "proxy/forwarder.h"
#include "proxy/mirrors.h"
#include "scenarios/raw_mesh.h"

namespace weft::scenarios {
namespace {

constexpr const char* kRoute = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: copied}
spec:
  parentRefs: [{group: "", kind: Service, name: weft}]
  rules:
  - matches: [{path: {value: /changed}}]
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier: {set: [{name: x-rule, value: "1"}], remove: [x-gone]}
    - type: URLRewrite
      urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}
    - type: RequestMirror
      requestMirror: {backendRef: {name: copy, port: 80}}
    backendRefs:
    - name: weft
      port: 80
      filters:
      - type: RequestHeaderModifier
        requestHeaderModifier: {set: [{name: x-backend, value: "1"}]}
      - type: URLRewrite
        urlRewrite: {hostname: backend.example, path: {type: ReplacePrefixMatch, replacePrefixMatch: /own}}
  - filters:
    - type: RequestMirror
      requestMirror: {backendRef: {name: copy, port: 80}}
    backendRefs: [{name: weft, port: 80}]
)";

class MirrorScenario : public RawMesh {
 protected:
  MirrorScenario() {
    mesh.add({.name = "copy",
              .services = {{"copy", 80, 8080, model::Protocol::kHttp, false}},
              .behaviour = {}});
    mesh.close_app("copy");
  }
  void start(nlohmann::json backend_script, nlohmann::json copy_script) {
    copy = std::make_unique<RawBackend>(world(), *mesh.instance("copy").app, 8080,
                                        std::move(copy_script));
    start_backend(std::move(backend_script));
    const CallResult applied = mesh.apply(kRoute);
    EXPECT_EQ(applied.status, 200) << applied.body;
    world().run_for(Duration::seconds(1));
  }
  // Both the request and its copy have come whole.
  bool copied(size_t count) {
    const auto has = [count](const RawBackend& one) {
      return one.reached().size() >= count && one.reached()[count - 1].complete;
    };
    return until([&] { return has(*backend) && has(*copy); }, Duration::seconds(5));
  }
  uint64_t dropped() { return mesh.instance("client").worker->worker.mirrors.dropped.value(); }

  std::unique_ptr<RawBackend> copy;
};

TEST_F(MirrorScenario, ACopyIsTheRequestAsItsRuleLeftIt) {
  start({kOk}, {kOk});
  auto peer = dial();
  peer->write(
      "GET /changed/a?q=1 HTTP/1.1\r\nHost: shop.test\r\nX-Gone: 1\r\nX-Kept: 1\r\nweft-mirror: "
      "0\r\n\r\n");
  ASSERT_TRUE(until([&] { return peer->in.ends_with("ok"); }, Duration::seconds(2)));
  ASSERT_TRUE(copied(1));
  const plain::Message& original = backend->reached()[0].message;
  EXPECT_EQ(original.target, "/own/a?q=1");
  EXPECT_EQ(original.all("host"), std::vector<std::string>{"backend.example"});
  EXPECT_TRUE(original.has("x-backend"));
  const plain::Message& m = copy->reached()[0].message;
  EXPECT_EQ(m.target, "/new/a?q=1");
  EXPECT_EQ(m.all("host"), std::vector<std::string>{"shop.test"});
  EXPECT_TRUE(m.has("x-rule"));
  EXPECT_TRUE(m.has("X-Kept"));
  EXPECT_FALSE(m.has("x-gone"));
  EXPECT_FALSE(m.has("x-backend"));
  EXPECT_FALSE(m.has("weft-mirror"));
  EXPECT_EQ(m.all("x-request-id"), original.all("x-request-id"));
}

TEST_F(MirrorScenario, ContentIsCopiedWholeHoweverItIsFramed) {
  start({kOk, kOk}, {kOk, kOk});
  auto peer = dial();
  peer->write("POST /a HTTP/1.1\r\nHost: weft\r\nContent-Length: 5\r\n\r\nhe");
  world().run_for(Duration::seconds(2));
  EXPECT_TRUE(copy->reached().empty()) << "before the content has come";
  peer->write("llo");
  ASSERT_TRUE(copied(1));
  EXPECT_EQ(copy->reached()[0].message.body, "hello");
  EXPECT_EQ(copy->reached()[0].message.all("content-length"), std::vector<std::string>{"5"});
  peer->write(
      "POST /b HTTP/1.1\r\nHost: weft\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n");
  ASSERT_TRUE(copied(2));
  EXPECT_EQ(copy->reached()[1].message.body, "abcde");
  EXPECT_EQ(backend->reached()[1].message.body, "abcde");
}

TEST_F(MirrorScenario, ContentBeyondTheBoundIsForwardedAndNotCopied) {
  start({kOk, kOk}, {kOk, kOk});
  auto peer = dial();
  const std::string most(proxy::Forwarder::kReplay, 'a');
  const auto post = [](const std::string& body) {
    return "POST / HTTP/1.1\r\nHost: weft\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  };
  peer->write(post(most));
  ASSERT_TRUE(copied(1));
  EXPECT_EQ(copy->reached()[0].message.body, most);
  EXPECT_EQ(dropped(), 0u);
  peer->in.clear();
  peer->write(post(most + "a"));
  ASSERT_TRUE(until([&] { return peer->in.ends_with("ok"); }, Duration::seconds(5)));
  world().run_for(Duration::seconds(1));
  EXPECT_EQ(backend->reached()[1].message.body, most + "a");
  EXPECT_EQ(copy->reached().size(), 1u);
  EXPECT_EQ(dropped(), 1u);
}

TEST_F(MirrorScenario, ASilentMirrorDelaysNothingAndIsGivenUp) {
  start({kOk, kOk}, nlohmann::json::array({{{"never", true}}}));
  auto peer = dial();
  peer->write(kGet);
  const Instant before = world().now();
  ASSERT_TRUE(until([&] { return peer->in.ends_with("ok"); }, Duration::seconds(2)));
  EXPECT_LT(world().now() - before, Duration::millis(50));
  auto& counts = mesh.instance("client").worker->worker.mirrors;
  world().run_for(proxy::Mirrors::kLongest - Duration::seconds(1));
  EXPECT_EQ(counts.failed.value(), 0u);
  world().run_for(Duration::seconds(2));
  EXPECT_EQ(counts.failed.value(), 1u);
}

TEST_F(MirrorScenario, MoreCopiesThanTheBoundAreDroppedNotQueued) {
  start({kOk}, nlohmann::json::array({{{"never", true}}}));
  auto peer = dial();
  for (size_t i = 0; i < proxy::Mirrors::kMost + 20; ++i) {
    peer->in.clear();
    peer->write(kGet);
    ASSERT_TRUE(until([&] { return peer->in.ends_with("ok"); }, Duration::seconds(2))) << i;
  }
  EXPECT_EQ(dropped(), 20u);
}

// The service that gets the copies is protected from them as from requests; the app's own never pays for them.
TEST_F(MirrorScenario, CopiesCountForTheBreakerOfTheServiceThatGetsThem) {
  start({kOk}, nlohmann::json::array({{{"never", true}}}));
  const auto bounded = [&](const char* service, int most) {
    const CallResult applied =
        mesh.apply(std::string("apiVersion: weft.dev/v1\nkind: BackendPolicy\nmetadata: {name: ") +
                   service + "}\nspec:\n  targetRefs: [{kind: Service, name: " + service +
                   "}]\n  circuitBreaker: {maxRequests: " + std::to_string(most) + "}\n");
    ASSERT_EQ(applied.status, 200) << applied.body;
  };
  bounded("copy", 3);
  bounded("weft", 1);
  world().run_for(Duration::seconds(1));
  auto peer = dial();
  for (int i = 0; i < 10; ++i) {
    peer->in.clear();
    peer->write(kGet);
    ASSERT_TRUE(until([&] { return peer->in.ends_with("ok"); }, Duration::seconds(2))) << i;
  }
  const auto& snapshot = *mesh.instance("client").worker->worker.snapshot;
  const steer::Breaker& breaker = snapshot.group({"default", "copy"})->state->breaker;
  EXPECT_EQ(breaker.now(steer::Breaker::kRequests), 3u);
  EXPECT_EQ(breaker.refused(steer::Breaker::kRequests), 7u);
  EXPECT_EQ(dropped(), 7u);
  EXPECT_EQ(snapshot.group({"default", "weft"})->state->breaker.refused(steer::Breaker::kRequests),
            0u);
}

}  // namespace
}  // namespace weft::scenarios
