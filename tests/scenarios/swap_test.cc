// What a sidecar goes on with when the rules of a Service come in a new version: the shares of a split, the turn
// of a round robin, and what it has learnt of instances. A stream of changes that concern other requests
// must not show in any of them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "scenarios/mesh.h"
#include "steer/binomial_test_support.h"

namespace weft::scenarios {
namespace {

class Swaps : public testing::Test {
 protected:
  Swaps() : mesh(29) {
    mesh.add({.name = "client", .services = {}, .behaviour = {}});
    for (const char* name : {"one", "two", "three"}) {
      mesh.add({.name = name,
                .services = {{"cart", 80, 8080, model::Protocol::kHttp, false}},
                .behaviour = {.says = name}});
    }
    for (const char* name : {"a", "b"}) {
      mesh.add({.name = name,
                .services = {{name, 80, 8080, model::Protocol::kHttp, false}},
                .behaviour = {.says = name}});
    }
    ask();  // the client's sidecar learns of the service
  }
  void apply(const std::string& yaml) {
    const CallResult applied = mesh.apply(yaml);
    ASSERT_EQ(applied.status, 200) << applied.body;
    mesh.world().run_for(Duration::millis(200));
  }
  void route(const std::string& name, const std::string& spec) {
    apply("{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: " + name +
          "}, spec: {parentRefs: [{group: '', kind: Service, name: cart}], " + spec + "}}");
  }
  // A new version of the rules, of which no request here sees anything.
  void swap() {
    const uint64_t before = generation();
    route("unrelated", fmt::format("rules: [{{matches: [{{path: {{value: /unrelated}}}}], filters: "
                                   "[{{type: RequestHeaderModifier, requestHeaderModifier: {{set: "
                                   "[{{name: x, value: '{}'}}]}}}}], backendRefs: [{{name: cart, "
                                   "port: 80}}]}}]",
                                   ++swaps));
    ASSERT_GT(generation(), before) << "it is in use";
  }
  uint64_t generation() { return mesh.instance("client").worker->worker.snapshot->generation; }
  void policy(const std::string& target, const std::string& section) {
    apply(
        "{apiVersion: weft.dev/v1, kind: BackendPolicy, metadata: {name: p}, spec: {targetRefs: "
        "[" +
        target + "], " + section + "}}");
  }
  CallResult ask() {
    wire::RequestHead head;
    head.method = "GET";
    head.target = "/";
    head.authority = "cart";
    return mesh.call("client", std::move(head), "cart", 80);
  }

  Mesh mesh;
  int swaps = 0;
  static constexpr const char* kService = "{group: '', kind: Service, name: cart}";
  static constexpr const char* kToCart = "rules: [{backendRefs: [{name: cart, port: 80}]}]";
};

TEST_F(Swaps, AStreamOfChangesDoesNotBiasASplit) {
  route("split",
        "rules: [{backendRefs: [{name: a, port: 80, weight: 90}, {name: b, port: 80, weight: "
        "10}]}]");
  constexpr uint64_t kSwaps = 60, kBetween = 5;
  uint64_t second = 0;
  for (uint64_t i = 0; i < kSwaps; ++i) {
    swap();
    for (uint64_t j = 0; j < kBetween; ++j) {
      const CallResult result = ask();
      ASSERT_EQ(result.status, 200) << result.error;
      second += result.body == "b" ? 1 : 0;
    }
  }
  const steer::Bounds bounds = steer::binomial_bounds(kSwaps * kBetween, 0.1, 1e-6);
  ASSERT_GT(bounds.least, 0u) << "none at all would be found";
  EXPECT_GE(second, bounds.least);
  EXPECT_LE(second, bounds.most);
}

TEST_F(Swaps, ARoundRobinGoesOnWithTheNextInstance) {
  route("all", kToCart);
  for (const std::string target : {kService, "{kind: HTTPRoute, name: all}"}) {
    policy(target, "loadBalancing: {algorithm: RoundRobin}");
    std::vector<std::string> order;
    for (int i = 0; i < 12; ++i) {
      swap();
      order.push_back(ask().body);
    }
    for (size_t i = 0; i + 3 <= order.size(); ++i) {
      EXPECT_EQ((std::set<std::string>(order.begin() + static_cast<long>(i),
                                       order.begin() + static_cast<long>(i) + 3)
                     .size()),
                3u)
          << target << " at " << i;
    }
  }
}

TEST_F(Swaps, AnEjectedInstanceStaysOut) {
  route("all", kToCart);
  policy(kService,
         "loadBalancing: {algorithm: RoundRobin}, retries: {attempts: 0}, outlierDetection: "
         "{consecutiveErrors: 2, baseEjection: 1h, maxEjection: 2h}");
  mesh.instance("two").behaviour.script = [](const wire::RequestHead&) {
    return AppAnswer{.status = 500, .says = "two"};
  };
  int failed = 0;
  // What has been counted so far is kept as well: its errors are seen under different versions.
  for (int i = 0; i < 6; ++i) {
    swap();
    failed += ask().status == 500 ? 1 : 0;
  }
  EXPECT_EQ(failed, 2);
  const uint64_t seen = mesh.instance("two").record.requests;
  for (int i = 0; i < 20; ++i) {
    if (i % 2 == 0) swap();
    EXPECT_EQ(ask().status, 200);
  }
  EXPECT_EQ(mesh.instance("two").record.requests, seen);
}

TEST_F(Swaps, WhatWasMeasuredOfASlowInstanceIsKept) {
  route("all", kToCart);
  mesh.instance("two").behaviour.delay = Duration::millis(400);
  for (int i = 0; i < 12; ++i) ask();
  const uint64_t seen = mesh.instance("two").record.requests;
  EXPECT_GT(seen, 0u);
  // By the fifth part of a second that a swap takes here its memory does not fade.
  for (int i = 0; i < 20; ++i) {
    swap();
    ask();
  }
  // One that nobody knows would be asked at once, by as good as every version.
  EXPECT_LE(mesh.instance("two").record.requests, seen + 2);
}

TEST_F(Swaps, ABreakerCountsWhatIsUnderWayOfOlderVersions) {
  route("all", kToCart);
  policy(kService, "circuitBreaker: {maxRequests: 1}, retries: {attempts: 0}");
  for (const char* name : {"one", "two", "three"})
    mesh.instance(name).behaviour.delay = Duration::seconds(3);
  int first = 0;
  io::TaskScope scope;
  const auto slow = [](Mesh& mesh, int& status) -> io::Task<void> {
    wire::RequestHead head;
    head.method = "GET";
    head.target = "/";
    head.authority = "cart";
    const CallResult result =
        co_await mesh.call_task("client", head, "cart", 80, "", Duration::seconds(10));
    status = result.status;
  };
  scope.spawn(slow(mesh, first));
  mesh.world().run_for(Duration::millis(300));
  swap();
  ASSERT_EQ(first, 0) << "it is under way";
  EXPECT_EQ(ask().status, 503);
  mesh.world().run_for(Duration::seconds(4));
  EXPECT_EQ(first, 200);
  EXPECT_EQ(ask().status, 200);
}

}  // namespace
}  // namespace weft::scenarios
