// The sections of a BackendPolicy: their tables and readers. A reader gets the canonical tree.
#pragma once

#include "control/decode.h"
#include "model/policy.h"

namespace weft::control {

// kinds_policy_choice.cc: which instance.
extern const Schema kLoadBalancingSchema, kSlowStartSchema, kLocalitySchema;
model::LoadBalancing read_load_balancing(const Node& node);
model::SlowStart read_slow_start(const Node& node);
model::Locality read_locality(const Node& node);

// kinds_policy_protection.cc: what keeps callers and instances from harm.
extern const Schema kCircuitBreakerSchema, kConnectionPoolSchema, kOutlierDetectionSchema;
model::CircuitBreaker read_circuit_breaker(const Node& node);
model::ConnectionPool read_connection_pool(const Node& node);
model::OutlierDetection read_outlier_detection(const Node& node);

// kinds_policy_attempts.cc: health checks and retries.
extern const Schema kHealthCheckSchema, kRetriesSchema;
model::HealthCheck read_health_check(const Node& node);
model::Retries read_retries(const Node& node);

}  // namespace weft::control
