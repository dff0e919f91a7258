// Faults that the caller's sidecar injects, seen from all sides: the client, the instance that must see
// nothing, the log and the metrics.
#include "scenarios/policy_mesh.h"
#include "steer/binomial_test_support.h"

namespace weft::scenarios {
namespace {

class Faults : public PolicyMesh {
 protected:
  static model::Fault fault() {
    model::Fault out;
    out.policy = "default/slow-cart";
    out.expires = WallTime{INT64_MAX};
    return out;
  }
  void inject(model::Fault fault, const model::ServiceName& service = kCart) {
    change(service, [&](model::Service& changed) {
      changed.fault = std::make_shared<const model::Fault>(std::move(fault));
    });
    before = seen_by_apps();
  }
  uint64_t before = 0;
};

constexpr std::string_view kPolicy = R"("policy":"default/slow-cart")";

bool says(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_F(Faults, ADelayHoldsTheRequestBackAndIsMarked) {
  model::Fault slow = fault();
  slow.delay_share = model::Fault::kAll;
  slow.delay = Duration::seconds(3);
  inject(slow);
  drain(outbound_log);
  const Instant start = world().now();
  EXPECT_TRUE(ask(get()).starts_with("HTTP/1.1 200 "));
  EXPECT_GE(world().now() - start, Duration::seconds(3));
  EXPECT_LT(world().now() - start, Duration::millis(3100));
  const std::string line = drain(outbound_log);
  EXPECT_TRUE(says(line, R"("status":200,"flags":"DI")") && says(line, kPolicy)) << line;
  // The instance's sidecar knows nothing of it.
  EXPECT_FALSE(says(drain(inbound_log), "slow-cart"));
  EXPECT_TRUE(says(metrics("client"),
                   R"(weft_injected_faults_total{policy="default/slow-cart",fault="delay"} 1)"));
}

TEST_F(Faults, ADelayEndsWithTheDeadlineOfTheRule) {
  model::Fault slow = fault();
  slow.delay_share = model::Fault::kAll;
  slow.delay = Duration::seconds(3);
  inject(slow);
  change(kCart, [](model::Service& service) {
    model::RouteRule rule;
    rule.route = "default/cart";
    rule.rule = "0";
    rule.backends.push_back({.service = kCart, .port = 80});
    rule.request_timeout = Duration::seconds(1);
    service.ports[0].routed = true;
    service.ports[0].rules = {rule};
  });
  drain(outbound_log);
  const Instant start = world().now();
  EXPECT_TRUE(ask(get()).starts_with("HTTP/1.1 504 "));
  EXPECT_LT(world().now() - start, Duration::millis(1100));
  const std::string line = drain(outbound_log);
  EXPECT_TRUE(says(line, R"("flags":"DI,UT")") && says(line, kPolicy)) << line;
  EXPECT_EQ(seen_by_apps(), before);
}

TEST_F(Faults, AClientThatGoesEndsItsDelay) {
  model::Fault slow = fault();
  slow.delay_share = model::Fault::kAll;
  slow.delay = Duration::minutes(10);
  inject(slow);
  drain(outbound_log);
  auto stream =
      world().run(mesh.instance("client").app->network().connect(cart, Duration::seconds(5)));
  ASSERT_TRUE(stream);
  (*stream)->write(get());
  world().run_for(Duration::seconds(1));
  EXPECT_EQ(mesh.instance("client").worker->outbound.active(), 1u);
  (*stream)->reset();
  world().run_for(Duration::seconds(1));
  EXPECT_EQ(mesh.instance("client").worker->outbound.active(), 0u);
  EXPECT_TRUE(says(drain(outbound_log), R"("flags":"DI,DC")"));
  EXPECT_EQ(seen_by_apps(), before);
}

TEST_F(Faults, AnAbortAnswersInTheCallersLanguage) {
  model::Fault http = fault(), grpc = fault();
  http.abort_share = grpc.abort_share = model::Fault::kAll;
  http.abort_http_status = 404;
  grpc.abort_grpc_status = 8;  // RESOURCE_EXHAUSTED
  const std::string asks_grpc = get("content-type: application/grpc+proto\r\n");
  struct Case {
    model::Fault fault;
    std::string request, status, grpc_status;
  };
  for (const Case& c : {Case{http, get(), "404", ""}, Case{http, asks_grpc, "200", "12"},
                        Case{grpc, get(), "429", ""}, Case{grpc, asks_grpc, "200", "8"}}) {
    inject(c.fault);
    drain(outbound_log);
    const std::string answer = ask(c.request);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + c.status)) << answer;
    EXPECT_EQ(field(answer, "grpc-status"), c.grpc_status);
    EXPECT_TRUE(says(answer, "default/slow-cart")) << answer;
    const std::string line = drain(outbound_log);
    EXPECT_TRUE(says(line, R"("flags":"FI")") && says(line, kPolicy)) << line;
    EXPECT_EQ(seen_by_apps(), before);
  }
  EXPECT_TRUE(says(metrics("client"),
                   R"(weft_injected_faults_total{policy="default/slow-cart",fault="abort"} 4)"));
}

TEST_F(Faults, AResetAnswersNothingAndBlamesNoInstance) {
  model::Fault broken = fault();
  broken.abort_share = model::Fault::kAll;
  broken.abort_reset = true;
  inject(broken);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(get()), "");
  EXPECT_EQ(seen_by_apps(), before);
  const auto group = mesh.instance("client").worker->worker.snapshot->group(kCart);
  for (const proxy::LiveEndpoint& live : group->endpoints) {
    EXPECT_FALSE(live.health->resting(world().now())) << live.endpoint.workload;
  }
}

TEST_F(Faults, OnlyThoseWhoWereMeantSuffer) {
  model::Fault picky = fault();
  picky.abort_share = model::Fault::kAll;
  picky.abort_http_status = 503;
  picky.headers = {{model::StringMatch::kExact, "x-chaos", "yes"}};
  picky.callers = {"spiffe://*"};
  inject(picky);
  EXPECT_TRUE(ask(get()).starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(ask(get("X-Chaos: yes\r\n")).starts_with("HTTP/1.1 503 "));
  picky.callers = {"spiffe://other.example/*"};
  inject(picky);
  EXPECT_TRUE(ask(get("X-Chaos: yes\r\n")).starts_with("HTTP/1.1 200 "));
}

TEST_F(Faults, AnExperimentEndsAtItsExpiryWithoutAnyChange) {
  model::Fault ends = fault();
  ends.abort_share = model::Fault::kAll;
  ends.abort_http_status = 503;
  ends.expires = world().wall_now() + Duration::seconds(30);
  inject(ends);
  EXPECT_TRUE(ask(get()).starts_with("HTTP/1.1 503 "));
  world().run_for(Duration::seconds(31));
  EXPECT_TRUE(ask(get()).starts_with("HTTP/1.1 200 "));
}

TEST_F(Faults, OfARuleActInPlaceOfTheServices) {
  model::Fault wide = fault(), narrow = fault();
  wide.abort_share = narrow.abort_share = model::Fault::kAll;
  wide.abort_http_status = 503;
  narrow.abort_http_status = 418;
  narrow.policy = "default/teapot";
  narrow.expires = world().wall_now() + Duration::seconds(30);
  model::Fault between = narrow;
  between.abort_http_status = 410;
  between.expires = world().wall_now() + Duration::seconds(60);
  inject(wide);
  change(kCart, [&](model::Service& service) {
    model::RouteRule rule;
    rule.route = "default/cart";
    rule.backends.push_back({.service = kCart, .port = 80});
    rule.rule = "1";
    service.ports[0].routed = true;
    service.ports[0].rules = {rule, rule};
    service.ports[0].rules[0].rule = "0";
    service.ports[0].rules[0].match.path.value = "/tea";
    service.ports[0].rules[0].fault = std::make_shared<const model::Fault>(narrow);
    service.ports[0].rules[0].route_fault = std::make_shared<const model::Fault>(between);
  });
  EXPECT_TRUE(ask("GET /tea HTTP/1.1\r\nHost: cart\r\n\r\n").starts_with("HTTP/1.1 418 "));
  EXPECT_TRUE(ask(get()).starts_with("HTTP/1.1 503 "));
  world().run_for(Duration::seconds(31));  // the rule's is over: its route's
  EXPECT_TRUE(ask("GET /tea HTTP/1.1\r\nHost: cart\r\n\r\n").starts_with("HTTP/1.1 410 "));
  world().run_for(Duration::seconds(30));  // and that
  EXPECT_TRUE(ask("GET /tea HTTP/1.1\r\nHost: cart\r\n\r\n").starts_with("HTTP/1.1 503 "));
}

TEST_F(Faults, BreakTheShareTheyWereToldOfRealRequests) {
  constexpr int kRequests = 1000;
  model::Fault some = fault();
  some.abort_share = 200'000;
  some.abort_http_status = 503;
  inject(some);
  auto peer = dial(cart);
  int aborted = 0;
  for (int i = 0; i < kRequests; ++i) {
    peer->in.clear();
    peer->write(get());
    ASSERT_TRUE(
        world().run_until([&] { return has_whole_answer(peer->in); }, Duration::seconds(5)));
    aborted += peer->in.starts_with("HTTP/1.1 503 ");
  }
  const steer::Bounds bounds = steer::binomial_bounds(kRequests, 0.2);
  EXPECT_GE(static_cast<uint64_t>(aborted), bounds.least);
  EXPECT_LE(static_cast<uint64_t>(aborted), bounds.most);
  EXPECT_EQ(seen_by_apps() - before, static_cast<uint64_t>(kRequests - aborted));
}

TEST_F(Faults, DelayAndResetOpaqueConnections) {
  model::Fault slow = fault();
  slow.delay_share = model::Fault::kAll;
  slow.delay = Duration::seconds(2);
  inject(slow, kDb);
  drain(outbound_log);
  const Instant start = world().now();
  const CallResult slowly = mesh.converse("client", "db", 5432, "hello\n");
  EXPECT_TRUE(says(slowly.body, "hello")) << slowly.body << slowly.error;
  EXPECT_GE(world().now() - start, Duration::seconds(2));

  slow.abort_share = model::Fault::kAll;
  slow.abort_reset = true;
  inject(slow, kDb);
  EXPECT_EQ(mesh.converse("client", "db", 5432, "hello\n").body, "");
  world().run_for(Duration::seconds(1));
  const std::string lines = drain(outbound_log);
  EXPECT_TRUE(says(lines, R"("flags":"DI")") && says(lines, R"("flags":"DI,FI")")) << lines;
}

}  // namespace
}  // namespace weft::scenarios
