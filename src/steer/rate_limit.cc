// A limit without keys costs a compare-and-swap for a request, one with keys a hash for each and a look at two
// cache lines more. There is no sweeping: time alone empties rows.
#include "steer/rate_limit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "base/hash.h"

namespace weft::steer {
namespace {

constexpr size_t kWays = 8;
constexpr int64_t kSecond = 1'000'000'000;

bool same_limit(const model::RateLimit& a, const model::RateLimit& b) {
  const auto same_override = [](const model::RateLimit::Override& x,
                                const model::RateLimit::Override& y) {
    return x.caller == y.caller && x.requests == y.requests && x.burst == y.burst;
  };
  return a.policy == b.policy && a.service == b.service && a.route == b.route && a.rule == b.rule &&
         a.requests == b.requests && a.per == b.per && a.burst == b.burst && a.by == b.by &&
         std::ranges::equal(a.overrides, b.overrides, same_override);
}

// "default/cart/0" is route "default/cart" and rule "0".
bool is_route(const model::RateLimit& limit, std::string_view route) {
  if (limit.route.empty()) return true;
  const size_t slash = route.rfind('/');
  if (slash == std::string_view::npos || route.substr(0, slash) != limit.route) return false;
  return limit.rule.empty() || route.substr(slash + 1) == limit.rule;
}

// Through a published door nobody names a service: what limits any of the instance's counts.
bool concerns(const model::RateLimit& limit, const LimitedRequest& request) {
  const bool service =
      limit.service.empty() || request.service.empty() || limit.service == request.service;
  return service && is_route(limit, request.route);
}

int64_t seconds_up(Duration duration) { return (duration.ns + kSecond - 1) / kSecond; }

}  // namespace

// Without keys a bucket for those without an override and one for each override; with keys a table.
struct RateLimits::Buckets {
  struct Row {
    std::atomic<uint64_t> key{0};  // 0: free
    TokenBucket bucket;
  };

  Buckets(const model::RateLimit& limit, uint64_t seed)
      : seed(seed),
        rows(limit.by.empty() ? nullptr : std::make_unique<Row[]>(kBuckets)),
        singles(limit.by.empty() ? limit.overrides.size() + 1 : 0) {}

  TokenBucket& of_key(uint64_t key) {
    key = std::max<uint64_t>(key, 1);
    Row* const set = &rows[key % (kBuckets / kWays) * kWays];
    while (true) {
      Row* fullest = set;
      for (Row* row = set; row != set + kWays; ++row) {
        if (row->key.load(std::memory_order_relaxed) == key) return row->bucket;
        if (row->bucket.full_at() < fullest->bucket.full_at()) fullest = row;
      }
      // Taken over as it is. Somebody else may be faster, and may even have brought this key.
      uint64_t former = fullest->key.load(std::memory_order_relaxed);
      if (fullest->key.compare_exchange_strong(former, key, std::memory_order_relaxed))
        return fullest->bucket;
    }
  }

  const uint64_t seed;
  const std::unique_ptr<Row[]> rows;
  std::vector<TokenBucket> singles;
};

RateLimits::RateLimits(std::vector<model::RateLimit> limits, const RateLimits* before,
                       uint64_t seed)
    : limits_(std::move(limits)) {
  std::vector<bool> handed_on(before ? before->limits_.size() : 0);
  for (const model::RateLimit& limit : limits_) {
    Compiled& compiled = compiled_.emplace_back();
    compiled.rate = {limit.requests, TokenRate::of(limit.requests, limit.per, limit.burst)};
    for (const model::RateLimit::Override& other : limit.overrides) {
      compiled.overrides.push_back(
          {other.requests, TokenRate::of(other.requests, limit.per, other.burst)});
    }
    for (size_t i = 0; i < handed_on.size() && !compiled.buckets; ++i) {
      if (handed_on[i] || !same_limit(before->limits_[i], limit)) continue;
      handed_on[i] = true;
      compiled.buckets = before->compiled_[i].buckets;
    }
    if (!compiled.buckets) compiled.buckets = std::make_shared<Buckets>(limit, seed);
  }
}

RateLimits::~RateLimits() = default;

RateLimits::Counted RateLimits::counted(size_t index, const RequestParts& parts) const {
  const model::RateLimit& limit = limits_[index];
  const Compiled& compiled = compiled_[index];
  const auto found =
      std::ranges::find(limit.overrides, parts.identity, &model::RateLimit::Override::caller);
  const auto at = static_cast<size_t>(found - limit.overrides.begin());
  const bool overridden = found != limit.overrides.end();
  const Rate& rate = overridden ? compiled.overrides[at] : compiled.rate;
  Buckets& buckets = *compiled.buckets;
  const size_t which = overridden ? at + 1 : 0;
  if (!buckets.rows) return {buckets.singles[which], rate};

  uint64_t key = buckets.seed + which;
  std::string scratch;
  for (const model::RequestKey& part : limit.by) {
    std::optional<std::string_view> value = value_of(part, parts, scratch);
    if (!value && part.kind == model::RequestKey::kSourceIdentity) value = parts.address;
    key = value ? xxh64(*value, key) : xxh64({}, ~key);
  }
  return {buckets.of_key(key), rate};
}

RateLimits::Verdict RateLimits::take(const LimitedRequest& request, Instant now) const {
  Verdict verdict;
  for (size_t i = 0; i < limits_.size(); ++i) {
    const model::RateLimit& limit = limits_[i];
    if (!concerns(limit, request)) continue;
    const Counted counts = counted(i, request.parts);
    const TokenBucket::Taken taken = counts.bucket.take(counts.rate.rate, now);
    if (!taken.granted) {
      give_back(request, i);
      return {.granted = false,
              .limit = &limit,
              .requests = counts.rate.requests,
              .left = 0,
              .until = counts.rate.requests == 0 ? limit.per : taken.until};
    }
    if (!verdict.limit || taken.left < verdict.left) {
      verdict = {true, &limit, counts.rate.requests, taken.left, taken.until};
    }
  }
  return verdict;
}

// What the limits before `end` granted.
void RateLimits::give_back(const LimitedRequest& request, size_t end) const {
  for (size_t i = 0; i < end; ++i) {
    if (!concerns(limits_[i], request)) continue;
    const Counted counts = counted(i, request.parts);
    counts.bucket.give_back(counts.rate.rate);
  }
}

RateLimitFields fields_of(const RateLimits::Verdict& verdict) {
  const model::RateLimit& limit = *verdict.limit;
  // The policy's own name: its namespace is nobody's business.
  const std::string name = limit.policy.substr(limit.policy.rfind('/') + 1);
  const int64_t until = std::max<int64_t>(seconds_up(verdict.until), verdict.granted ? 0 : 1);
  RateLimitFields fields;
  fields.policy = fmt::format("\"{}\";q={}", name, verdict.requests);
  // A window is told in whole seconds, or not.
  if (limit.per.ns >= kSecond && limit.per.ns % kSecond == 0) {
    fields.policy += fmt::format(";w={}", limit.per.to_seconds());
  }
  fields.limit = fmt::format("\"{}\";r={};t={}", name, verdict.left, until);
  if (!verdict.granted) fields.retry_after = std::to_string(until);
  return fields;
}

}  // namespace weft::steer
