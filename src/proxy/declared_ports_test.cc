#include "proxy/declared_ports.h"

#include <gtest/gtest.h>

#include <set>

namespace weft::proxy {
namespace {

model::NameEntry entry(const std::string& name, const std::string& vip4,
                       std::vector<uint16_t> ports) {
  model::NameEntry row;
  row.service = {"default", name};
  row.vip4 = *IpAddress::parse(vip4);
  row.ports = std::move(ports);
  return row;
}

TEST(DeclaredPorts, TellTheRulesetEveryPortAndThenThatTheAddressIsKnown) {
  NameIndex index;
  index.put(entry("cart", "240.240.0.9", {80, 443}));
  DeclaredPorts ports;
  ports.want(index);
  EXPECT_FALSE(ports.settled());
  EXPECT_EQ(ports.next(), "clear\n+240.240.0.9 443\n+240.240.0.9 80\n+240.240.0.9\n");
  EXPECT_EQ(ports.next(), "") << "one change at a time";
  EXPECT_FALSE(ports.settled());
  ports.done();
  EXPECT_TRUE(ports.settled());
  EXPECT_EQ(ports.next(), "");
}

TEST(DeclaredPorts, AnEmptyIndexStillClearsWhatAKilledSidecarTold) {
  DeclaredPorts ports;
  ports.want({});
  EXPECT_EQ(ports.next(), "clear\n");
  ports.done();
  EXPECT_TRUE(ports.settled());
}

TEST(DeclaredPorts, TellOnlyWhatChanged) {
  NameIndex index;
  index.put(entry("cart", "240.240.0.9", {80, 443}));
  index.put(entry("web", "240.240.0.10", {80}));
  DeclaredPorts ports;
  ports.want(index);
  ports.next();
  ports.done();
  index.put(entry("cart", "240.240.0.9", {80, 8080}));
  index.erase({"default", "web"});
  ports.want(index);
  EXPECT_EQ(ports.next(), "-240.240.0.9 443\n-240.240.0.10\n-240.240.0.10 80\n+240.240.0.9 8080\n");
}

TEST(DeclaredPorts, OfHeadlessServicesAndOfThoseWhosePortsWereNotToldAreLeftAlone) {
  NameIndex index;
  auto headless = entry("db", "240.240.0.9", {80});
  headless.headless = true;
  index.put(headless);
  index.put(entry("old", "240.240.0.10", {}));
  DeclaredPorts ports;
  ports.want(index);
  EXPECT_EQ(ports.next(), "clear\n");
}

TEST(DeclaredPorts, ComeInPiecesOfBoundedSizeThatNeverRefuseADeclaredPort) {
  NameIndex index;
  for (int i = 0; i < 4000; ++i) {
    const std::string vip = "240.240." + std::to_string(i / 200) + "." + std::to_string(i % 200);
    index.put(entry("s" + std::to_string(i), vip, {80, 443}));
  }
  DeclaredPorts ports;
  ports.want(index);
  std::set<std::string> held;
  int pieces = 0;
  for (std::string text = ports.next(); !text.empty();
       ports.done(), text = ports.next(), ++pieces) {
    EXPECT_LE(text.size(), DeclaredPorts::kMostBytes + 64);
    while (!text.empty()) {
      const std::string line = text.substr(0, text.find('\n'));
      text.erase(0, line.size() + 1);
      if (line == "clear") continue;
      ASSERT_EQ(line[0], '+');
      const std::string place = line.substr(1);
      if (place.find(' ') == std::string::npos) {
        EXPECT_TRUE(held.contains(place + " 80") && held.contains(place + " 443")) << place;
      }
      held.insert(place);
    }
  }
  EXPECT_EQ(held.size(), 12000u);
  EXPECT_GT(pieces, 10);
  EXPECT_TRUE(ports.settled());
}

}  // namespace
}  // namespace weft::proxy
