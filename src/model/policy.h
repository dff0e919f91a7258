// What policies say once the control plane has decided which of them are in force: how
// instances of a service are chosen and protected (BackendPolicy), what is broken on purpose
// (FaultPolicy), what a sidecar lets through (RateLimitPolicy). Immutable values, shared by pointer.
//
// A section that is not set means "nothing was said here": the next wider policy's section counts, and
// the defaults of these structs at last. Sections are taken whole, never merged field by field, so that
// one object can always be named as the origin of a value (docs/design/policies.md).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/match.h"

namespace weft::model {

// A part of a request by which requests are told apart.
struct RequestKey {
  enum Kind : uint8_t { kHeader, kCookie, kQuery, kSourceIdentity, kSourceAddress } kind = kHeader;
  std::string name;       // of the header (any case), cookie or query parameter
  Duration cookie_ttl{};  // kCookie: above 0, a request without it gets one that lives so long
  friend bool operator==(const RequestKey&, const RequestKey&) = default;
};

// --- BackendPolicy, by section ---

struct LoadBalancing {
  // kPeakEwma: of two drawn at random the one with the smaller product of latency (peak sensitive moving
  // average) and requests in flight; failures count as slow answers.
  enum Algorithm : uint8_t {
    kPeakEwma,
    kLeastRequest,
    kRoundRobin,
    kRandom,
    kRingHash,
    kMaglev,
  } algorithm = kPeakEwma;
  // kRingHash, kMaglev: the first that a request has decides; one that has none goes anywhere.
  std::vector<RequestKey> hash_by;
  // kRingHash, kMaglev: no instance gets more than so many percent of the mean load; 0 = no bound, else at
  // least 100.
  uint32_t bounded_load_percent = 0;
  friend bool operator==(const LoadBalancing&, const LoadBalancing&) = default;
};

// A new or returning instance gets a growing share. Round robin, least request and peak EWMA.
struct SlowStart {
  Duration window = Duration::seconds(30);
  double aggression = 1.0;
  uint32_t min_percent = 10;
  friend bool operator==(const SlowStart&, const SlowStart&) = default;
};

struct Locality {
  bool same_zone_first = true;
  // Regions to fail over to, in this order, after the caller's own; others come last.
  std::vector<std::string> failover;
  // So many percent of the healthy share count as capacity: 140 spills when less than 71 % are healthy.
  uint32_t overprovisioning_percent = 140;
  // With a smaller share healthy, health is not asked any more.
  uint32_t panic_percent = 50;
  friend bool operator==(const Locality&, const Locality&) = default;
};

// Of one calling proxy, all workers together, towards all instances. 0 = the proxy's own bounds.
struct CircuitBreaker {
  uint32_t max_connections = 0;
  uint32_t max_pending = 0;   // requests that wait for a connection
  uint32_t max_requests = 0;  // in flight
  uint32_t max_retries = 0;   // in flight
  friend bool operator==(const CircuitBreaker&, const CircuitBreaker&) = default;
};

struct ConnectionPool {
  Duration connect_timeout = Duration::seconds(2);
  Duration idle_timeout = Duration::seconds(90);
  uint32_t max_requests_per_connection = 0;  // 0 = any number
  friend bool operator==(const ConnectionPool&, const ConnectionPool&) = default;
};

struct OutlierDetection {
  uint32_t consecutive_errors = 5;  // 5xx and failures without an answer; 0 = off
  uint32_t consecutive_gateway_errors = 0;
  Duration interval = Duration::seconds(10);
  Duration base_ejection = Duration::seconds(30);
  Duration max_ejection = Duration::seconds(300);
  uint32_t max_ejection_percent = 10;  // of the instances; one may always go if there are two
  struct SuccessRate {
    uint32_t min_instances = 5, min_requests = 100;  // within an interval
    uint32_t stdev_factor = 1900;                    // thousandths
    friend bool operator==(const SuccessRate&, const SuccessRate&) = default;
  };
  std::optional<SuccessRate> success_rate;
  struct FailurePercentage {
    uint32_t threshold = 85;
    uint32_t min_instances = 5, min_requests = 50;
    friend bool operator==(const FailurePercentage&, const FailurePercentage&) = default;
  };
  std::optional<FailurePercentage> failure_percentage;
  friend bool operator==(const OutlierDetection&, const OutlierDetection&) = default;
};

// Made by the destination's own sidecar; what it finds out reaches everyone as readiness.
struct HealthCheck {
  enum Kind : uint8_t { kHttp, kGrpc, kTcp } kind = kTcp;
  uint16_t service_port = 0;            // 0: every port of the service
  std::string path = "/";               // kHttp
  std::string host;                     // kHttp; "" = the service's name
  std::vector<uint16_t> statuses = {};  // kHttp; none: 200 to 299
  std::string grpc_service;             // kGrpc
  Duration interval = Duration::seconds(10);
  Duration timeout = Duration::seconds(1);
  uint32_t jitter_percent = 10;  // of the interval
  uint32_t unhealthy_threshold = 3, healthy_threshold = 1;
  friend bool operator==(const HealthCheck&, const HealthCheck&) = default;
};

struct Retries {
  // kConnectFailure: nothing was sent. kReset: no answer came. kGatewayError: 502, 503, 504. kServerError:
  // any 5xx. kRefusedStream and what is provably unprocessed is tried again without being asked.
  enum Condition : uint8_t {
    kConnectFailure = 1,
    kReset = 2,
    kGatewayError = 4,
    kServerError = 8,
    kRateLimited = 16,  // 429, RESOURCE_EXHAUSTED
    kTimeout = 32,      // of one try
  };
  uint32_t attempts = 2;  // beyond the first
  uint8_t conditions = kConnectFailure | kReset | kGatewayError;
  std::vector<int> statuses;       // further HTTP statuses
  std::vector<int> grpc_statuses;  // further gRPC statuses
  bool any_method = false;         // not only idempotent ones
  Duration per_try_timeout{};      // 0 = none
  Duration base_backoff = Duration::millis(25);
  Duration max_backoff = Duration::millis(250);
  bool honour_retry_after = true;
  Duration longest_retry_after = Duration::seconds(10);  // a longer one is not waited for: no retry
  uint32_t budget_percent = 20;                          // of the requests of the last 10 s
  uint32_t budget_min_per_second = 10;
  friend bool operator==(const Retries&, const Retries&) = default;
};

// How many retries a Service takes from one proxy: in place of what `retries` say of a budget, whichever
// rule they are of (Gateway API GEP-3388).
struct RetryConstraint {
  uint32_t percent = 20;  // of the requests of the last `interval`
  Duration interval = Duration::seconds(10);
  uint32_t min_retries = 10;  // per `min_interval`: so many are always allowed
  Duration min_interval = Duration::seconds(1);
  friend bool operator==(const RetryConstraint&, const RetryConstraint&) = default;
};

// Keeps a client on one instance as long as that serves (Gateway API GEP-1619). Of a rule, or of a Service
// for calls whose rule has none.
struct SessionPersistence {
  bool header = false;                          // else a cookie
  std::string name;                             // of the cookie or header
  std::string path = "/";                       // of the cookie
  Duration absolute_timeout{}, idle_timeout{};  // 0 = none
  bool permanent = false;  // the cookie says when it ends; else it ends with the browser's session
  friend bool operator==(const SessionPersistence&, const SessionPersistence&) = default;
};

// A section and the object that said it: "BackendPolicy default/cart", or "HTTPRoute default/web rule 0".
template <typename T>
struct Said {
  T value;
  std::string origin;
  friend bool operator==(const Said&, const Said&) = default;
};

struct BackendPolicy {
  std::optional<Said<LoadBalancing>> load_balancing;
  std::optional<Said<SlowStart>> slow_start;
  std::optional<Said<Locality>> locality;
  std::optional<Said<CircuitBreaker>> circuit_breaker;
  std::optional<Said<ConnectionPool>> connection_pool;
  std::optional<Said<OutlierDetection>> outlier_detection;
  std::optional<Said<HealthCheck>> health_check;  // of a Service only
  std::optional<Said<Retries>> retries;
  // Of a Service only, from an XBackendTrafficPolicy.
  std::optional<Said<RetryConstraint>> retry_constraint;
  std::optional<Said<SessionPersistence>> session_persistence;
  friend bool operator==(const BackendPolicy&, const BackendPolicy&) = default;
};
using BackendPolicyPtr = std::shared_ptr<const BackendPolicy>;

// --- FaultPolicy: carried out by the caller's sidecar ---
struct Fault {
  static constexpr uint32_t kAll = 1'000'000;
  std::string policy;  // "default/slow-cart"
  WallTime expires;    // afterwards it does nothing
  // Whose requests; all that is set must hold.
  std::vector<StringMatch> headers;
  std::vector<std::string> callers;  // SPIFFE IDs; a trailing "*" is any rest
  uint32_t delay_share = 0;          // of kAll
  Duration delay{};
  uint32_t abort_share = 0;    // of kAll
  int abort_http_status = 0;   // one of these three
  int abort_grpc_status = -1;  // 0 to 16
  bool abort_reset = false;    // the connection (HTTP/2: the stream) is reset
  friend bool operator==(const Fault&, const Fault&) = default;
};
using FaultPtr = std::shared_ptr<const Fault>;

// --- RateLimitPolicy: carried out by the destination's sidecar, for its instance alone ---
struct RateLimit {
  std::string policy;  // "default/cart-limits"
  // What it counts: requests made to `service` ("cart.default"), by `route` ("default/cart"), by its
  // `rule` ("0"); "" = any.
  std::string service, route, rule;
  uint32_t requests = 0;  // per `per`
  Duration per = Duration::seconds(1);
  uint32_t burst = 0;  // the bucket's size; 0 = `requests`
  // Each combination of values has a bucket of its own; none: one for all.
  std::vector<RequestKey> by;
  struct Override {
    std::string caller;  // SPIFFE ID
    uint32_t requests = 0, burst = 0;
    friend bool operator==(const Override&, const Override&) = default;
  };
  std::vector<Override> overrides;
  friend bool operator==(const RateLimit&, const RateLimit&) = default;
};

// What an instance's own sidecar must know of what it serves.
struct Inbound {
  std::string instance;
  std::vector<RateLimit> rate_limits;
  struct Check {
    uint16_t app_port = 0;
    std::string service;  // "cart.default"
    Said<HealthCheck> check;
    friend bool operator==(const Check&, const Check&) = default;
  };
  std::vector<Check> checks;
  friend bool operator==(const Inbound&, const Inbound&) = default;
};

}  // namespace weft::model
