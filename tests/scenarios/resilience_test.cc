// What a BackendPolicy does for calls that fail, over real sidecars: retries, the circuit breaker,
// connections, outlier detection; as the client, the instances, the log and the metrics see it.
#include <algorithm>

#include "scenarios/policy_mesh.h"

namespace weft::scenarios {
namespace {

using model::Retries;

bool says(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}
std::string replaced(std::string text, std::string_view what, std::string_view by) {
  return text.replace(text.find(what), what.size(), by);
}

class Resilience : public PolicyMesh {
 protected:
  static constexpr const char* kOrigin = "BackendPolicy default/cart";
  inline static const std::vector<std::string> kInstances = {"one", "two", "three"};

  // The Service's policy, as the client's sidecar holds it.
  void protect(model::BackendPolicy policy, const model::ServiceName& service = kCart) {
    proxy::WorkerSide& side = *mesh.instance("client").worker;
    auto next = std::make_shared<proxy::Snapshot>(*side.worker.snapshot);
    auto group = std::make_shared<proxy::EndpointGroup>();
    const proxy::EndpointGroup& before = *next->endpoints.at(service);
    group->service = before.service;
    group->endpoints = before.endpoints;
    group->state = before.state;
    group->policy = std::make_shared<const model::BackendPolicy>(std::move(policy));
    next->endpoints[service] = std::move(group);
    side.use_snapshot(std::move(next));
    drain(outbound_log);
  }
  void protect(Retries retries) { protect({.retries = {{std::move(retries), kOrigin}}}); }
  steer::BackendState& state(const model::ServiceName& service = kCart) {
    return *mesh.instance("client").worker->worker.snapshot->group(service)->state;
  }
  void all(AppAnswer answer) {
    for (const std::string& name : kInstances) behave(name, answer);
  }
  void behave(const std::string& name, AppAnswer answer) {
    mesh.instance(name).behaviour.script = [answer](const wire::RequestHead&) { return answer; };
  }
  static AppAnswer status(int status, std::string name = "", std::string value = "") {
    AppAnswer answer{.status = status, .says = "told to"};
    if (!name.empty()) answer.fields.add(std::move(name), std::move(value));
    return answer;
  }
  static std::string post() {
    return "POST / HTTP/1.1\r\nHost: cart\r\nContent-Length: 2\r\n\r\nhi";
  }
  // Requests that are under way at once, each on a connection of its own.
  std::vector<std::unique_ptr<RawPeer>> send(int count, const std::string& request) {
    std::vector<std::unique_ptr<RawPeer>> peers;
    for (int i = 0; i < count; ++i) {
      peers.push_back(dial(cart));
      peers.back()->write(request);
      world().run_for(Duration::millis(20));
    }
    return peers;
  }
  void answered(const std::vector<std::unique_ptr<RawPeer>>& peers) {
    EXPECT_TRUE(world().run_until(
        [&] {
          return std::all_of(peers.begin(), peers.end(),
                             [](const auto& peer) { return has_whole_answer(peer->in); });
        },
        Duration::seconds(30)));
  }
};

TEST_F(Resilience, AFailureOfOneInstanceIsHiddenByARetryAtAnother) {
  protect(Retries{});
  behave("one", status(503));
  behave("two", status(502));
  const uint64_t before = seen_by_apps();
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(ask(get()).starts_with("HTTP/1.1 200 "));
  EXPECT_GT(seen_by_apps(), before + 20);
  EXPECT_TRUE(says(drain(outbound_log), R"("attempts":)"));
  EXPECT_TRUE(says(metrics("client"), "weft_request_retries_total{"));
}

TEST_F(Resilience, WhatMayNotBeRepeatedIsNot) {
  protect(Retries{});
  all(status(503));
  const uint64_t before = seen_by_apps();
  EXPECT_TRUE(ask(post()).starts_with("HTTP/1.1 503 "));
  EXPECT_EQ(seen_by_apps(), before + 1);
  protect(Retries{.any_method = true});
  ask(post());
  EXPECT_EQ(seen_by_apps(), before + 4);
  EXPECT_TRUE(says(drain(outbound_log), R"("flags":"URX","why":"not tried again: no attempt)"));
}

TEST_F(Resilience, AServerSaysWhenToComeAgain) {
  protect(Retries{.attempts = 1});
  all(status(503, "retry-after", "7"));
  Instant start = world().now();
  ask(get());
  EXPECT_GE(world().now() - start, Duration::seconds(7));
  EXPECT_LT(world().now() - start, Duration::seconds(8));
  // Longer than the policy would wait: the answer goes to the client at once.
  all(status(503, "retry-after", "11"));
  const uint64_t before = seen_by_apps();
  start = world().now();
  drain(outbound_log);
  EXPECT_TRUE(ask(get()).starts_with("HTTP/1.1 503 "));
  EXPECT_LT(world().now() - start, Duration::seconds(1));
  EXPECT_EQ(seen_by_apps(), before + 1);
  EXPECT_TRUE(says(drain(outbound_log), "the server asks for a longer wait"));
}

TEST_F(Resilience, GrpcStatusesAndPushbackAreHeeded) {
  protect(Retries{.attempts = 1, .conditions = 0, .grpc_statuses = {10}});
  const std::string call =
      "POST /p.S/M HTTP/1.1\r\nHost: cart\r\nContent-Type: application/grpc\r\nContent-Length: "
      "0\r\n\r\n";
  AppAnswer aborted = status(200, "grpc-status", "10");
  aborted.fields.add("content-type", "application/grpc");
  all(aborted);
  uint64_t before = seen_by_apps();
  EXPECT_EQ(field(ask(call), "grpc-status"), "10");
  EXPECT_EQ(seen_by_apps(), before + 2);
  aborted.fields.add("grpc-retry-pushback-ms", "-1");
  all(aborted);
  before = seen_by_apps();
  ask(call);
  EXPECT_EQ(seen_by_apps(), before + 1);
}

TEST_F(Resilience, ATryThatTakesTooLongIsFollowedByAnother) {
  protect(Retries{.conditions = Retries::kTimeout, .per_try_timeout = Duration::millis(200)});
  behave("one", {.says = "late", .delay = Duration::seconds(5)});
  behave("two", {.says = "late", .delay = Duration::seconds(5)});
  const Instant start = world().now();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(ask(get()).starts_with("HTTP/1.1 200 "));
  EXPECT_LT(world().now() - start, Duration::seconds(8));
}

TEST_F(Resilience, TheBudgetEndsAStormOfRetries) {
  protect(Retries{.attempts = 5, .base_backoff = Duration::millis(1), .budget_min_per_second = 1});
  all(status(503));
  const uint64_t before = seen_by_apps();
  for (int i = 0; i < 50; ++i) ask(get());
  // 50, nine tenths of a fifth of them again, and one for each of ten seconds.
  EXPECT_EQ(seen_by_apps(), before + 50 + 9 + 10);
  const std::string log = drain(outbound_log);
  EXPECT_TRUE(says(log, R"("flags":"UO","why":"not tried again: the retry budget is spent")"));
  EXPECT_TRUE(says(metrics("client"), R"(weft_retries_refused_total{service="cart.default"})"));
}

TEST_F(Resilience, AServicesOwnConstraintIsTheBudgetAndWhatItRefusesGets503) {
  const Retries retries{.attempts = 5,
                        .conditions = Retries::kServerError,
                        .base_backoff = Duration::millis(1),
                        .budget_percent = 100};
  const model::RetryConstraint constraint{.percent = 0,
                                          .interval = Duration::seconds(60),
                                          .min_retries = 1,
                                          .min_interval = Duration::seconds(20)};
  protect({.retries = {{retries, kOrigin}},
           .retry_constraint = {{constraint, "XBackendTrafficPolicy default/cart"}}});
  all(status(500));
  uint64_t before = seen_by_apps();
  std::string answer = ask(get());
  EXPECT_EQ(seen_by_apps(), before + 1 + 3) << "three in a minute";
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
  EXPECT_EQ(body(answer),
            "weft: cart.default:80 failed, and its retry budget by XBackendTrafficPolicy "
            "default/cart is spent\n");
  EXPECT_TRUE(says(drain(outbound_log), R"("status":503,"flags":"UO")"));
  world().run_for(Duration::seconds(50));
  before = seen_by_apps();
  answer = ask(get());
  EXPECT_EQ(seen_by_apps(), before + 1 + 2) << "one for each twenty seconds";
  world().run_for(Duration::seconds(15));
  EXPECT_EQ((ask(get()), seen_by_apps()), before + 1 + 2 + 1 + 1);
  // What nobody asks to be tried again is answered as it came.
  behave("one", status(404)), behave("two", status(404)), behave("three", status(404));
  EXPECT_TRUE(ask(get()).starts_with("HTTP/1.1 404 "));
}

TEST_F(Resilience, TheBreakerOpensWhenTooManyRequestsAreInFlightAndCloses) {
  protect({.circuit_breaker = {{{.max_requests = 2}, kOrigin}}});
  all({.says = "slow", .delay = Duration::seconds(2)});
  const uint64_t before = seen_by_apps();
  auto peers = send(3, get());
  answered(peers);
  EXPECT_TRUE(peers[0]->in.starts_with("HTTP/1.1 200 ")) << peers[0]->in;
  EXPECT_TRUE(peers[1]->in.starts_with("HTTP/1.1 200 ")) << peers[1]->in;
  EXPECT_TRUE(peers[2]->in.starts_with("HTTP/1.1 503 ")) << peers[2]->in;
  EXPECT_EQ(body(peers[2]->in),
            "weft: 2 requests to cart.default are in flight, as many as BackendPolicy default/cart "
            "allows\n");
  EXPECT_EQ(seen_by_apps(), before + 2);
  EXPECT_TRUE(says(drain(outbound_log), R"("status":503,"flags":"UO")"));
  EXPECT_TRUE(says(metrics("client"),
                   R"(weft_breaker_refused_total{service="cart.default",bound="requests"} 1)"));
  EXPECT_TRUE(ask(get()).starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(state().breaker.now(steer::Breaker::kRequests), 0u);
}

TEST_F(Resilience, ACallerOfGrpcHearsThatTheBreakerIsOpen) {
  protect({.circuit_breaker = {{{.max_requests = 1}, kOrigin}}});
  all({.says = "slow", .delay = Duration::seconds(2)});
  auto first = send(1, get());
  const std::string answer =
      ask("POST /p.S/M HTTP/1.1\r\nHost: cart\r\nContent-Type: application/grpc\r\nContent-Length: "
          "0\r\n\r\n");
  EXPECT_EQ(field(answer, "grpc-status"), "14");
  EXPECT_TRUE(says(field(answer, "grpc-message"), "BackendPolicy default/cart"));
}

TEST_F(Resilience, RequestsThatWaitForAConnectionAreBounded) {
  for (const std::string& name : kInstances)
    world().partition(*mesh.instance("client").side, *mesh.instance(name).side);
  protect({.circuit_breaker = {{{.max_pending = 1}, kOrigin}},
           .connection_pool = {{{.connect_timeout = Duration::seconds(3)}, kOrigin}}});
  world().run_for(Duration::minutes(3));  // what was connected has ended
  drain(outbound_log);
  auto peers = send(2, get());
  world().run_for(Duration::millis(100));
  EXPECT_TRUE(says(peers[1]->in, "1 requests wait for a connection, as many as BackendPolicy"))
      << peers[1]->in;
  EXPECT_EQ(state().breaker.refused(steer::Breaker::kPending), 1u);
}

TEST_F(Resilience, OpaqueConnectionsAreBoundedAndTheBoundIsFreeAgain) {
  protect({.circuit_breaker = {{{.max_connections = 1}, "BackendPolicy default/db"}}}, kDb);
  auto first = dial(db);
  first->write("hello\n");
  ASSERT_TRUE(world().run_until([&] { return !first->in.empty(); }, Duration::seconds(5)));
  auto second = dial(db);
  second->write("hello\n");
  EXPECT_TRUE(world().run_until([&] { return second->ended; }, Duration::seconds(5)));
  EXPECT_EQ(second->in, "");
  const std::string log = drain(outbound_log);
  EXPECT_TRUE(says(log, R"("flags":"UO","why":"there are 1 connections, as many as BackendPolicy)"))
      << log;
  first->close(world());
  world().run_for(Duration::seconds(1));
  auto third = dial(db);
  third->write("hello\n");
  EXPECT_TRUE(world().run_until([&] { return !third->in.empty(); }, Duration::seconds(5)));
}

TEST_F(Resilience, ConnectionsEndAfterSoManyRequestsOrSoMuchIdleness) {
  proxy::UpstreamPool& pool = mesh.instance("client").worker->pool;
  const model::ConnectionPool pools{.idle_timeout = Duration::seconds(2),
                                    .max_requests_per_connection = 1};
  protect({.connection_pool = {{pools, kOrigin}}});
  for (int i = 0; i < 9; ++i) {
    EXPECT_TRUE(ask(get()).starts_with("HTTP/1.1 200 "));
    world().run_for(Duration::millis(100));
    // What was connected before the policy, and nothing that has had its request.
    EXPECT_LE(pool.connections(), 1u) << i;
  }
  protect({.connection_pool = {{{.idle_timeout = Duration::seconds(2)}, kOrigin}}});
  for (int i = 0; i < 30; ++i) ask(get());
  EXPECT_GE(pool.connections(), 1u);
  world().run_for(Duration::seconds(4));
  EXPECT_EQ(pool.connections(), 0u);
}

TEST_F(Resilience, AnInstanceThatOnlyFailsIsThrownOutAndComesBack) {
  // By latency and failures the instance would hardly be asked.
  protect({.load_balancing = {{{.algorithm = model::LoadBalancing::kRoundRobin}, kOrigin}},
           .outlier_detection = {{{}, kOrigin}}});
  behave("two", status(500));
  for (int i = 0; i < 60; ++i) ask(get());
  EXPECT_EQ(state().outliers.ejections(steer::Outliers::kErrors), 1u);
  EXPECT_TRUE(says(mesh.log_text(), "instance ejected"));
  EXPECT_TRUE(
      says(metrics("client"),
           R"(weft_ejections_total{service="cart.default",reason="consecutive errors"} 1)"));
  const uint64_t at_two = mesh.instance("two").record.requests;
  behave("two", {.says = "well again"});
  for (int i = 0; i < 50; ++i) ask(get());
  EXPECT_EQ(mesh.instance("two").record.requests, at_two);
  world().run_for(Duration::seconds(31));
  for (int i = 0; i < 50; ++i) ask(get());
  EXPECT_GT(mesh.instance("two").record.requests, at_two);
  EXPECT_TRUE(says(mesh.log_text(), "instance is back"));
}

// A gRPC status that comes behind messages is a failure like any other: for outlier detection and for the
// latency that endpoints are chosen by.
TEST_F(Resilience, AFailureInGrpcTrailersIsOneForOutliersAndLatency) {
  protect({.load_balancing = {{{.algorithm = model::LoadBalancing::kRoundRobin}, kOrigin}},
           .outlier_detection = {{{}, kOrigin}}});
  const std::string call =
      "POST /p.S/M HTTP/1.1\r\nHost: cart\r\nTE: trailers\r\nContent-Type: application/grpc\r\n"
      "Content-Length: 0\r\n\r\n";
  const auto ends_with = [](const char* status) {
    AppAnswer answer{.says = "a message"};
    answer.fields.add("content-type", "application/grpc");
    answer.trailers.add("grpc-status", status);
    return answer;
  };
  // Of how many instances the answers seem slow.
  const auto slow = [&] {
    const auto group = mesh.instance("client").worker->worker.snapshot->group(kCart);
    return std::count_if(group->endpoints.begin(), group->endpoints.end(),
                         [&](const proxy::LiveEndpoint& live) {
                           return live.health->latency.cost(world().now()) > 4;
                         });
  };
  const auto call_all = [&](int times) {
    for (int i = 0; i < times; ++i) {
      auto peer = dial(cart);
      peer->write(call);
      world().run_until([&] { return peer->ended || says(peer->in, "0\r\ngrpc-status"); },
                        Duration::seconds(2));
    }
  };
  all(ends_with("0"));
  call_all(30);
  EXPECT_EQ(slow(), 0);
  behave("two", ends_with("5"));  // NOT_FOUND blames the caller
  call_all(30);
  EXPECT_EQ(slow(), 0);
  EXPECT_EQ(state().outliers.ejections(steer::Outliers::kErrors), 0u);
  behave("two", ends_with("14"));
  call_all(3);
  EXPECT_EQ(slow(), 1);
  call_all(27);
  EXPECT_EQ(state().outliers.ejections(steer::Outliers::kErrors), 1u);
}

// A try that was given up costs what was waited for it; one that failed five seconds at least.
TEST_F(Resilience, ATryThatFailsIsALongLatencyOnce) {
  const auto cost = [&] {
    const auto group = mesh.instance("client").worker->worker.snapshot->group(kCart);
    double most = 0;
    for (const proxy::LiveEndpoint& live : group->endpoints)
      most = std::max(most, live.health->latency.cost(world().now()));
    return most;
  };
  all({.says = "late", .delay = Duration::minutes(1)});
  protect(Retries{.attempts = 0, .per_try_timeout = Duration::seconds(3)});
  ask(post());
  EXPECT_NEAR(cost(), 3, 0.1);
  protect(Retries{.attempts = 0});
  auto peers = send(1, post());
  world().run_for(Duration::seconds(8));
  for (const std::string& name : kInstances) mesh.kill_sidecar(name);
  answered(peers);
  EXPECT_NEAR(cost(), 8, 0.3);
}

TEST_F(Resilience, AnIntervalWithoutFurtherTrafficEndsAllTheSame) {
  model::OutlierDetection outliers{.consecutive_errors = 0};
  outliers.failure_percentage = {.threshold = 50, .min_instances = 3, .min_requests = 5};
  protect({.load_balancing = {{{.algorithm = model::LoadBalancing::kRoundRobin}, kOrigin}},
           .outlier_detection = {{outliers, kOrigin}}});
  behave("two", status(500));
  for (int i = 0; i < 30; ++i) ask(get());
  world().run_for(Duration::seconds(11));
  // The very next request finds it closed: none goes to the instance.
  const uint64_t at_two = mesh.instance("two").record.requests;
  for (int i = 0; i < 9; ++i) EXPECT_TRUE(ask(get()).starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(mesh.instance("two").record.requests, at_two);
  EXPECT_EQ(state().outliers.ejections(steer::Outliers::kFailurePercentage), 1u);
}

TEST_F(Resilience, ABreakerOfARuleShowsItsBound) {
  const std::string policy =
      "apiVersion: weft.dev/v1\nkind: BackendPolicy\nmetadata: {name: NAME}\nspec: {targetRefs: "
      "[{kind: "
      "KIND, name: cart}], circuitBreaker: {maxRequests: MOST}}\n";
  const auto of = [&](const char* name, const char* kind, const char* most) {
    return replaced(replaced(replaced(policy, "NAME", name), "KIND", kind), "MOST", most);
  };
  const CallResult applied = mesh.apply(
      "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: cart}\nspec:\n"
      "  parentRefs: [{group: \"\", kind: Service, name: cart}]\n"
      "  rules: [{backendRefs: [{name: cart, port: 80}]}]\n---\n" +
      of("narrow", "HTTPRoute", "7"));
  ASSERT_EQ(applied.status, 200) << applied.body;
  world().run_for(Duration::seconds(1));
  const std::string bound = R"(weft_breaker_bound{service="cart.default",bound="requests",policy=)";
  EXPECT_TRUE(says(metrics("client"), bound + R"("BackendPolicy default/narrow"} 7)"))
      << metrics("client");
  ASSERT_EQ(mesh.apply(of("wide", "Service", "9")).status, 200);
  world().run_for(Duration::seconds(1));
  EXPECT_TRUE(says(metrics("client"), bound + R"("BackendPolicy default/narrow"} 7)"));
  EXPECT_TRUE(says(metrics("client"), bound + R"("BackendPolicy default/wide"} 9)"));
}

// What is thrown out for one service still serves the other: each judges by its own answers.
TEST_F(Resilience, AnInstanceBehindTwoServicesIsJudgedByEachAlone) {
  const auto group = mesh.instance("client").worker->worker.snapshot->group(kCart);
  proxy::HealthRegistry registry;
  const model::ServiceName other{"default", "other"};
  const model::Endpoint& one = group->endpoints.front().endpoint;
  const auto of_cart = registry.of(kCart, one), of_other = registry.of(other, one);
  EXPECT_EQ(registry.of(kCart, one), of_cart);
  EXPECT_NE(of_cart, of_other);
  EXPECT_EQ(registry.of(one), registry.of(one)) << "what it holds is one";
  steer::Outliers outliers;
  steer::Ejection second;
  for (int i = 0; i < 5; ++i) {
    outliers.report(*of_cart, steer::Outliers::kError, {}, world().now(), [&] {
      return steer::Outliers::Members{{of_cart.get(), "one"}, {&second, "two"}};
    });
  }
  EXPECT_TRUE(of_cart->out(world().now()));
  EXPECT_FALSE(of_other->out(world().now()));
}

// --- opaque connections ---

TEST_F(Resilience, AnOpaqueConnectionIsOpenedAgainAsOftenAsThePolicySays) {
  // Nobody answers until the instance is back, a second later.
  protect({.retries = {{{.attempts = 10,
                         .conditions = Retries::kConnectFailure,
                         .base_backoff = Duration::millis(400),
                         .max_backoff = Duration::millis(400)},
                        kOrigin}}},
          kDb);
  mesh.kill_sidecar("db");
  drain(outbound_log);
  auto peer = dial(db);
  peer->write("hello\n");
  world().run_for(Duration::seconds(1));
  EXPECT_FALSE(peer->ended);
  mesh.restart_sidecar("db");
  EXPECT_TRUE(world().run_until([&] { return !peer->in.empty(); }, Duration::seconds(10)));
  EXPECT_TRUE(says(peer->in, "hello"));
  EXPECT_GE(state(kDb).retry_budget.requests(world().now()), 1u);
  peer->close(world());
  world().run_for(Duration::seconds(1));
  EXPECT_TRUE(says(drain(outbound_log), R"("attempts":)"));
}

TEST_F(Resilience, AnOpaqueConnectionThatCannotBeOpenedSaysWhatItWasAllowed) {
  mesh.kill_sidecar("db");
  world().run_for(Duration::seconds(1));
  drain(outbound_log);
  const auto opened = [&] {
    auto peer = dial(db);
    peer->write("hello\n");
    EXPECT_TRUE(world().run_until([&] { return peer->ended; }, Duration::seconds(30)));
    return drain(outbound_log);
  };
  EXPECT_TRUE(says(opened(), R"("flags":"UF")"));
  model::Retries retries{.attempts = 2, .conditions = Retries::kConnectFailure};
  protect({.retries = {{retries, kOrigin}}}, kDb);
  const std::string tried = opened();
  EXPECT_TRUE(says(tried, R"("flags":"URX")")) << tried;
  EXPECT_TRUE(says(tried, "(not tried again: no attempt is left)")) << tried;
  EXPECT_TRUE(says(tried, R"("attempts":3)")) << tried;
  retries.budget_percent = retries.budget_min_per_second = 0;
  protect({.retries = {{retries, kOrigin}}}, kDb);
  const std::string refused = opened();
  EXPECT_TRUE(says(refused, R"("flags":"UO")")) << refused;
  EXPECT_TRUE(says(refused, "(not tried again: the retry budget is spent)")) << refused;
  retries.conditions = Retries::kReset;
  protect({.retries = {{retries, kOrigin}}}, kDb);
  EXPECT_TRUE(says(opened(), R"("flags":"UF")"));
}

TEST_F(Resilience, AnOpaqueConnectionCountsAtItsInstanceFromTheChoiceOn) {
  const auto active = [&] {
    return mesh.instance("client")
        .worker->worker.snapshot->group(kDb)
        ->endpoints[0]
        .health->active();
  };
  world().run_for(Duration::seconds(1));  // what was open has ended
  const uint32_t before = active();
  auto first = dial(db);
  first->write("hello\n");
  ASSERT_TRUE(world().run_until([&] { return !first->in.empty(); }, Duration::seconds(5)));
  EXPECT_EQ(active(), before + 1);
  first->close(world());
  world().run_for(Duration::seconds(1));
  EXPECT_EQ(active(), before);
  world().partition(*mesh.instance("client").side, *mesh.instance("db").side);
  auto second = dial(db);
  second->write("hello\n");
  world().run_for(Duration::millis(100));
  EXPECT_EQ(active(), before + 1) << "its handshake goes on";
  second.reset();
  world().run_for(Duration::seconds(10));
  EXPECT_LE(active(), before);
}

TEST_F(Resilience, WhenAllFailOnlyOneIsThrownOut) {
  protect({.outlier_detection = {{{.max_ejection_percent = 50}, kOrigin}}});
  all(status(500));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(ask(get()).starts_with("HTTP/1.1 500 "));
  EXPECT_EQ(state().outliers.ejections(steer::Outliers::kErrors), 1u);
  EXPECT_GT(state().outliers.withheld(), 0u);
}

TEST_F(Resilience, AnInstanceWhoseHealthCheckFailsGetsNoTrafficUntilItPasses) {
  bool well = true;
  mesh.instance("two").behaviour.script = [&well](const wire::RequestHead& head) {
    if (head.target == "/healthz") return AppAnswer{.status = well ? 200 : 500};
    return AppAnswer{.says = "two"};
  };
  model::HealthCheck check{.kind = model::HealthCheck::kHttp, .path = "/healthz"};
  check.interval = Duration::seconds(2);
  check.unhealthy_threshold = 2;
  mesh.instance("two").worker->readiness.use_checks(
      {{.app_port = 8080, .service = "cart.default", .check = {check, kOrigin}}});
  const auto ready = [&] {
    const auto group = mesh.instance("client").worker->worker.snapshot->group(kCart);
    return std::count_if(group->endpoints.begin(), group->endpoints.end(),
                         [](const proxy::LiveEndpoint& live) { return live.endpoint.ready; });
  };
  world().run_for(Duration::seconds(10));
  EXPECT_EQ(ready(), 3);
  well = false;
  world().run_for(Duration::seconds(10));
  EXPECT_EQ(ready(), 2);
  EXPECT_TRUE(says(mesh.log_text(),
                   "the probe of /healthz answered 500 (health check of BackendPolicy "
                   "default/cart)"));
  for (int i = 0; i < 20; ++i) EXPECT_NE(body(ask(get())), "two");
  well = true;
  world().run_for(Duration::seconds(10));
  EXPECT_EQ(ready(), 3);
  // A check that is not asked for any more keeps nobody out.
  well = false;
  world().run_for(Duration::seconds(10));
  EXPECT_EQ(ready(), 2);
  mesh.instance("two").worker->readiness.use_checks({});
  world().run_for(Duration::seconds(2));
  EXPECT_EQ(ready(), 3);
}

TEST_F(Resilience, WithoutAPolicyNothingIsCounted) {
  all(status(503));
  for (int i = 0; i < 20; ++i) ask(get());
  EXPECT_EQ(state().retry_budget.requests(world().now()), 0u);
  EXPECT_EQ(state().breaker.now(steer::Breaker::kRequests), 0u);
  EXPECT_FALSE(says(metrics("client"), "weft_breaker"));
}

}  // namespace
}  // namespace weft::scenarios
