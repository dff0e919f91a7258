// RateLimitPolicy (weft.dev/v1): how much an instance lets through. Limits are of one instance, kept by its
// own sidecar: a Service of three lets three times as much through.
#include <fmt/format.h>

#include "control/kinds.h"
#include "control/kinds_policy.h"
#include "control/kinds_refs.h"

namespace weft::control {
namespace {

constexpr int64_t kMost = 1'000'000'000;

constexpr Field kOverrideFields[] = {
    {.name = "caller",
     .type = FieldType::kString,
     .description = "Whom it is for, as the certificate says.",
     .required = true,
     .format = &kExactCaller},
    {.name = "requests",
     .type = FieldType::kInteger,
     .description = "In place of the limit's; 0: none.",
     .required = true,
     .min = 0,
     .max = kMost},
    number_field("burst", "At once after a pause; as many as `requests` when left out.", nullptr, 1,
                 kMost),
};
const Schema kOverride{"an override", "Another limit for one caller.", kOverrideFields};

constexpr const char* kCallerKey[] = {"caller"};
constexpr Field kLimitFields[] = {
    {.name = "requests",
     .type = FieldType::kInteger,
     .description = "So many requests per `per`.",
     .required = true,
     .min = 1,
     .max = kMost},
    duration_field("per", "The time in which a bucket fills by `requests`.", "\"1s\""),
    number_field("burst", "At once after a pause; as many as `requests` when left out.", nullptr, 1,
                 kMost),
    {.name = "by",
     .type = FieldType::kObjectList,
     .description = "Each combination of values has a bucket of its own. Left out: one for all.",
     .max = 4,
     .object = &kRequestKeySchema},
    {.name = "overrides",
     .type = FieldType::kObjectList,
     .description = "Callers with a limit of their own; each has a bucket of its own.",
     .max = 64,
     .object = &kOverride,
     .keys = kCallerKey},
};
const Schema kLimit{"a limit", "A bucket of requests that fills as time goes by.", kLimitFields};

constexpr Field kSpecFields[] = {
    target_refs_field(),
    {.name = "limits",
     .type = FieldType::kObjectList,
     .description = "What is let through; a request needs the consent of each.",
     .required = true,
     .min = 1,
     .max = 16,
     .object = &kLimit},
};
constexpr Schema kSpec{"a RateLimitPolicy's spec", "What an instance lets through.", kSpecFields};
constexpr auto kDocumentFields =
    document_fields(kWeftVersion, "RateLimitPolicy", kNamedMetadata, kSpec);

}  // namespace

const Schema kRateLimitPolicyDocument{
    "RateLimitPolicy",
    "How many requests an instance lets through, kept by its own sidecar: of those made to a "
    "Service "
    "by its name, or sent by a route or one of its rules. All limits that concern a request count. "
    "What is beyond gets 429, of gRPC RESOURCE_EXHAUSTED.",
    kDocumentFields};

void read_rate_limit_policy(const Node& document, std::string_view, Object& object, Problems&) {
  const Node& spec = *document.find("spec");
  RateLimitPolicySpec out{.targets = read_targets(spec), .limits = {}};
  for (const Node& node : items_of(spec, "limits")) {
    model::RateLimit limit;
    limit.policy = fmt::format("{}/{}", object.meta.ns, object.meta.name);
    limit.requests = number_of(node, "requests");
    limit.per = duration_of(node, "per");
    limit.burst = number_of(node, "burst");
    limit.by = read_request_keys(node, "by");
    for (const Node& other : items_of(node, "overrides")) {
      limit.overrides.push_back({.caller = std::string(other.text_of("caller")),
                                 .requests = number_of(other, "requests"),
                                 .burst = number_of(other, "burst")});
    }
    out.limits.push_back(std::move(limit));
  }
  object.spec = std::move(out);
}

}  // namespace weft::control
