#include "capture/plan.h"

#include <gtest/gtest.h>

namespace weft::capture {
namespace {

NetworkPlan sample() {
  NetworkPlan plan;
  plan.mesh4 = *IpAddress::parse("240.241.0.7");
  plan.mesh6 = *IpAddress::parse("fd00:1:2:2::7");
  return plan;
}

TEST(NetworkPlan, SurvivesTheWayToTheProcessInside) {
  NetworkPlan plan = sample();
  plan.host_ports = {5432, 6379};
  auto back = NetworkPlan::from_text(plan.to_text());
  ASSERT_TRUE(back.has_value()) << back.error().message();
  EXPECT_EQ(back->mesh4, plan.mesh4);
  EXPECT_EQ(back->mesh6, plan.mesh6);
  EXPECT_EQ(back->host_ports, (std::vector<uint16_t>{5432, 6379}));
}

TEST(NetworkPlan, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"mesh4 240.241.0.7\n",             // no mesh6
                           "mesh4 fd00::1\nmesh6 fd00::1\n",  // a v6 address as v4
                           "mesh4 240.241.0.7\nmesh6 fd00::1\nhost-port 0\n",
                           "mesh4 240.241.0.7\nmesh6 fd00::1\nhost-port 70000\n",
                           "mesh4 240.241.0.7\nmesh6 fd00::1\nhost-port 80x\n",
                           "mesh4 240.241.0.7\nmesh6 fd00::1\ncolour red\n", "nonsense\n"})
    EXPECT_FALSE(NetworkPlan::from_text(text).has_value()) << text;
}

TEST(Ruleset, CapturesHostPortsBeforeLoopbackIsLeftAlone) {
  NetworkPlan plan = sample();
  plan.host_ports = {5432};
  const std::string rules = make_ruleset(plan, true);
  const size_t host_port =
      rules.find("ip daddr 127.0.0.0/8 tcp dport { 5432 } tproxy ip to 127.0.0.1:15001");
  const size_t own = rules.find("ip daddr { 127.0.0.0/8, 240.241.0.7 } return");
  ASSERT_NE(host_port, std::string::npos) << rules;
  ASSERT_NE(own, std::string::npos) << rules;
  EXPECT_LT(host_port, own);
}

TEST(Ruleset, NamesNoHostPortsWhenThereAreNone) {
  EXPECT_EQ(make_ruleset(sample(), true).find("tcp dport { 5432"), std::string::npos);
}

TEST(Ruleset, RefusesUndeclaredPortsOfKnownAddressesOnly) {
  EXPECT_NE(make_ruleset(sample(), true)
                .find("ip daddr @known4 ip daddr . tcp dport != @declared4 log group 3 snaplen 64 "
                      "queue-threshold 32 reject with tcp reset"),
            std::string::npos);
}

TEST(Ruleset, NeedsNoPacketLogWhenToldSo) {
  const std::string rules = make_ruleset(sample(), false);
  EXPECT_EQ(rules.find("log"), std::string::npos);
  EXPECT_NE(rules.find("reject"), std::string::npos);
}

}  // namespace
}  // namespace weft::capture
