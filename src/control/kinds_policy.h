// What the tables of the weft.dev/v1 policies share: targets, parts of a request, callers, statuses of
// gRPC, numbers with a point, durations with limits.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "control/decode.h"
#include "control/policy_objects.h"

namespace weft::control {

inline constexpr const char* kWeftVersion = "weft.dev/v1";

extern const Schema kPolicyTargetSchema;
extern const Rule kPolicyTargetRules[1];
constexpr Field target_refs_field() {
  return {.name = "targetRefs",
          .type = FieldType::kObjectList,
          .description = "What the policy is for, in its own namespace.",
          .required = true,
          .min = 1,
          .max = 16,
          .object = &kPolicyTargetSchema,
          .rules = kPolicyTargetRules};
}

// A part of a request; of hashBy with a cookie's life.
extern const Schema kRequestKeySchema, kHashKeySchema;
extern const Format kCaller;       // SPIFFE ID, or NAMESPACE/NAME; * as any rest
extern const Format kExactCaller;  // without *

// CANCELLED to UNAUTHENTICATED: a failure's code is its place here plus 1.
inline constexpr const char* kGrpcFailures[] = {
    "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",   "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
    "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",         "DATA_LOSS",
    "UNAUTHENTICATED"};

// Durations.
extern const Rule kSomeTime[1];  // above 0s, at most 24h
extern const Rule kUpToADay[1];  // 0s is none
constexpr Field duration_field(const char* name, const char* description, const char* default_value,
                               std::span<const Rule> rules = kSomeTime) {
  return {.name = name,
          .type = FieldType::kString,
          .description = description,
          .default_value = default_value,
          .format = &kGatewayDuration,
          .unit = "duration",
          .rules = rules};
}
constexpr Field number_field(const char* name, const char* description, const char* default_value,
                             int64_t min, int64_t max, const char* unit = nullptr) {
  return {.name = name,
          .type = FieldType::kInteger,
          .description = description,
          .default_value = default_value,
          .min = min,
          .max = max,
          .unit = unit};
}

// --- reading ---
PolicyTargets read_targets(const Node& spec);
std::vector<model::RequestKey> read_request_keys(const Node& parent, std::string_view name);
// What is absent is 0.
Duration duration_of(const Node& parent, std::string_view name);
bool flag_of(const Node& parent, std::string_view name);
// In 10^-decimals; 0 when absent.
int64_t scaled_of(const Node& parent, std::string_view name, int decimals);
int grpc_code(std::string_view name);  // -1: none

}  // namespace weft::control
