#include "steer/fault.h"

#include <gtest/gtest.h>

#include "steer/binomial_test_support.h"

namespace weft::steer {
namespace {

constexpr uint32_t kAll = model::Fault::kAll;
const WallTime kNow = WallTime::from_unix_seconds(1'800'000'000);
constexpr std::string_view kWeb = "spiffe://mesh.test/ns/default/sa/web";

model::Fault always() {
  model::Fault fault;
  fault.policy = "default/slow";
  fault.expires = kNow + Duration::hours(1);
  fault.delay_share = kAll;
  fault.delay = Duration::millis(200);
  fault.abort_share = kAll;
  fault.abort_http_status = 503;
  return fault;
}

FaultRulePtr compiled(const model::Fault& fault) {
  auto rule = FaultRule::compile(std::make_shared<const model::Fault>(fault));
  EXPECT_TRUE(rule) << rule.error().message();
  return rule ? *rule : nullptr;
}

wire::Fields fields(std::string_view name, std::string_view value) {
  wire::Fields out;
  out.add(name, value);
  return out;
}

bool concerns(const model::Fault& fault, const wire::Fields* fields, std::string_view caller = kWeb,
              WallTime now = kNow) {
  return compiled(fault)->concerns(caller, fields, now);
}

TEST(Fault, WithoutAPolicyNothingIsBrokenAndNoLotIsDrawn) {
  struct NoRandom final : Random {
    uint64_t next() override {
      ADD_FAILURE() << "drawn";
      return 0;
    }
  } random;
  EXPECT_EQ(*FaultRule::compile(nullptr), nullptr);
  const wire::Fields none;
  EXPECT_FALSE(draw_fault(nullptr, kWeb, &none, kNow, random));
  EXPECT_FALSE(draw_fault(compiled(always()), kWeb, &none, kNow + Duration::hours(1), random));
}

TEST(Fault, ConcernsNobodyFromItsExpiryOn) {
  const wire::Fields none;
  const WallTime end = always().expires;
  EXPECT_TRUE(concerns(always(), &none, kWeb, end - Duration::nanos(1)));
  EXPECT_FALSE(concerns(always(), &none, kWeb, end));
  EXPECT_FALSE(concerns(always(), &none, kWeb, end + Duration::hours(24)));
}

TEST(Fault, ConcernsTheCallersItNames) {
  struct Case {
    std::vector<std::string> callers;
    bool concerned;
  };
  const wire::Fields none;
  for (const Case& c : std::vector<Case>{
           {{}, true},
           {{std::string(kWeb)}, true},
           {{"spiffe://mesh.test/ns/default/sa/*"}, true},
           {{"spiffe://mesh.test/ns/other/sa/*", std::string(kWeb)}, true},
           {{"spiffe://mesh.test/ns/default/sa/web2"}, false},
           {{"spiffe://mesh.test/ns/default/sa/we"}, false},
           {{"spiffe://mesh.test/ns/other/*"}, false},
       }) {
    model::Fault fault = always();
    fault.callers = c.callers;
    EXPECT_EQ(concerns(fault, &none), c.concerned) << ::testing::PrintToString(c.callers);
  }
}

TEST(Fault, ConcernsRequestsWhoseHeaderFieldsAllMatch) {
  using model::StringMatch;
  model::Fault fault = always();
  fault.headers = {{StringMatch::kExact, "X-Chaos", "yes"},
                   {StringMatch::kRegex, "x-user", "test-[0-9]+"}};
  wire::Fields both = fields("x-chaos", "yes");
  EXPECT_FALSE(concerns(fault, &both));
  both.add("X-User", "test-17");
  EXPECT_TRUE(concerns(fault, &both));
  both.set("x-user", "test-17b");  // a regular expression matches the whole value
  EXPECT_FALSE(concerns(fault, &both));
  both.set("x-user", "test-17");
  both.set("x-chaos", "Yes");
  EXPECT_FALSE(concerns(fault, &both));
}

TEST(Fault, NamesThePolicyWhoseRegularExpressionIsNone) {
  model::Fault fault = always();
  fault.headers = {{model::StringMatch::kRegex, "x-user", "test-["}};
  auto rule = FaultRule::compile(std::make_shared<const model::Fault>(fault));
  ASSERT_FALSE(rule);
  EXPECT_EQ(rule.error().message(), "fault policy default/slow: x-user \"test-[\": missing ]: [");
}

TEST(Fault, AnOpaqueConnectionIsDelayedAndResetButHasNoStatus) {
  SeededRandom random(1);
  model::Fault fault = always();
  Injection injection = draw_fault(compiled(fault), kWeb, nullptr, kNow, random);
  EXPECT_EQ(injection.delay, Duration::millis(200));
  EXPECT_FALSE(injection.abort);

  fault.delay_share = 0;
  EXPECT_FALSE(draw_fault(compiled(fault), kWeb, nullptr, kNow, random));
  fault.abort_http_status = 0;
  fault.abort_reset = true;
  EXPECT_TRUE(draw_fault(compiled(fault), kWeb, nullptr, kNow, random).abort);
  fault.headers = {{model::StringMatch::kExact, "x", "y"}};
  EXPECT_FALSE(draw_fault(compiled(fault), kWeb, nullptr, kNow, random));
}

TEST(Fault, BreaksTheShareItWasToldWithinBoundsOfTheExactBinomial) {
  constexpr uint64_t kDraws = 20'000;
  const wire::Fields none;
  for (const auto& [delay, abort] : std::vector<std::pair<uint32_t, uint32_t>>{
           {100, 0}, {10'000, 500'000}, {250'000, 250'000}, {500'000, 999'000}}) {
    model::Fault fault = always();
    fault.delay_share = delay;
    fault.abort_share = abort;
    const FaultRulePtr rule = compiled(fault);
    SeededRandom random(delay + abort);
    uint64_t delayed = 0, aborted = 0, both = 0;
    for (uint64_t i = 0; i < kDraws; ++i) {
      const Injection injection = draw_fault(rule, kWeb, &none, kNow, random);
      delayed += injection.delay.ns > 0;
      aborted += injection.abort;
      both += injection.delay.ns > 0 && injection.abort;
    }
    const auto holds = [&](uint64_t count, double p) {
      if (p <= 0) {
        EXPECT_EQ(count, 0u);
        return;
      }
      const Bounds bounds = binomial_bounds(kDraws, p);
      EXPECT_GE(count, bounds.least) << p;
      EXPECT_LE(count, bounds.most) << p;
    };
    holds(delayed, delay * 1e-6);
    holds(aborted, abort * 1e-6);
    holds(both, delay * 1e-6 * abort * 1e-6);
  }
}

TEST(Fault, NoneAndAllAreCertain) {
  const wire::Fields none;
  model::Fault fault = always();
  fault.abort_share = 0;
  SeededRandom random(7);
  for (int i = 0; i < 10'000; ++i) {
    const Injection injection = draw_fault(compiled(fault), kWeb, &none, kNow, random);
    ASSERT_EQ(injection.delay, fault.delay);
    ASSERT_FALSE(injection.abort);
  }
}

TEST(BinomialBounds, AreThoseOfTheTable) {
  // Of 10 throws of a coin: P(X = 0) = 0.00098, P(X <= 1) = 0.0107, P(X <= 2) = 0.0547.
  EXPECT_EQ(binomial_bounds(10, 0.5, 0.01).least, 1u);
  EXPECT_EQ(binomial_bounds(10, 0.5, 0.05).least, 2u);
  EXPECT_EQ(binomial_bounds(10, 0.5, 0.05).most, 8u);
}

}  // namespace
}  // namespace weft::steer
