// BackendPolicy (weft.dev/v1): how instances of a service are chosen and protected. A section that is
// written is whole: what it leaves out has its default, whatever a wider policy says.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "control/kinds.h"
#include "control/kinds_policy.h"
#include "control/kinds_policy_sections.h"
#include "control/kinds_refs.h"

namespace weft::control {
namespace {

void something_is_said(const Node& spec, const Report& report) {
  if (spec.entries.size() > 1) return;  // beside targetRefs
  report(spec.at, "", "says nothing about its targets",
         "sections: loadBalancing, slowStart, locality, circuitBreaker, connectionPool, "
         "outlierDetection, healthCheck, retries");
}

void slow_start_has_a_share_to_grow(const Node& spec, const Report& report) {
  const Node* slow = spec.find("slowStart");
  const Node* balancing = spec.find("loadBalancing");
  if (!slow || !balancing) return;
  const std::string_view algorithm = balancing->text_of("algorithm");
  if (algorithm != "Random" && algorithm != "RingHash" && algorithm != "Maglev") return;
  report(slow->at, "slowStart", fmt::format("has no effect with algorithm {}", algorithm),
         "it is for PeakEwma, LeastRequest and RoundRobin");
}

constexpr Rule kSpecRules[] = {
    {"At least one section is there.", something_is_said},
    {"slowStart is for PeakEwma, LeastRequest and RoundRobin.", slow_start_has_a_share_to_grow}};

constexpr Field section(const char* name, const char* description, const Schema& schema) {
  return {.name = name, .type = FieldType::kObject, .description = description, .object = &schema};
}
constexpr Field kSpecFields[] = {
    target_refs_field(),
    section("loadBalancing", "How an instance is chosen.", kLoadBalancingSchema),
    section("slowStart", "A new or returning instance gets a growing share.", kSlowStartSchema),
    section("locality", "Which zones and regions instances are taken from.", kLocalitySchema),
    section("circuitBreaker",
            "Bounds of one calling sidecar towards all instances; what is beyond gets 503.",
            kCircuitBreakerSchema),
    section("connectionPool", "Connections to instances.", kConnectionPoolSchema),
    section("outlierDetection", "Instances that fail are left out for a while.",
            kOutlierDetectionSchema),
    section(
        "healthCheck",
        "Checks of an instance by its own sidecar; the result is its readiness. For Services only.",
        kHealthCheckSchema),
    section(
        "retries",
        "What is tried again, on another instance; opaque connections while they cannot be opened.",
        kRetriesSchema),
};
constexpr Schema kSpec{"a BackendPolicy's spec",
                       "How instances are chosen and protected, section by section.", kSpecFields,
                       kSpecRules};
constexpr auto kDocumentFields =
    document_fields(kWeftVersion, "BackendPolicy", kNamedMetadata, kSpec);

template <typename T>
void take(const Node& spec, const char* name, T (*read)(const Node&), const std::string& origin,
          std::optional<model::Said<T>>& out) {
  if (const Node* node = spec.find(name)) out = model::Said<T>{read(*node), origin};
}

}  // namespace

const Schema kBackendPolicyDocument{
    "BackendPolicy",
    "How instances of a service are chosen and protected. For a Service: on every call to its "
    "instances, whichever route sent it. For a route or one of its rules: on what that sends. The "
    "narrower target wins, section by section, each section whole.",
    kDocumentFields};

void read_backend_policy(const Node& document, std::string_view, Object& object, Problems&) {
  const Node& spec = *document.find("spec");
  const std::string origin = fmt::format("BackendPolicy {}/{}", object.meta.ns, object.meta.name);
  auto policy = std::make_shared<model::BackendPolicy>();
  take(spec, "loadBalancing", read_load_balancing, origin, policy->load_balancing);
  take(spec, "slowStart", read_slow_start, origin, policy->slow_start);
  take(spec, "locality", read_locality, origin, policy->locality);
  take(spec, "circuitBreaker", read_circuit_breaker, origin, policy->circuit_breaker);
  take(spec, "connectionPool", read_connection_pool, origin, policy->connection_pool);
  take(spec, "outlierDetection", read_outlier_detection, origin, policy->outlier_detection);
  take(spec, "healthCheck", read_health_check, origin, policy->health_check);
  take(spec, "retries", read_retries, origin, policy->retries);
  object.spec = BackendPolicySpec{read_targets(spec), std::move(policy)};
}

}  // namespace weft::control
