#include "capture/resolver_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::capture {
namespace {

using testing::ElementsAre;

TEST(NsswitchInside, AsksOnlyFilesAndDns) {
  struct Case {
    const char* line;
    bool replaced;
  };
  for (const Case& c : {
           Case{"hosts: files dns", false},
           Case{"hosts:\tdns files", false},
           Case{"hosts: files mdns4_minimal [NOTFOUND=return] dns", true},
           Case{"hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns", true},
           Case{"hosts: files [NOTFOUND=return] dns",
                true},  // names not in /etc/hosts never reach DNS
           Case{"  hosts : files", true},
           Case{"#hosts: files resolve", false},
           Case{"hosts_old: resolve", false},
       }) {
    const std::string text = std::string("passwd: files\n") + c.line + "\nnetworks: files\n";
    auto inside = nsswitch_inside(text);
    EXPECT_EQ(inside.has_value(), c.replaced) << c.line;
    if (inside) {
      EXPECT_EQ(*inside, "passwd: files\nhosts: files dns\nnetworks: files\n") << c.line;
    }
  }
}

TEST(ResolvConfInside, ReplacesOnlyServersThatNeedAnInterface) {
  EXPECT_EQ(resolv_conf_inside("nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch a.b\n"),
            std::nullopt);
  EXPECT_EQ(resolv_conf_inside(""), std::nullopt);
  EXPECT_EQ(resolv_conf_inside(
                "search a.b\nnameserver fe80::1%eth0\nnameserver 10.0.0.1\noptions ndots:5"),
            "search a.b\noptions ndots:5\nnameserver 127.0.0.1\n");
}

TEST(ParseResolvConf, ReadsServersAndTheLastSearchList) {
  const ResolvConf conf = parse_resolv_conf(
      "# comment\nnameserver 10.0.0.1\nnameserver\tfe80::1%eth0 \ndomain old.example\nsearch "
      "a.example "
      "b.example\noptions ndots:2\n");
  EXPECT_THAT(conf.nameservers, ElementsAre("10.0.0.1", "fe80::1%eth0"));
  EXPECT_THAT(conf.search, ElementsAre("a.example", "b.example"));
}

TEST(ParseResolvConf, FallsBackToLoopbackAsTheCLibraryDoes) {
  EXPECT_THAT(parse_resolv_conf("search x\n").nameservers, ElementsAre("127.0.0.1"));
}

}  // namespace
}  // namespace weft::capture
