// What users write wrong in a policy, and the exact words they read; and what a policy that is right says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/duration.h"
#include "control/kinds.h"

namespace weft::control {
namespace {

using testing::ElementsAre;

std::string policy(const std::string& kind, const std::string& spec) {
  return "apiVersion: weft.dev/v1\nkind: " + kind +
         "\nmetadata: {name: p, namespace: shop}\nspec:\n  targetRefs: [{kind: Service, name: "
         "cart}]\n" +
         spec;  // at line 6
}

std::vector<std::string> problems_of(const std::string& text) {
  Problems problems;
  (void)decode_objects("f.yaml", text, problems);
  std::vector<std::string> out;
  for (const Problem& problem : problems) out.push_back(problem.to_string());
  return out;
}

struct WrongCase {
  const char* spec;
  const char* problem;
};

void expect_problems(const char* kind, std::span<const WrongCase> cases) {
  for (const WrongCase& c : cases) {
    EXPECT_THAT(problems_of(policy(kind, c.spec)), ElementsAre(c.problem)) << c.spec;
  }
}

template <typename Spec>
Spec read(const char* kind, const std::string& spec) {
  Problems problems;
  auto objects = decode_objects("f.yaml", policy(kind, spec), problems);
  EXPECT_TRUE(problems.empty()) << problems.front().to_string();
  return objects.empty() ? Spec{} : std::get<Spec>(objects.at(0).object.spec);
}

TEST(WrongPolicies, TargetsSayWherePathWhatAndHint) {
  const std::string head =
      "apiVersion: weft.dev/v1\nkind: BackendPolicy\nmetadata: {name: p}\nspec:\n";
  const std::pair<const char*, const char*> cases[] = {
      {"  retries: {}\n",
       "f.yaml:5:3: spec.targetRefs: required by a BackendPolicy's spec (What the policy is for, "
       "in "
       "its own namespace.)"},
      {"  targetRefs: []\n  retries: {}\n", "f.yaml:5:15: spec.targetRefs: needs at least 1 item"},
      {"  targetRefs: [{name: a}]\n  retries: {}\n",
       "f.yaml:5:16: spec.targetRefs[0].kind: required by a targetRef (Kind of the target.)"},
      {"  targetRefs: [{kind: Servic, name: a}]\n  retries: {}\n",
       "f.yaml:5:23: spec.targetRefs[0].kind: the text 'Servic' is not allowed here (did you mean "
       "'Service'? allowed: Service, HTTPRoute, GRPCRoute, TCPRoute, TLSRoute)"},
      {"  targetRefs: [{kind: Service, name: a, namespace: b}]\n  retries: {}\n",
       "f.yaml:5:41: spec.targetRefs[0].namespace: unknown field (fields of a "
       "targetRef: group, kind, name, sectionName)"},
      {"  targetRefs: [{group: apps, kind: Service, name: a}]\n  retries: {}\n",
       "f.yaml:5:24: spec.targetRefs[0].group: there is no Service in group 'apps' (leave it out)"},
      {"  targetRefs: [{group: '', kind: HTTPRoute, name: a}]\n  retries: {}\n",
       "f.yaml:5:24: spec.targetRefs[0].group: there is no HTTPRoute in group '' (leave it out)"},
      {"  targetRefs: [{kind: Service, name: a, sectionName: b}]\n  retries: {}\n",
       "f.yaml:5:54: spec.targetRefs[0].sectionName: a Service has no rules (leave it out, or make "
       "the route the target)"},
      {"  targetRefs: [{kind: Service, name: a}, {kind: Service, name: a}]\n  retries: {}\n",
       "f.yaml:5:42: spec.targetRefs[1]: the same target twice (each target once)"},
  };
  for (const auto& [spec, problem] : cases) {
    EXPECT_THAT(problems_of(head + spec), ElementsAre(problem)) << spec;
  }
}

TEST(WrongPolicies, BackendPoliciesSayWherePathWhatAndHint) {
  const WrongCase cases[] = {
      {"",
       "f.yaml:5:3: spec: says nothing about its targets (sections: loadBalancing, slowStart, "
       "locality, circuitBreaker, connectionPool, outlierDetection, healthCheck, retries)"},
      {"  retrys: {}\n  retries: {}\n",
       "f.yaml:6:3: spec.retrys: unknown field (did you mean 'retries'?)"},
      {"  loadBalancing: {algorithm: LeastConn}\n",
       "f.yaml:6:30: spec.loadBalancing.algorithm: the text 'LeastConn' is not allowed here "
       "(allowed: "
       "PeakEwma, LeastRequest, RoundRobin, Random, RingHash, Maglev)"},
      {"  loadBalancing: {algorithm: RingHash}\n",
       "f.yaml:6:18: spec.loadBalancing.hashBy: required by algorithm RingHash (for example "
       "[{type: "
       "Header, name: x-user}])"},
      {"  loadBalancing: {hashBy: [{type: SourceAddress}]}\n",
       "f.yaml:6:27: spec.loadBalancing.hashBy: has no effect with algorithm PeakEwma (it is for "
       "RingHash and Maglev)"},
      {"  loadBalancing: {algorithm: Random, boundedLoadPercent: 120}\n",
       "f.yaml:6:58: spec.loadBalancing.boundedLoadPercent: has no effect with algorithm Random "
       "(it "
       "is for RingHash and Maglev)"},
      {"  loadBalancing: {algorithm: Maglev, hashBy: [{type: Header}]}\n",
       "f.yaml:6:47: spec.loadBalancing.hashBy[0].name: required by type Header"},
      {"  loadBalancing: {algorithm: Maglev, hashBy: [{type: SourceAddress, name: a}]}\n",
       "f.yaml:6:75: spec.loadBalancing.hashBy[0].name: does not belong to type SourceAddress"},
      {"  loadBalancing: {algorithm: Maglev, hashBy: [{type: Header, name: a b}]}\n",
       "f.yaml:6:68: spec.loadBalancing.hashBy[0].name: 'a b' cannot be the name of a header "
       "(letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 token))"},
      {"  loadBalancing: {algorithm: Maglev, hashBy: [{type: Header, name: a, ttl: 1s}]}\n",
       "f.yaml:6:76: spec.loadBalancing.hashBy[0].ttl: does not belong to type Header"},
      {"  loadBalancing: {algorithm: Maglev, hashBy: [{type: SourceAddress}], boundedLoadPercent: "
       "99}\n",
       "f.yaml:6:91: spec.loadBalancing.boundedLoadPercent: 99 is out of range: 100 to 10000"},
      {"  slowStart: {aggression: 0}\n",
       "f.yaml:6:27: spec.slowStart.aggression: must be above 0 (1 is a straight line)"},
      {"  slowStart: {aggression: 1.255}\n",
       "f.yaml:6:27: spec.slowStart.aggression: must be a number from 0 to 100 with at most 2 "
       "decimals, not the number 1.255"},
      {"  slowStart: {aggression: '1.5'}\n",
       "f.yaml:6:27: spec.slowStart.aggression: must be a number from 0 to 100 with at most 2 "
       "decimals, not the text '1.5' (write it without quotes)"},
      {"  slowStart: {window: 30}\n",
       "f.yaml:6:23: spec.slowStart.window: must be text, not the number 30 (put it in quotes: "
       "\"30\")"},
      {"  slowStart: {window: 30 s}\n",
       "f.yaml:6:23: spec.slowStart.window: the text '30 s' is not a duration: up to 4 of NUMBER "
       "and "
       "h, m, s or ms (GEP-2257) (for example 1m30s)"},
      {"  slowStart: {window: 0s}\n",
       "f.yaml:6:23: spec.slowStart.window: must be longer than 0s (for example 1s)"},
      {"  slowStart: {window: 25h}\n",
       "f.yaml:6:23: spec.slowStart.window: 25h is longer than a day (at most 24h)"},
      {"  slowStart: {}\n  loadBalancing: {algorithm: Random}\n",
       "f.yaml:6:14: spec.slowStart: has no effect with algorithm Random (it is for PeakEwma, "
       "LeastRequest and RoundRobin)"},
      {"  locality: {failover: [eu, eu]}\n",
       "f.yaml:6:29: spec.locality.failover[1]: 'eu' is there twice (each once)"},
      {"  locality: {overprovisioningPercent: 90}\n",
       "f.yaml:6:39: spec.locality.overprovisioningPercent: 90 is out of range: 100 to 1000"},
      {"  circuitBreaker: {}\n",
       "f.yaml:6:19: spec.circuitBreaker: bounds nothing (fields: maxConnections, "
       "maxPendingRequests, maxRequests, maxRetries)"},
      {"  circuitBreaker: {maxRequests: 0}\n",
       "f.yaml:6:33: spec.circuitBreaker.maxRequests: 0 is out of range: 1 to 1000000"},
      {"  circuitBreaker: {maxPending: 5}\n",
       "f.yaml:6:20: spec.circuitBreaker.maxPending: unknown field (fields of circuitBreaker: "
       "maxConnections, maxPendingRequests, maxRequests, maxRetries)"},
      {"  outlierDetection: {consecutiveErrors: 0}\n",
       "f.yaml:6:21: spec.outlierDetection: detects nothing (set consecutiveErrors, "
       "consecutiveGatewayErrors, successRate or failurePercentage)"},
      {"  outlierDetection: {baseEjection: 10m}\n",
       "f.yaml:6:21: spec.outlierDetection.maxEjection: shorter than baseEjection (at least as "
       "long)"},
      {"  outlierDetection: {threshold: 5}\n",
       "f.yaml:6:22: spec.outlierDetection.threshold: unknown field ('threshold' belongs under "
       "failurePercentage)"},
      {"  healthCheck: {type: TCP, path: /a}\n",
       "f.yaml:6:34: spec.healthCheck.path: does not belong to type TCP (it is for HTTP)"},
      {"  healthCheck: {type: HTTP, grpcService: a}\n",
       "f.yaml:6:42: spec.healthCheck.grpcService: does not belong to type HTTP (it is for GRPC)"},
      {"  healthCheck: {type: HTTP, path: healthz}\n",
       "f.yaml:6:35: spec.healthCheck.path: 'healthz' does not begin with '/' (did you mean "
       "'/healthz'?)"},
      {"  healthCheck: {type: TCP, interval: 50ms, timeout: 9ms}\n",
       "f.yaml:6:38: spec.healthCheck.interval: 50ms is shorter than 100ms (for example 10s)"},
      {"  healthCheck: {type: TCP, timeout: 11s}\n",
       "f.yaml:6:37: spec.healthCheck.timeout: longer than interval (at most as long)"},
      {"  healthCheck: {type: HTTP, statuses: [99]}\n",
       "f.yaml:6:40: spec.healthCheck.statuses[0]: 99 is out of range: 100 to 599"},
      {"  healthCheck: {path: /a}\n",
       "f.yaml:6:16: spec.healthCheck.type: required by healthCheck (HTTP: a GET with a good "
       "status. "
       "GRPC: grpc.health.v1.Health/Check says SERVING. TCP: the port accepts a connection.)"},
      {"  retries: {attempts: 11}\n",
       "f.yaml:6:23: spec.retries.attempts: 11 is out of range: 0 to 10"},
      {"  retries: {conditions: [5xx]}\n",
       "f.yaml:6:26: spec.retries.conditions[0]: the text '5xx' is not allowed here (allowed: "
       "ConnectFailure, Reset, GatewayError, ServerError, RateLimited, Timeout)"},
      {"  retries: {grpcStatuses: [14]}\n",
       "f.yaml:6:28: spec.retries.grpcStatuses[0]: the number 14 is not allowed here (allowed: "
       "CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, "
       "PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, "
       "UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED)"},
      {"  retries: {statuses: [399]}\n",
       "f.yaml:6:24: spec.retries.statuses[0]: 399 is out of range: 400 to 599"},
      {"  retries: {backoff: {base: 1s}}\n",
       "f.yaml:6:22: spec.retries.backoff.max: shorter than base (at least as long)"},
      {"  retries: {budget: 20}\n",
       "f.yaml:6:21: spec.retries.budget: must be a map with the fields of budget, not the number "
       "20 "
       "(fields: percent, minPerSecond)"},
  };
  expect_problems("BackendPolicy", cases);
}

TEST(WrongPolicies, FaultPoliciesSayWherePathWhatAndHint) {
  const WrongCase cases[] = {
      {"  delay: {percentage: 1, duration: 1s}\n",
       "f.yaml:5:3: spec.duration: required, or expires in its place (when does the experiment "
       "end? "
       "for example 15m, at most 24h)"},
      {"  duration: 1m\n", "f.yaml:5:3: spec: breaks nothing (set delay, abort or both)"},
      {"  duration: 25h\n  delay: {percentage: 1, duration: 1s}\n",
       "f.yaml:6:13: spec.duration: 25h is longer than a day (at most 24h)"},
      {"  duration: 1m\n  expires: 2026-01-01T00:00:00Z\n  delay: {percentage: 1, duration: 1s}\n",
       "f.yaml:6:13: spec.duration: beside expires: only one of the two (keep one)"},
      {"  expires: tomorrow\n  delay: {percentage: 1, duration: 1s}\n",
       "f.yaml:6:12: spec.expires: the text 'tomorrow' is not a time (RFC 3339) (for example "
       "2026-12-01T10:00:00Z)"},
      {"  duration: 1m\n  delay: {percentage: 101, duration: 1s}\n",
       "f.yaml:7:23: spec.delay.percentage: must be a number from 0 to 100 with at most 4 "
       "decimals, "
       "not the number 101"},
      {"  duration: 1m\n  delay: {percentage: 0.00001, duration: 1s}\n",
       "f.yaml:7:23: spec.delay.percentage: must be a number from 0 to 100 with at most 4 "
       "decimals, "
       "not the number 0.00001"},
      {"  duration: 1m\n  delay: {percentage: 10%, duration: 1s}\n",
       "f.yaml:7:23: spec.delay.percentage: must be a number from 0 to 100 with at most 4 "
       "decimals, "
       "not the text '10%'"},
      {"  duration: 1m\n  delay: {duration: 1s}\n",
       "f.yaml:7:10: spec.delay.percentage: required by delay (Share of the requests that match; "
       "drawn for each by itself.)"},
      {"  duration: 1m\n  delay: {percentage: 1, duration: 2h}\n",
       "f.yaml:7:36: spec.delay.duration: 2h is longer than an hour (at most 1h)"},
      {"  duration: 1m\n  abort: {percentage: 1}\n",
       "f.yaml:7:10: spec.abort: none of httpStatus, grpcStatus and reset: exactly one is needed "
       "(for "
       "example httpStatus: 503)"},
      {"  duration: 1m\n  abort: {percentage: 1, httpStatus: 503, reset: true}\n",
       "f.yaml:7:10: spec.abort: several of httpStatus, grpcStatus and reset: exactly one is "
       "needed "
       "(for example httpStatus: 503)"},
      {"  duration: 1m\n  abort: {percentage: 1, httpStatus: 99}\n",
       "f.yaml:7:38: spec.abort.httpStatus: 99 is out of range: 200 to 599"},
      {"  duration: 1m\n  abort: {percentage: 1, reset: true}\n  match: {callers: [web]}\n",
       "f.yaml:8:21: spec.match.callers[0]: the text 'web' is not a caller: NAMESPACE/NAME or a "
       "SPIFFE "
       "ID, a '*' at its end is any rest (for example shop/web)"},
      {"  duration: 1m\n  abort: {percentage: 1, reset: true}\n  match: {headers: [{name: a, type: "
       "RegularExpression, value: '('}]}\n",
       "f.yaml:8:63: spec.match.headers[0].value: not a regular expression: missing ): ( (syntax: "
       "RE2, without back references and look-around)"},
      {"  duration: 1m\n  abort: {percentage: 1, reset: true}\n  match: {headers: [{name: a, "
       "value: b}, "
       "{name: A, value: c}]}\n",
       "f.yaml:8:49: spec.match.headers[1].name: 'A' is matched twice: only the first would count "
       "(write one regular expression, or two matches)"},
  };
  expect_problems("FaultPolicy", cases);
}

TEST(WrongPolicies, RateLimitPoliciesSayWherePathWhatAndHint) {
  const WrongCase cases[] = {
      {"",
       "f.yaml:5:3: spec.limits: required by a RateLimitPolicy's spec (What is let through; a "
       "request needs the consent of each.)"},
      {"  limits: [{per: 1s}]\n",
       "f.yaml:6:12: spec.limits[0].requests: required by a limit (So many requests per `per`.)"},
      {"  limits: [{requests: 0}]\n",
       "f.yaml:6:23: spec.limits[0].requests: 0 is out of range: 1 to 1000000000"},
      {"  limits: [{requests: 1, per: minute}]\n",
       "f.yaml:6:31: spec.limits[0].per: the text 'minute' is not a duration: up to 4 of NUMBER "
       "and "
       "h, m, s or ms (GEP-2257) (for example 1m30s)"},
      {"  limits: [{requests: 1, per: 0s}]\n",
       "f.yaml:6:31: spec.limits[0].per: must be longer than 0s (for example 1s)"},
      {"  limits: [{requests: 1, burst: 0}]\n",
       "f.yaml:6:33: spec.limits[0].burst: 0 is out of range: 1 to 1000000000"},
      {"  limits: [{requests: 1, by: [{type: Cookie, name: a, ttl: 1s}]}]\n",
       "f.yaml:6:55: spec.limits[0].by[0].ttl: unknown field (fields of a part of a request: type, "
       "name)"},
      {"  limits: [{requests: 1, overrides: [{caller: 'shop/*', requests: 1}]}]\n",
       "f.yaml:6:47: spec.limits[0].overrides[0].caller: the text 'shop/*' is not a caller: "
       "NAMESPACE/NAME or a SPIFFE ID (for example shop/web)"},
      {"  limits: [{requests: 1, overrides: [{caller: a/b, requests: 1}, {caller: a/b, requests: "
       "2}]}]\n",
       "f.yaml:6:75: spec.limits[0].overrides[1].caller: 'a/b' is overrides[0] already (each "
       "once)"},
  };
  expect_problems("RateLimitPolicy", cases);
}

TEST(BackendPolicies, SectionsThatAreEmptyAreTheModelsDefaults) {
  const auto spec = read<BackendPolicySpec>(
      "BackendPolicy",
      "  loadBalancing: {}\n  slowStart: {}\n  locality: {}\n  connectionPool: {}\n"
      "  outlierDetection: {successRate: {}, failurePercentage: {}}\n  healthCheck: {type: TCP}\n"
      "  retries: {}\n");
  EXPECT_EQ(spec.targets, (PolicyTargets{{"", "Service", "cart", ""}}));
  const std::string origin = "BackendPolicy shop/p";
  model::OutlierDetection outlier;
  outlier.success_rate = model::OutlierDetection::SuccessRate{};
  outlier.failure_percentage = model::OutlierDetection::FailurePercentage{};
  EXPECT_EQ(spec.policy->load_balancing, (model::Said<model::LoadBalancing>{{}, origin}));
  EXPECT_EQ(spec.policy->slow_start, (model::Said<model::SlowStart>{{}, origin}));
  EXPECT_EQ(spec.policy->locality, (model::Said<model::Locality>{{}, origin}));
  EXPECT_EQ(spec.policy->connection_pool, (model::Said<model::ConnectionPool>{{}, origin}));
  EXPECT_EQ(spec.policy->outlier_detection,
            (model::Said<model::OutlierDetection>{outlier, origin}));
  EXPECT_EQ(spec.policy->health_check, (model::Said<model::HealthCheck>{{}, origin}));
  EXPECT_EQ(spec.policy->retries, (model::Said<model::Retries>{{}, origin}));
  EXPECT_FALSE(spec.policy->circuit_breaker);
}

// The timeout's default would be longer than the interval.
TEST(BackendPolicies, AHealthCheckMoreOftenThanEverySecondHasAsLongAsUntilTheNext) {
  const auto timeout = [](const char* section) {
    return read<BackendPolicySpec>("BackendPolicy", section).policy->health_check->value.timeout;
  };
  EXPECT_EQ(timeout("  healthCheck: {type: TCP, interval: 250ms}\n"), Duration::millis(250));
  EXPECT_EQ(timeout("  healthCheck: {type: TCP, interval: 250ms, timeout: 100ms}\n"),
            Duration::millis(100));
  EXPECT_EQ(timeout("  healthCheck: {type: TCP, interval: 2s}\n"), Duration::seconds(1));
  EXPECT_EQ(timeout("  healthCheck: {type: TCP}\n"), Duration::seconds(1));
}

TEST(BackendPolicies, EveryFieldIsRead) {
  const auto spec = read<BackendPolicySpec>(
      "BackendPolicy",
      "  loadBalancing: {algorithm: Maglev, boundedLoadPercent: 125, hashBy: [{type: Cookie, name: "
      "s, "
      "ttl: 1h}, {type: QueryParam, name: 'a[b]'}, {type: SourceIdentity}]}\n"
      "  locality: {sameZoneFirst: false, failover: [eu, us], overprovisioningPercent: 200, "
      "panicPercent: 0}\n"
      "  circuitBreaker: {maxConnections: 1, maxPendingRequests: 2, maxRequests: 3, maxRetries: "
      "4}\n"
      "  connectionPool: {connectTimeout: 1s, idleTimeout: 2s, maxRequestsPerConnection: 3}\n"
      "  outlierDetection: {consecutiveErrors: 1, consecutiveGatewayErrors: 2, interval: 3s, "
      "baseEjection: 4s, maxEjection: 5s, maxEjectionPercent: 6, successRate: {minInstances: 7, "
      "minRequests: 8, stdevFactor: 2.125}, failurePercentage: {threshold: 9, minInstances: 10, "
      "minRequests: 11}}\n"
      "  healthCheck: {type: HTTP, port: 80, path: /h, host: a.b, statuses: [200, 404], interval: "
      "2s, "
      "timeout: 500ms, jitterPercent: 5, unhealthyThreshold: 4, healthyThreshold: 2}\n"
      "  retries: {attempts: 4, conditions: [ServerError, Timeout], statuses: [429], grpcStatuses: "
      "[CANCELLED, UNAVAILABLE, UNAUTHENTICATED], anyMethod: true, perTryTimeout: 1s, backoff: "
      "{base: "
      "1ms, max: 2ms}, retryAfter: {honour: false, longest: 3s}, budget: {percent: 5, "
      "minPerSecond: "
      "6}}\n");
  const model::BackendPolicy& p = *spec.policy;
  using Key = model::RequestKey;
  EXPECT_EQ(p.load_balancing->value, (model::LoadBalancing{model::LoadBalancing::kMaglev,
                                                           {{Key::kCookie, "s", Duration::hours(1)},
                                                            {Key::kQuery, "a[b]", {}},
                                                            {Key::kSourceIdentity, "", {}}},
                                                           125}));
  EXPECT_EQ(p.locality->value, (model::Locality{false, {"eu", "us"}, 200, 0}));
  EXPECT_EQ(p.circuit_breaker->value, (model::CircuitBreaker{1, 2, 3, 4}));
  EXPECT_EQ(p.connection_pool->value,
            (model::ConnectionPool{Duration::seconds(1), Duration::seconds(2), 3}));
  model::OutlierDetection outlier{
      1, 2, Duration::seconds(3), Duration::seconds(4), Duration::seconds(5), 6, {}, {}};
  outlier.success_rate = {7, 8, 2125};
  outlier.failure_percentage = {9, 10, 11};
  EXPECT_EQ(p.outlier_detection->value, outlier);
  EXPECT_EQ(p.health_check->value, (model::HealthCheck{model::HealthCheck::kHttp,
                                                       80,
                                                       "/h",
                                                       "a.b",
                                                       {200, 404},
                                                       "",
                                                       Duration::seconds(2),
                                                       Duration::millis(500),
                                                       5,
                                                       4,
                                                       2}));
  EXPECT_EQ(p.retries->value,
            (model::Retries{4,
                            model::Retries::kServerError | model::Retries::kTimeout,
                            {429},
                            {1, 14, 16},
                            true,
                            Duration::seconds(1),
                            Duration::millis(1),
                            Duration::millis(2),
                            false,
                            Duration::seconds(3),
                            5,
                            6}));
}

TEST(FaultPolicies, EveryFieldIsRead) {
  const auto spec = read<FaultPolicySpec>(
      "FaultPolicy",
      "  expires: 2026-12-01T11:30:00.5+01:00\n"
      "  match: {headers: [{name: x-a, value: b}], callers: [shop/web, 'spiffe://a/*']}\n"
      "  delay: {percentage: 0.0001, duration: 1s}\n  abort: {percentage: 33.3, grpcStatus: "
      "NOT_FOUND}\n");
  EXPECT_EQ(spec.lasts, Duration{});
  EXPECT_EQ(spec.fault.policy, "shop/p");
  EXPECT_EQ(spec.fault.expires, (WallTime{1'796'121'000'500'000'000}));
  EXPECT_EQ(spec.fault.headers,
            (std::vector<model::StringMatch>{{model::StringMatch::kExact, "x-a", "b"}}));
  EXPECT_THAT(spec.fault.callers, ElementsAre("shop/web", "spiffe://a/*"));
  EXPECT_EQ(spec.fault.delay_share, 1u);
  EXPECT_EQ(spec.fault.delay, Duration::seconds(1));
  EXPECT_EQ(spec.fault.abort_share, 333'000u);
  EXPECT_EQ(spec.fault.abort_grpc_status, 5);
  EXPECT_EQ(spec.fault.abort_http_status, 0);
  EXPECT_FALSE(spec.fault.abort_reset);
}

TEST(RateLimitPolicies, EveryFieldIsRead) {
  const auto spec = read<RateLimitPolicySpec>(
      "RateLimitPolicy",
      "  limits:\n  - {requests: 5, per: 1m, burst: 7, by: [{type: Header, name: x-a}], overrides: "
      "[{caller: a/b, requests: 0}, {caller: 'spiffe://x/y', requests: 2, burst: 3}]}\n  - "
      "{requests: "
      "1}\n");
  ASSERT_EQ(spec.limits.size(), 2u);
  EXPECT_EQ(spec.limits[0], (model::RateLimit{"shop/p",
                                              "",
                                              "",
                                              "",
                                              5,
                                              Duration::minutes(1),
                                              7,
                                              {{model::RequestKey::kHeader, "x-a", {}}},
                                              {{"a/b", 0, 0}, {"spiffe://x/y", 2, 3}}}));
  EXPECT_EQ(spec.limits[1].per, Duration::seconds(1));
}

TEST(Decimals, AreExactAndPlain) {
  const std::pair<const char*, std::optional<int64_t>> cases[] = {{"0", 0},
                                                                  {"100", 1'000'000},
                                                                  {"0.0001", 1},
                                                                  {"12.5", 125'000},
                                                                  {"12.50000", 125'000},
                                                                  {"-1", -10'000},
                                                                  {"0.00001", {}},
                                                                  {"1e2", {}},
                                                                  {".5", {}},
                                                                  {"5.", {}},
                                                                  {"", {}},
                                                                  {"1.2.3", {}},
                                                                  {"9999999999999", {}},
                                                                  {".nan", {}}};
  for (const auto& [text, value] : cases) EXPECT_EQ(scaled_decimal(text, 4), value) << text;
}

TEST(Times, AreReadAsRfc3339HasThem) {
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00Z"), WallTime{0});
  EXPECT_EQ(parse_rfc3339("2000-02-29T12:00:00Z"), WallTime::from_unix_seconds(951'825'600));
  EXPECT_EQ(parse_rfc3339("2000-02-29T12:00:00-00:30"), WallTime::from_unix_seconds(951'827'400));
  for (const char* wrong :
       {"", "2000-02-30T12:00:00Z", "2000-02-29 12:00:00Z", "2000-02-29T12:00:00",
        "2000-02-29T24:00:00Z", "2000-02-29T12:00:00.Z", "2000-02-29T12:00:00+1:00",
        "2000-02-29T12:00:00Zx", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z"}) {
    EXPECT_FALSE(parse_rfc3339(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace weft::control
