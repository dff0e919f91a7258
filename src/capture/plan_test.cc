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

TEST(Ruleset, RedirectsHostPortsBeforeLoopbackIsLeftAlone) {
  NetworkPlan plan = sample();
  plan.host_ports = {5432};
  const std::string rules = make_ruleset(plan, true);
  const size_t host_port = rules.find("ip daddr 127.0.0.0/8 tcp dport { 5432 } redirect to :15001");
  const size_t own = rules.find("ip daddr { 127.0.0.0/8, 240.241.0.7 } return");
  ASSERT_NE(host_port, std::string::npos) << rules;
  ASSERT_NE(own, std::string::npos) << rules;
  EXPECT_LT(host_port, own);
}

TEST(Ruleset, NamesNoHostPortsWhenThereAreNone) {
  EXPECT_EQ(make_ruleset(sample(), true).find("dport {"), std::string::npos);
}

TEST(Ruleset, RefusesUndeclaredPortsAfterDnsAndBeforeTheSidecar) {
  const std::string rules = make_ruleset(sample(), true);
  const size_t dns = rules.find("tcp dport 53 redirect");
  const size_t refused = rules.find(
      "ip daddr @known4 ip daddr . tcp dport != @declared4 log group 3 snaplen 64 "
      "queue-threshold 32 redirect to :15002");
  const size_t rest = rules.find("meta l4proto tcp redirect to :15001");
  ASSERT_NE(refused, std::string::npos) << rules;
  EXPECT_LT(dns, refused);
  EXPECT_LT(refused, rest);
}

TEST(Ruleset, NeedsNoPacketLogWhenToldSo) {
  const std::string rules = make_ruleset(sample(), false);
  EXPECT_EQ(rules.find("log"), std::string::npos);
  EXPECT_NE(rules.find("reject"), std::string::npos);
}

}  // namespace
}  // namespace weft::capture
