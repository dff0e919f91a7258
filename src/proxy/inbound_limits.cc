// The caller's address is the one the app sees: of the calling instance, or of the stranger at a published
// door. An address is written out for each request because limits may be keyed by it; that is only where there
// are limits.
#include "proxy/inbound_limits.h"

namespace weft::proxy {
namespace {

constexpr std::string_view kPolicy = "ratelimit-policy", kLimit = "ratelimit";

IpAddress address_of(const Arrival& arrival) {
  if (!arrival.caller.v4.is_unspecified()) return arrival.caller.v4;
  if (!arrival.caller.v6.is_unspecified()) return arrival.caller.v6;
  return arrival.peer;
}

}  // namespace

steer::RateLimits::Verdict take_limits(Worker& worker, const Arrival& arrival, Record& record) {
  if (!worker.rate_limits) return {};
  const std::string address = address_of(arrival).to_string();
  const steer::RateLimits::Verdict verdict = worker.rate_limits->take(
      {.service = arrival.published ? std::string_view() : record.service,
       .route = arrival.route,
       .parts = {.fields = arrival.head ? &arrival.head->fields : nullptr,
                 .target = arrival.head ? std::string_view(arrival.head->target) : "",
                 .identity = record.source,
                 .address = address}},
      worker.loop.now());
  if (verdict.granted) return verdict;
  record.policy = verdict.limit->policy;
  record.flags = "RL";
  record.why = "rate limit policy " + verdict.limit->policy + " refuses it";
  worker.policy_acts.count(telemetry::PolicyAct::kLimited, verdict.limit->policy);
  return verdict;
}

LocalReply limited_reply(const steer::RateLimits::Verdict& verdict) {
  LocalReply reply{.status = 429,
                   .text = "weft: too many requests, by rate limit policy " + verdict.limit->policy,
                   .flags = "RL",
                   .grpc_status = http::GrpcStatus::kResourceExhausted};
  const steer::RateLimitFields fields = steer::fields_of(verdict);
  reply.fields.add(kPolicy, fields.policy);
  reply.fields.add(kLimit, fields.limit);
  reply.fields.add("retry-after", fields.retry_after);
  reply.grpc_fields.add("grpc-retry-pushback-ms",
                        std::to_string((verdict.until.ns + 999'999) / 1'000'000));
  return reply;
}

void tell_limits(const steer::RateLimitFields& limits, wire::Fields& answer) {
  if (answer.has(kLimit)) return;
  answer.add(kPolicy, limits.policy);
  answer.add(kLimit, limits.limit);
}

}  // namespace weft::proxy
