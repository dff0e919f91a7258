// Sections of a BackendPolicy that decide which instance gets a request.
#include <fmt/format.h>

#include <utility>

#include "control/kinds_policy.h"
#include "control/kinds_policy_sections.h"
#include "control/kinds_refs.h"

namespace weft::control {
namespace {

// --- loadBalancing ---

constexpr std::pair<const char*, model::LoadBalancing::Algorithm> kAlgorithms[] = {
    {"PeakEwma", model::LoadBalancing::kPeakEwma},
    {"LeastRequest", model::LoadBalancing::kLeastRequest},
    {"RoundRobin", model::LoadBalancing::kRoundRobin},
    {"Random", model::LoadBalancing::kRandom},
    {"RingHash", model::LoadBalancing::kRingHash},
    {"Maglev", model::LoadBalancing::kMaglev}};
constexpr const char* kAlgorithmNames[] = {"PeakEwma", "LeastRequest", "RoundRobin",
                                           "Random",   "RingHash",     "Maglev"};

bool hashes(const Node& node) {
  const std::string_view algorithm = node.text_of("algorithm");
  return algorithm == "RingHash" || algorithm == "Maglev";
}

void hashing_has_keys(const Node& node, const Report& report) {
  if (!hashes(node) || !items_of(node, "hashBy").empty()) return;
  report(node.at, "hashBy", fmt::format("required by algorithm {}", node.text_of("algorithm")),
         "for example [{type: Header, name: x-user}]");
}

void only_hashing_has_keys(const Node& node, const Report& report) {
  if (hashes(node)) return;
  for (const char* field : {"hashBy", "boundedLoadPercent"}) {
    const Node* value = node.find(field);
    if (!value) continue;
    report(value->at, field,
           fmt::format("has no effect with algorithm {}", node.text_of("algorithm")),
           "it is for RingHash and Maglev");
  }
}

constexpr Rule kLoadBalancingRules[] = {
    {"RingHash and Maglev need hashBy.", hashing_has_keys},
    {"hashBy and boundedLoadPercent are for RingHash and Maglev.", only_hashing_has_keys}};
constexpr Field kLoadBalancingFields[] = {
    {.name = "algorithm",
     .type = FieldType::kEnum,
     .description =
         "PeakEwma: of two drawn at random the one with the smaller product of latency (a peak "
         "sensitive moving average; failures count as slow) and requests in flight. "
         "LeastRequest: of two the one with fewer in flight. RingHash, Maglev: the same request "
         "key "
         "to the same instance.",
     .default_value = "\"PeakEwma\"",
     .values = kAlgorithmNames},
    {.name = "hashBy",
     .type = FieldType::kObjectList,
     .description = "The first that a request has decides; one that has none goes anywhere.",
     .min = 1,
     .max = 8,
     .object = &kHashKeySchema},
    number_field("boundedLoadPercent",
                 "No instance gets more than so many percent of the mean load: what is beyond goes "
                 "to the next. Left out: no bound.",
                 nullptr, 100, 10'000, "%"),
};

// --- slowStart ---

void aggression_is_some(const Node& value, const Report& report) {
  if (scaled_decimal(value.text, 2) == 0)
    report(value.at, "", "must be above 0", "1 is a straight line");
}
constexpr Rule kAggressionRules[] = {{"Above 0.", aggression_is_some}};
constexpr Field kSlowStartFields[] = {
    duration_field("window", "From its first readiness until an instance has its whole share.",
                   "\"30s\""),
    {.name = "aggression",
     .type = FieldType::kDecimal,
     .description = "The share is (time / window) to the power of 1 / aggression: above 1 it grows "
                    "fast at first.",
     .default_value = "1.0",
     .min = 0,
     .max = 100,
     .rules = kAggressionRules,
     .decimals = 2},
    number_field("minPercent", "The share it begins with.", "10", 0, 100, "%"),
};

// --- locality ---

constexpr Field kLocalityFields[] = {
    {.name = "sameZoneFirst",
     .type = FieldType::kBoolean,
     .description = "Instances of the caller's zone first, then of its region; false: zones do not "
                    "count.",
     .default_value = "true"},
    {.name = "failover",
     .type = FieldType::kStringList,
     .description = "Regions in the order in which calls go there when the caller's own cannot "
                    "carry them; others come last.",
     .max = 32,
     .format = &kLabelValue,
     .distinct = true},
    number_field(
        "overprovisioningPercent",
        "So many percent of the healthy share count as capacity: with 140 calls go further "
        "when less than 71 % are healthy.",
        "140", 100, 1000, "%"),
    number_field("panicPercent",
                 "With a smaller share healthy, health is not asked any more: better all than few "
                 "overrun ones. 0: never.",
                 "50", 0, 100, "%"),
};

}  // namespace

const Schema kLoadBalancingSchema{"loadBalancing", "How an instance is chosen.",
                                  kLoadBalancingFields, kLoadBalancingRules};
const Schema kSlowStartSchema{"slowStart", "A growing share for new instances.", kSlowStartFields};
const Schema kLocalitySchema{"locality", "Zones and regions.", kLocalityFields};

model::LoadBalancing read_load_balancing(const Node& node) {
  model::LoadBalancing out;
  for (const auto& [name, algorithm] : kAlgorithms) {
    if (node.text_of("algorithm") == name) out.algorithm = algorithm;
  }
  out.hash_by = read_request_keys(node, "hashBy");
  out.bounded_load_percent = number_of(node, "boundedLoadPercent");
  return out;
}

model::SlowStart read_slow_start(const Node& node) {
  return {.window = duration_of(node, "window"),
          .aggression = static_cast<double>(scaled_of(node, "aggression", 2)) / 100,
          .min_percent = number_of(node, "minPercent")};
}

model::Locality read_locality(const Node& node) {
  return {.same_zone_first = flag_of(node, "sameZoneFirst"),
          .failover = texts_of(node, "failover"),
          .overprovisioning_percent = number_of(node, "overprovisioningPercent"),
          .panic_percent = number_of(node, "panicPercent")};
}

}  // namespace weft::control
