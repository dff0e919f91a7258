#include "telemetry/policy_acts.h"

#include <gtest/gtest.h>

namespace weft::telemetry {
namespace {

TEST(PolicyActs, AreCountedByPolicyAndSummedOverWorkers) {
  PolicyActs one, two;
  one.count(PolicyAct::kDelayed, "default/slow");
  one.count(PolicyAct::kDelayed, "default/slow");
  one.count(PolicyAct::kAborted, "default/slow");
  two.count(PolicyAct::kDelayed, "default/slow");
  two.count(PolicyAct::kLimited, "default/cart-limits");
  PolicyActs::Totals totals;
  one.add_to(totals);
  two.add_to(totals);
  MetricsText text(false);
  write_policy_acts(text, totals);
  const std::string out = text.finish();
  for (std::string_view line :
       {"weft_injected_faults_total{policy=\"default/slow\",fault=\"delay\"} 3\n",
        "weft_injected_faults_total{policy=\"default/slow\",fault=\"abort\"} 1\n",
        "weft_rate_limited_requests_total{policy=\"default/cart-limits\"} 1\n"}) {
    EXPECT_NE(out.find(line), std::string::npos) << line << out;
  }
}

TEST(PolicyActs, OfTooManyPoliciesAreCountedTogether) {
  PolicyActs acts;
  for (size_t i = 0; i < PolicyActs::kMaxPolicies + 10; ++i) {
    acts.count(PolicyAct::kLimited, "default/" + std::to_string(i));
  }
  acts.count(PolicyAct::kLimited, "default/0");
  PolicyActs::Totals totals;
  acts.add_to(totals);
  EXPECT_EQ(totals.size(), PolicyActs::kMaxPolicies + 1);
  EXPECT_EQ((totals[{PolicyAct::kLimited, "other"}]), 10u);
  EXPECT_EQ((totals[{PolicyAct::kLimited, "default/0"}]), 2u);
}

}  // namespace
}  // namespace weft::telemetry
