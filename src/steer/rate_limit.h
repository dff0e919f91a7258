// The rate limits of one instance (RateLimitPolicy, model/policy.h): which of them count a request, and the
// buckets they take from. Every limit that concerns a request counts it; a request that one of them refuses
// takes from none.
//
// Which bucket: one for each combination of the values of `by`, over 64-bit hashes with a seed of this
// process. What a request has not is a value of its own, so all without a header share a bucket; a caller
// without an identity is known by its address. A caller with an override has a bucket of its own, at its own
// rate, even where the others share one.
//
// Bound: a limit with keys has kBuckets buckets, 64 kB, in sets of eight. A full bucket is the same as none, so
// rows free themselves; only when all eight of a set are in use at once must a newcomer share: it takes over
// the one that is fullest, as empty as that is. So a flood of made-up values gets at most kBuckets times the
// limit, and nobody ever gets a fresh bucket by it.
//
// Shared by all workers: relaxed atomics. Made anew for each version of the limits; those that are as they were
// keep their buckets.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "model/policy.h"
#include "steer/request_key.h"
#include "steer/token_bucket.h"

namespace weft::steer {

struct LimitedRequest {
  std::string_view service;  // the name dialled: "cart.default"; "" = no name (a published door)
  std::string_view route;    // "default/cart/0": what the rule was; "" = none
  RequestParts parts;
};

class RateLimits {
 public:
  static constexpr size_t kBuckets = 4096;

  // `before` may be null; `seed` makes which values share a bucket unforeseeable.
  RateLimits(std::vector<model::RateLimit> limits, const RateLimits* before, uint64_t seed);
  ~RateLimits();
  RateLimits(const RateLimits&) = delete;
  RateLimits& operator=(const RateLimits&) = delete;

  // What is to be told of the limit that is nearest: the one that refuses, else the one with the least left.
  struct Verdict {
    bool granted = true;
    const model::RateLimit* limit =
        nullptr;            // null: none concerns the request; lives as long as this
    uint32_t requests = 0;  // what the limit grants this caller, per limit->per
    uint64_t left = 0;
    Duration
        until{};  // refused: until it would be granted; granted: until the bucket is full again
  };
  Verdict take(const LimitedRequest& request, Instant now) const;

  const std::vector<model::RateLimit>& limits() const { return limits_; }

 private:
  struct Buckets;
  struct Rate {
    uint32_t requests;
    TokenRate rate;
  };
  struct Compiled {
    Rate rate;
    std::vector<Rate> overrides;  // beside the limit's
    std::shared_ptr<Buckets> buckets;
  };
  // The bucket a request takes from, and how that fills.
  struct Counted {
    TokenBucket& bucket;
    const Rate& rate;
  };
  Counted counted(size_t index, const RequestParts& parts) const;
  void give_back(const LimitedRequest& request, size_t end) const;

  std::vector<model::RateLimit> limits_;
  std::vector<Compiled> compiled_;  // beside them
};
using RateLimitsPtr = std::shared_ptr<const RateLimits>;

// The values of the fields RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-11), and of
// Retry-After for a refusal.
struct RateLimitFields {
  std::string policy;       // "cart-limits";q=100;w=1
  std::string limit;        // "cart-limits";r=57;t=1
  std::string retry_after;  // "" unless refused
};
// Of a verdict with a limit.
RateLimitFields fields_of(const RateLimits::Verdict& verdict);

}  // namespace weft::steer
