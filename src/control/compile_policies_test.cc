// Policies in force: who wins, where sections come from, who is told, and what status says.
#include "control/compile_policies_test_support.h"

namespace weft::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

TEST_F(PoliciesTest, OfAServiceComesWithItsEndpointsWhicheverRouteSendsThere) {
  EXPECT_EQ(compiled("cart").endpoints.policy, nullptr);
  EXPECT_EQ(
      put_policy("BackendPolicy", "a", "kind: Service, name: cart-v2", "retries: {attempts: 3}"),
      (Affected{{"default", "cart-v2"}}));
  const auto policy = compiled("cart-v2").endpoints.policy;
  ASSERT_TRUE(policy && policy->retries);
  EXPECT_EQ(policy->retries->value.attempts, 3u);
  EXPECT_EQ(policy->retries->origin, "BackendPolicy default/a");
  EXPECT_FALSE(policy->load_balancing);
  EXPECT_EQ(rule("items").policy, nullptr);
  EXPECT_EQ(remove("BackendPolicy", "a"), (Affected{{"default", "cart-v2"}}));
  EXPECT_EQ(compiled("cart-v2").endpoints.policy, nullptr);
}

TEST_F(PoliciesTest, TheNarrowerTargetWinsSectionBySectionEachWhole) {
  EXPECT_EQ(put_policy("BackendPolicy", "route", "kind: HTTPRoute, name: split",
                       "retries: {attempts: 1}, circuitBreaker: {maxRequests: 7}"),
            (Affected{{"default", "cart"}}));
  put_policy("BackendPolicy", "rule", "kind: HTTPRoute, name: split, sectionName: items",
             "retries: {perTryTimeout: 1s}");
  const auto items = rule("items").policy;
  ASSERT_TRUE(items && items->retries && items->circuit_breaker);
  EXPECT_EQ(items->retries->origin, "BackendPolicy default/rule");
  EXPECT_EQ(items->retries->value.attempts, 2u) << "its default, not the route's 1";
  EXPECT_EQ(items->circuit_breaker->origin, "BackendPolicy default/route");
  const auto other = rule("1").policy;
  ASSERT_TRUE(other && other->retries);
  EXPECT_EQ(other->retries->value.attempts, 1u);
}

TEST_F(PoliciesTest, RulesWithTheSamePolicyShareIt) {
  put_policy("BackendPolicy", "route", "kind: HTTPRoute, name: split", "retries: {}");
  EXPECT_NE(rule("1").policy, nullptr);
  const auto service = compiled("cart").service;
  EXPECT_EQ(service.ports[0].rules[0].policy, service.ports[0].rules[1].policy);
}

TEST_F(PoliciesTest, OfATcpRouteIsOnItsRule) {
  put_policy("BackendPolicy", "p", "kind: TCPRoute, name: old",
             "connectionPool: {connectTimeout: 5s}");
  const auto service = compiled("db").service;
  ASSERT_TRUE(service.ports.at(0).tcp_rules.at(0).policy);
  EXPECT_EQ(service.ports[0].tcp_rules[0].policy->connection_pool->value.connect_timeout,
            Duration::seconds(5));
}

TEST_F(PoliciesTest, TheOrderOfArrivalDoesNotMatter) {
  put_policy("BackendPolicy", "early", "kind: HTTPRoute, name: later, sectionName: a",
             "retries: {}");
  EXPECT_THAT(refusals("BackendPolicy", "early"),
              ElementsAre("TargetNotFound: there is no HTTPRoute default/later"));
  put("{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: later}, spec: "
      "{parentRefs: [{kind: Service, name: cart}], rules: [{name: b}]}}");
  EXPECT_THAT(refusals("BackendPolicy", "early"),
              ElementsAre("TargetNotFound: HTTPRoute default/later has no rule named 'a'"));
  put("{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: later}, spec: "
      "{parentRefs: [{kind: Service, name: cart}], rules: [{name: a, matches: [{path: {value: "
      "/a}}]}]}}");
  EXPECT_THAT(refusals("BackendPolicy", "early"), ElementsAre(""));
  EXPECT_NE(rule("a").policy, nullptr);
}

TEST_F(PoliciesTest, AServiceThatIsNotThereIsNoTargetUntilSomebodyClaimsIt) {
  put_policy("BackendPolicy", "p", "kind: Service, name: ghost", "retries: {}");
  EXPECT_THAT(refusals("BackendPolicy", "p"),
              ElementsAre("TargetNotFound: there is no Service default/ghost"));
  put_instance("ghost-1", "ghost", 8080);
  EXPECT_THAT(refusals("BackendPolicy", "p"), ElementsAre(""));
}

TEST_F(PoliciesTest, OfTwoForOneTargetTheOlderIsInForceAndTheOtherSaysWhich) {
  put_policy("BackendPolicy", "b", "kind: Service, name: cart", "retries: {attempts: 1}", 200);
  put_policy("BackendPolicy", "c", "kind: Service, name: cart", "retries: {attempts: 2}", 100);
  put_policy("BackendPolicy", "a", "kind: Service, name: cart", "retries: {attempts: 3}", 200);
  EXPECT_EQ(compiled("cart").endpoints.policy->retries->origin, "BackendPolicy default/c");
  EXPECT_THAT(refusals("BackendPolicy", "c"), ElementsAre(""));
  EXPECT_THAT(refusals("BackendPolicy", "a"),
              ElementsAre("Conflicted: BackendPolicy default/c is older and has the same target "
                          "Service cart"));
  remove("BackendPolicy", "c");
  EXPECT_EQ(compiled("cart").endpoints.policy->retries->origin, "BackendPolicy default/a")
      << "of one age the name decides";
  EXPECT_THAT(refusals("BackendPolicy", "b"),
              ElementsAre(StartsWith("Conflicted: BackendPolicy default/a")));
}

TEST_F(PoliciesTest, OneThatCannotActOnATargetTakesItFromNobody) {
  put_policy("BackendPolicy", "old", "kind: HTTPRoute, name: split", "healthCheck: {type: TCP}", 1);
  put_policy("BackendPolicy", "new", "kind: HTTPRoute, name: split", "retries: {}", 2);
  EXPECT_THAT(refusals("BackendPolicy", "new"), ElementsAre(""));
  EXPECT_EQ(rule("1").policy->retries->origin, "BackendPolicy default/new");
}

TEST_F(PoliciesTest, SectionsThatMakeNoSenseForATargetAreNamed) {
  struct Row {
    const char* kind;
    const char* target;
    const char* spec;
    const char* refusal;
  };
  const Row rows[] = {
      {"BackendPolicy", "kind: HTTPRoute, name: split", "healthCheck: {type: TCP}",
       "UnsupportedValue: healthCheck: a HTTPRoute has no instances; make the Service the target"},
      {"BackendPolicy", "kind: TCPRoute, name: old", "retries: {conditions: [Reset, GatewayError]}",
       "UnsupportedValue: retries.conditions: TCPRoute old carries opaque connections, which are "
       "tried again for ConnectFailure only"},
      {"BackendPolicy", "kind: Service, name: db", "retries: {statuses: [503]}",
       "UnsupportedValue: retries.statuses: Service db carries opaque connections, which are tried "
       "again for ConnectFailure only"},
      {"BackendPolicy", "kind: Service, name: db", "retries: {grpcStatuses: [UNAVAILABLE]}",
       "UnsupportedValue: retries.grpcStatuses: Service db carries opaque connections, which are "
       "tried again for ConnectFailure only"},
      {"BackendPolicy", "kind: Service, name: db", "retries: {anyMethod: true}",
       "UnsupportedValue: retries.anyMethod: Service db carries opaque connections, which are "
       "tried again for ConnectFailure only"},
      {"BackendPolicy", "kind: Service, name: db", "retries: {}", ""},
      {"BackendPolicy", "kind: TCPRoute, name: old",
       "loadBalancing: {algorithm: Maglev, hashBy: [{type: SourceAddress}, {type: Header, name: "
       "a}]}",
       "UnsupportedValue: loadBalancing.hashBy: TCPRoute old carries opaque connections, which "
       "have "
       "SourceIdentity and SourceAddress only"},
      {"FaultPolicy", "kind: TCPRoute, name: old",
       "duration: 1m, delay: {percentage: 1, duration: 1s}", ""},
      {"FaultPolicy", "kind: TCPRoute, name: old",
       "duration: 1m, match: {callers: [default/web]}, abort: {percentage: 1, reset: true}", ""},
      {"FaultPolicy", "kind: TCPRoute, name: old",
       "duration: 1m, match: {headers: [{name: a, value: b}]}, delay: {percentage: 1, duration: "
       "1s}",
       "UnsupportedValue: match.headers: TCPRoute old carries opaque connections, which have "
       "callers "
       "and can be delayed and reset"},
      {"FaultPolicy", "kind: TCPRoute, name: old",
       "duration: 1m, abort: {percentage: 1, httpStatus: 503}",
       "UnsupportedValue: abort.httpStatus: TCPRoute old carries opaque connections, which have "
       "callers and can be delayed and reset"},
      {"FaultPolicy", "kind: Service, name: db",
       "duration: 1m, abort: {percentage: 1, grpcStatus: UNAVAILABLE}",
       "UnsupportedValue: abort.grpcStatus: Service db carries opaque connections, which have "
       "callers and can be delayed and reset"},
      {"FaultPolicy", "kind: Service, name: db",
       "duration: 1m, delay: {percentage: 1, duration: 1s}, abort: {percentage: 1, reset: true}",
       ""},
      {"RateLimitPolicy", "kind: TCPRoute, name: old", "limits: [{requests: 1}]",
       "UnsupportedValue: kind TCPRoute: an instance is not told which route an opaque connection "
       "took; limit the Service"},
      {"RateLimitPolicy", "kind: Service, name: db",
       "limits: [{requests: 1}, {requests: 2, by: [{type: SourceIdentity}, {type: Header, name: "
       "a}]}]",
       "UnsupportedValue: limits[1].by: Service db carries opaque connections, which have "
       "SourceIdentity and SourceAddress only"},
      {"RateLimitPolicy", "kind: Service, name: db",
       "limits: [{requests: 2, by: [{type: SourceIdentity}]}]", ""},
      {"FaultPolicy", "kind: Service, name: cart",
       "expires: 1970-01-02T00:01:41Z, abort: {percentage: 1, reset: true}",
       "UnsupportedValue: expires: more than 24h after the policy was made; delete it and apply it "
       "again later, or let it end earlier"},
      {"FaultPolicy", "kind: Service, name: cart",
       "expires: 1970-01-02T00:01:40Z, abort: {percentage: 1, reset: true}", ""},
      {"BackendPolicy", "kind: TCPRoute, name: old",
       "loadBalancing: {algorithm: Maglev, hashBy: [{type: SourceAddress}]}", ""},
  };
  for (const Row& row : rows) {
    put_policy(row.kind, "p", row.target, row.spec);
    EXPECT_THAT(refusals(row.kind, "p"), ElementsAre(row.refusal)) << row.spec;
    remove(row.kind, "p");
  }
  put_policy("BackendPolicy", "p", "kind: HTTPRoute, name: split",
             "healthCheck: {type: TCP}, retries: {}");
  EXPECT_EQ(rule("1").policy, nullptr) << "nothing of it is in force there";
}

TEST_F(PoliciesTest, FaultsAreTakenWholeTheNarrowestFirst) {
  EXPECT_EQ(put_policy("FaultPolicy", "all", "kind: Service, name: cart",
                       "duration: 10m, match: {callers: [shop/web, 'bank/*', 'spiffe://x/y']}, "
                       "delay: {percentage: 0.25, duration: 2s}"),
            (Affected{{"default", "cart"}}));
  put_policy("FaultPolicy", "route", "kind: HTTPRoute, name: split",
             "expires: 1970-01-01T00:10:00Z, abort: {percentage: 100, grpcStatus: UNAVAILABLE}");
  const auto service = compiled("cart").service;
  ASSERT_TRUE(service.fault);
  EXPECT_EQ(service.fault->policy, "default/all");
  EXPECT_EQ(service.fault->expires, WallTime::from_unix_seconds(700));
  EXPECT_THAT(service.fault->callers,
              ElementsAre("spiffe://mesh.example/ns/shop/sa/web",
                          "spiffe://mesh.example/ns/bank/sa/*", "spiffe://x/y"));
  EXPECT_EQ(service.fault->delay_share, 2500u);
  const auto fault = rule("items").fault;
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->policy, "default/route");
  EXPECT_EQ(fault->expires, WallTime::from_unix_seconds(600));
  EXPECT_EQ(fault->abort_share, model::Fault::kAll);
  EXPECT_EQ(fault->abort_grpc_status, 14);
  EXPECT_EQ(fault->delay_share, 0u);
  EXPECT_EQ(rule("items").route_fault, nullptr);
  // Of a rule with a fault of its own, its route's waits until that is over.
  put_policy("FaultPolicy", "rule", "kind: HTTPRoute, name: split, sectionName: items",
             "duration: 1m, abort: {percentage: 100, httpStatus: 500}");
  EXPECT_EQ(rule("items").fault->policy, "default/rule");
  ASSERT_TRUE(rule("items").route_fault);
  EXPECT_EQ(rule("items").route_fault->policy, "default/route");
}

TEST_F(PoliciesTest, LimitsReachWhoeverTheRequestsOfANameArriveAt) {
  put_instance("cart-1", "cart", 8080);
  put_instance("v2-1", "cart-v2", 9090);
  (void)compiler_.take_changed_inbounds();
  EXPECT_EQ(compiler_.inbound("cart-1"), std::nullopt);
  EXPECT_THAT(put_policy("RateLimitPolicy", "named", "kind: Service, name: cart",
                         "limits: [{requests: 5, overrides: [{caller: a/b, requests: 1}]}]"),
              IsEmpty());
  EXPECT_THAT(compiler_.take_changed_inbounds(), ElementsAre("cart-1", "v2-1"));
  put_policy("RateLimitPolicy", "rule", "kind: HTTPRoute, name: split, sectionName: items",
             "limits: [{requests: 1, per: 1m}]");
  EXPECT_THAT(compiler_.take_changed_inbounds(), ElementsAre("cart-1", "v2-1"));
  const auto cart = compiler_.inbound("cart-1");
  ASSERT_TRUE(cart);
  ASSERT_EQ(cart->rate_limits.size(), 1u) << "the rule sends elsewhere";
  EXPECT_EQ(cart->rate_limits[0].service, "cart.default");
  EXPECT_EQ(cart->rate_limits[0].overrides.at(0).caller, "spiffe://mesh.example/ns/a/sa/b");
  const auto v2 = compiler_.inbound("v2-1");
  ASSERT_TRUE(v2);
  ASSERT_EQ(v2->rate_limits.size(), 2u);
  EXPECT_EQ(v2->rate_limits[0].service, "cart.default");
  EXPECT_EQ(v2->rate_limits[1].service, "");
  EXPECT_EQ(v2->rate_limits[1].route, "default/split");
  EXPECT_EQ(v2->rate_limits[1].rule, "items");
  EXPECT_EQ(v2->rate_limits[1].per, Duration::minutes(1));
  compiler_.remove({"HTTPRoute", "default", "split"});
  EXPECT_THAT(compiler_.take_changed_inbounds(), ElementsAre("cart-1", "v2-1"));
  EXPECT_EQ(compiler_.inbound("v2-1"), std::nullopt);
}

TEST_F(PoliciesTest, RoutesOfOneNameAndTwoKindsAreTwo) {
  put_instance("v2-1", "cart-v2", 9090);
  put("{apiVersion: gateway.networking.k8s.io/v1, kind: GRPCRoute, metadata: {name: split}, spec: "
      "{parentRefs: [{kind: Service, name: cart}], rules: [{backendRefs: [{name: cart-v2, port: "
      "80}]}]}}");
  put_policy("RateLimitPolicy", "calls", "kind: GRPCRoute, name: split", "limits: [{requests: 1}]");
  put_policy("RateLimitPolicy", "requests", "kind: HTTPRoute, name: split",
             "limits: [{requests: 2}]");
  const auto inbound = compiler_.inbound("v2-1");
  ASSERT_TRUE(inbound);
  ASSERT_EQ(inbound->rate_limits.size(), 2u);
  EXPECT_EQ(inbound->rate_limits[0].policy, "default/calls");
  EXPECT_EQ(inbound->rate_limits[0].route, "grpc:default/split");
  EXPECT_EQ(inbound->rate_limits[1].policy, "default/requests");
  EXPECT_EQ(inbound->rate_limits[1].route, "default/split");
}

TEST_F(PoliciesTest, ChecksAreForEachPortOfTheInstance) {
  put_instance("cart-1", "cart", 8080);
  (void)compiler_.take_changed_inbounds();
  put_policy("BackendPolicy", "h", "kind: Service, name: cart", "healthCheck: {type: HTTP}");
  EXPECT_THAT(compiler_.take_changed_inbounds(), ElementsAre("cart-1"));
  const auto inbound = compiler_.inbound("cart-1");
  ASSERT_TRUE(inbound);
  ASSERT_EQ(inbound->checks.size(), 2u);
  EXPECT_EQ(inbound->checks[0].app_port, 8080);
  EXPECT_EQ(inbound->checks[1].app_port, 81) << "of a port that no claim names";
  EXPECT_EQ(inbound->checks[0].service, "cart.default");
  EXPECT_EQ(inbound->checks[0].check.origin, "BackendPolicy default/h");
  put_policy("BackendPolicy", "h", "kind: Service, name: cart",
             "healthCheck: {type: TCP, port: 80}");
  EXPECT_EQ(compiler_.inbound("cart-1")->checks.size(), 1u);
}

TEST_F(PoliciesTest, OnlyWhoIsConcernedIsMarked) {
  put_instance("cart-1", "cart", 8080);
  put_instance("other-1", "other", 8080);
  put_policy("RateLimitPolicy", "named", "kind: Service, name: cart", "limits: [{requests: 5}]");
  (void)compiler_.take_changed_inbounds();
  put_instance("other-1", "other", 8081);
  EXPECT_THAT(compiler_.take_changed_inbounds(), ElementsAre("other-1"));
  put_policy("FaultPolicy", "f", "kind: Service, name: cart",
             "duration: 1m, delay: {percentage: 1, duration: 1s}");
  EXPECT_THAT(compiler_.take_changed_inbounds(), IsEmpty());
}

TEST_F(PoliciesTest, StatusNamesTheCarriersAndTargetsNameThePolicies) {
  put_policy("BackendPolicy", "a", "kind: Service, name: cart", "retries: {}");
  put_policy("FaultPolicy", "b", "kind: HTTPRoute, name: split, sectionName: items",
             "duration: 1m, delay: {percentage: 1, duration: 1s}");
  put_policy("RateLimitPolicy", "c", "kind: HTTPRoute, name: split", "limits: [{requests: 1}]");
  EXPECT_THAT(compiler_.policies_on({"Service", "default", "cart"}),
              ElementsAre("BackendPolicy default/a"));
  EXPECT_THAT(compiler_.policies_on({"HTTPRoute", "default", "split"}),
              ElementsAre("RateLimitPolicy default/c", "FaultPolicy default/b (rule items)"));
  EXPECT_EQ(compiler_.carriers(*object("BackendPolicy", "a")),
            (Carriers{{.service = {"default", "cart"}, .callers = "", .in = Carrier::kEndpoints}}));
  EXPECT_EQ(compiler_.carriers(*object("FaultPolicy", "b")),
            (Carriers{{.service = {"default", "cart"}, .callers = ""}}));
  EXPECT_EQ(
      compiler_.carriers(*object("RateLimitPolicy", "c")),
      (Carriers{{.service = {"default", "cart"}, .callers = "", .in = Carrier::kInbound},
                {.service = {"default", "cart-v2"}, .callers = "", .in = Carrier::kInbound}}));
  const auto conditions = compiler_.conditions(*object("BackendPolicy", "a"));
  ASSERT_EQ(conditions.size(), 1u);
  EXPECT_TRUE(conditions[0].ok);
}

TEST_F(PoliciesTest, AConditionOfAllTargetsNamesEachThatIsRefused) {
  put("{apiVersion: weft.dev/v1, kind: BackendPolicy, metadata: {name: p}, spec: {targetRefs: "
      "[{kind: "
      "Service, name: cart}, {kind: Service, name: no}, {kind: GRPCRoute, name: no}], retries: "
      "{}}}");
  const auto conditions = compiler_.conditions(*object("BackendPolicy", "p"));
  EXPECT_EQ(conditions.at(0).reason, "TargetNotFound");
  EXPECT_EQ(conditions[0].message,
            "there is no Service default/no; there is no GRPCRoute default/no");
  EXPECT_NE(compiled("cart").endpoints.policy, nullptr);
}

}  // namespace
}  // namespace weft::control
