#include "steer/rate_limit.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace weft::steer {
namespace {

using model::RateLimit;
using model::RequestKey;

constexpr Instant kStart{1'000'000'000'000};
constexpr uint64_t kSeed = 42;
constexpr std::string_view kWeb = "spiffe://mesh.test/ns/default/sa/web";
constexpr std::string_view kJob = "spiffe://mesh.test/ns/default/sa/job";

RateLimit limit(uint32_t requests, std::vector<RequestKey> by = {}) {
  RateLimit out;
  out.policy = "default/cart-limits";
  out.service = "cart.default";
  out.requests = requests;
  out.per = Duration::minutes(1);
  out.by = std::move(by);
  return out;
}

LimitedRequest from(std::string_view caller, const wire::Fields* fields = nullptr) {
  return {"cart.default", "default/cart/0", {fields, "/items?shop=a", caller, "240.241.0.7"}};
}

// How many of `tries` requests at one moment are granted.
int granted(const RateLimits& limits, const LimitedRequest& request, int tries = 20,
            Instant now = kStart) {
  int count = 0;
  for (int i = 0; i < tries; ++i) count += limits.take(request, now).granted;
  return count;
}

TEST(RateLimits, WithoutAnyNothingIsSaidAndAllIsGranted) {
  const RateLimits limits({}, nullptr, kSeed);
  const auto verdict = limits.take(from(kWeb), kStart);
  EXPECT_TRUE(verdict.granted);
  EXPECT_EQ(verdict.limit, nullptr);
}

TEST(RateLimits, CountTheServiceRouteAndRuleThatTheyName) {
  struct Case {
    std::string service, route, rule;
    LimitedRequest request;
    bool counted;
  };
  for (const Case& c : std::vector<Case>{
           {"cart.default", "", "", {"cart.default", "", {}}, true},
           {"cart.default", "", "", {"other.default", "", {}}, false},
           {"", "", "", {"other.default", "", {}}, true},
           {"cart.default", "", "", {"", "", {}}, true},  // a published door
           {"", "default/cart", "", {"cart.default", "default/cart/0", {}}, true},
           {"", "default/cart", "", {"cart.default", "default/cart/pay", {}}, true},
           {"", "default/cart", "", {"cart.default", "default/cart2/0", {}}, false},
           {"", "default/cart", "", {"cart.default", "", {}}, false},
           {"", "default/cart", "pay", {"cart.default", "default/cart/pay", {}}, true},
           {"", "default/cart", "pay", {"cart.default", "default/cart/0", {}}, false},
           {"", "default/cart", "pay", {"", "", {}}, false},
       }) {
    RateLimit named = limit(0);
    named.service = c.service;
    named.route = c.route;
    named.rule = c.rule;
    const RateLimits limits({named}, nullptr, kSeed);
    EXPECT_EQ(!limits.take(c.request, kStart).granted, c.counted)
        << c.service << " " << c.route << " " << c.rule << " of " << c.request.service << " "
        << c.request.route;
  }
}

TEST(RateLimits, KeepABucketForEachCombinationOfValues) {
  const RateLimits limits(
      {limit(3, {{RequestKey::kHeader, "x-user"}, {RequestKey::kSourceIdentity, ""}})}, nullptr,
      kSeed);
  wire::Fields ada, bob, nobody, empty;
  ada.add("X-User", "ada");
  bob.add("x-user", "bob");
  empty.add("x-user", "");
  for (const wire::Fields* fields : {&ada, &bob, &nobody, &empty}) {
    for (std::string_view caller : {kWeb, kJob})
      EXPECT_EQ(granted(limits, from(caller, fields)), 3);
  }
  EXPECT_EQ(granted(limits, from(kWeb, &ada)), 0);
}

TEST(RateLimits, KnowACallerWithoutAnIdentityByItsAddress) {
  const RateLimits limits({limit(2, {{RequestKey::kSourceIdentity, ""}})}, nullptr, kSeed);
  LimitedRequest stranger{"", "", {nullptr, "/", "", "192.0.2.1"}};
  EXPECT_EQ(granted(limits, stranger), 2);
  stranger.parts.address = "192.0.2.2";
  EXPECT_EQ(granted(limits, stranger), 2);
}

TEST(RateLimits, GiveACallerWithAnOverrideABucketOfItsOwn) {
  for (const std::vector<RequestKey>& by :
       std::vector<std::vector<RequestKey>>{{}, {{RequestKey::kSourceIdentity, ""}}}) {
    RateLimit some = limit(2, by);
    some.overrides = {{std::string(kJob), 6, 5}, {"spiffe://mesh.test/ns/default/sa/bad", 0, 0}};
    const RateLimits limits({some}, nullptr, kSeed);
    EXPECT_EQ(granted(limits, from(kWeb)), 2);
    EXPECT_EQ(granted(limits, from(kJob)), 5);
    const auto verdict = limits.take(from(kJob), kStart);
    EXPECT_EQ(verdict.requests, 6u);
    EXPECT_EQ(verdict.until, Duration::seconds(10));
    EXPECT_EQ(granted(limits, from("spiffe://mesh.test/ns/default/sa/bad")), 0);
  }
}

TEST(RateLimits, AllCountAndARefusedRequestTakesFromNone) {
  RateLimit wide = limit(5), narrow = limit(2, {{RequestKey::kSourceIdentity, ""}});
  narrow.policy = "default/each";
  for (const auto& both : {std::vector{wide, narrow}, std::vector{narrow, wide}}) {
    const RateLimits limits(both, nullptr, kSeed);
    // Eighteen of the first caller are refused, and cost the others nothing.
    EXPECT_EQ(granted(limits, from(kWeb)), 2);
    EXPECT_EQ(limits.take(from(kWeb), kStart).limit->policy, "default/each");
    EXPECT_EQ(granted(limits, from(kJob)), 2);
    EXPECT_EQ(granted(limits, from("spiffe://mesh.test/c")), 1);
    EXPECT_EQ(limits.take(from("spiffe://mesh.test/d"), kStart).limit->policy,
              "default/cart-limits");
    // What the refused one had taken of its own bucket was given back.
    EXPECT_EQ(granted(limits, from("spiffe://mesh.test/d"), 20, kStart + Duration::minutes(1)), 2);
  }
}

TEST(RateLimits, KeepTheirBucketsAsLongAsTheyStayAsTheyWere) {
  const RateLimits first({limit(3)}, nullptr, kSeed);
  EXPECT_EQ(granted(first, from(kWeb), 2), 2);
  RateLimit other = limit(7);
  other.policy = "default/other";
  const RateLimits second({other, limit(3)}, &first, kSeed);
  EXPECT_EQ(granted(second, from(kWeb)), 1);
  const RateLimits third({limit(4)}, &second, kSeed);
  EXPECT_EQ(granted(third, from(kWeb)), 4);
}

TEST(RateLimits, MadeUpValuesGetNoMoreThanTheBoundedBuckets) {
  const RateLimits limits({limit(2, {{RequestKey::kHeader, "x-user"}})}, nullptr, kSeed);
  int count = 0;
  for (int i = 0; i < 100'000; ++i) {
    wire::Fields fields;
    fields.add("x-user", std::to_string(i));
    count += limits.take(from(kWeb, &fields), kStart).granted;
  }
  EXPECT_LE(count, 2 * static_cast<int>(RateLimits::kBuckets));
  EXPECT_GE(count, static_cast<int>(RateLimits::kBuckets));
  // A minute later every bucket is full, and so it is for a value that comes for the first time.
  wire::Fields fields;
  fields.add("x-user", "late");
  EXPECT_EQ(granted(limits, from(kWeb, &fields), 20, kStart + Duration::minutes(1)), 2);
}

TEST(RateLimits, AFewHundredValuesAtOnceEachHaveABucket) {
  const RateLimits limits({limit(3, {{RequestKey::kHeader, "x-user"}})}, nullptr, kSeed);
  for (int i = 0; i < 500; ++i) {
    wire::Fields fields;
    fields.add("x-user", std::to_string(i));
    EXPECT_EQ(granted(limits, from(kWeb, &fields), 5), 3) << i;
  }
}

TEST(RateLimits, HoldForAllThreadsTogether) {
  const RateLimits limits({limit(1000, {{RequestKey::kSourceIdentity, ""}})}, nullptr, kSeed);
  std::atomic<int> count{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { count += granted(limits, from(kWeb), 1000); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, 1000);
}

TEST(RateLimits, AreToldInTheFieldsOfTheDraft) {
  RateLimit some = limit(3);
  some.burst = 2;
  const RateLimits limits({some}, nullptr, kSeed);
  RateLimitFields fields = fields_of(limits.take(from(kWeb), kStart));
  EXPECT_EQ(fields.policy, "\"cart-limits\";q=3;w=60");
  EXPECT_EQ(fields.limit, "\"cart-limits\";r=1;t=20");
  EXPECT_EQ(fields.retry_after, "");
  limits.take(from(kWeb), kStart);
  // The next grows 20 s after the first was taken: 19.5 s are rounded up.
  fields = fields_of(limits.take(from(kWeb), kStart + Duration::millis(500)));
  EXPECT_EQ(fields.limit, "\"cart-limits\";r=0;t=20");
  EXPECT_EQ(fields.retry_after, "20");
}

TEST(RateLimits, AWindowOfLessThanASecondIsNotTold) {
  RateLimit some = limit(1);
  some.per = Duration::millis(500);
  const RateLimits limits({some}, nullptr, kSeed);
  limits.take(from(kWeb), kStart);
  const RateLimitFields fields = fields_of(limits.take(from(kWeb), kStart));
  EXPECT_EQ(fields.policy, "\"cart-limits\";q=1");
  EXPECT_EQ(fields.retry_after, "1");
}

}  // namespace
}  // namespace weft::steer
