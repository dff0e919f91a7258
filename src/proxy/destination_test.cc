#include "proxy/destination.h"

#include <gtest/gtest.h>

namespace weft::proxy {
namespace {

SocketAddress at(const char* text) { return *SocketAddress::parse(text); }

struct DestinationTest : testing::Test {
  Snapshot snapshot;
  MeshRanges ranges{*AddressRange::parse("240.240.0.0/15"), *AddressRange::parse("fd00:1::/48")};
  const model::ServiceName cart{"default", "cart"};

  DestinationTest() {
    auto names = std::make_shared<NameIndex>();
    names->put({cart, *IpAddress::parse("240.240.0.1"), *IpAddress::parse("fd00:1:0:1::1"), false});
    snapshot.names = names;
  }
  void add_service() {
    model::Service service;
    service.name = cart;
    service.ports.push_back({.port = 80, .protocol = model::Protocol::kHttp});
    snapshot.services[cart] = {*CompiledService::compile(service), std::make_shared<LastUse>()};
  }
  void add_endpoints() { snapshot.endpoints[cart] = std::make_shared<EndpointGroup>(); }
  Destination find(const char* address) { return find_destination(snapshot, ranges, at(address)); }
};

TEST_F(DestinationTest, AVirtualAddressIsAServiceOnceItsPartsAreHere) {
  EXPECT_EQ(find("240.240.0.1:80").kind, Destination::kUnknown);
  EXPECT_EQ(find("240.240.0.1:80").want.service, cart);
  add_service();
  EXPECT_EQ(find("240.240.0.1:80").kind, Destination::kUnknown);
  add_endpoints();
  Destination found = find("[fd00:1:0:1::1]:80");
  EXPECT_EQ(found.kind, Destination::kService);
  EXPECT_EQ(found.service, cart);
  EXPECT_EQ(found.protocol, model::Protocol::kHttp);
}

TEST_F(DestinationTest, APortThatIsNotDeclaredIsRefused) {
  add_service();
  Destination found = find("240.240.0.1:81");
  EXPECT_EQ(found.kind, Destination::kRefused);
  EXPECT_EQ(found.why, "service cart.default declares no port 81");
}

TEST_F(DestinationTest, AnotherMeshAddressIsAnInstanceOrRefused) {
  EXPECT_EQ(find("240.241.0.7:8080").want.mesh_address, "240.241.0.7");
  snapshot.absent.insert("WorkloadAddress/240.241.0.7");
  EXPECT_EQ(find("240.241.0.7:8080").kind, Destination::kRefused);
  auto workload = std::make_shared<LiveWorkload>();
  workload->ports[6379] = model::Protocol::kTcp;
  snapshot.workloads[*IpAddress::parse("240.241.0.8")] = workload;
  EXPECT_EQ(find("240.241.0.8:6379").kind, Destination::kWorkload);
  EXPECT_EQ(find("240.241.0.8:6379").protocol, model::Protocol::kTcp);
  EXPECT_EQ(find("240.241.0.8:1").protocol, model::Protocol::kAuto);
}

TEST_F(DestinationTest, EverythingElseIsExternal) {
  EXPECT_EQ(find("192.0.2.1:443").kind, Destination::kExternal);
  EXPECT_EQ(find("[2001:db8::1]:443").kind, Destination::kExternal);
}

TEST_F(DestinationTest, AServiceThatDoesNotExistIsRefused) {
  snapshot.absent.insert("Service/gone.default");
  EXPECT_EQ(find_service(snapshot, {"default", "gone"}, 80).kind, Destination::kRefused);
}

TEST(AddressRange, HoldsWhatSharesItsPrefix) {
  AddressRange range = *AddressRange::parse("240.240.0.0/15");
  EXPECT_TRUE(range.contains(*IpAddress::parse("240.241.255.255")));
  EXPECT_FALSE(range.contains(*IpAddress::parse("240.242.0.0")));
  EXPECT_FALSE(range.contains(*IpAddress::parse("fd00::1")));
  EXPECT_TRUE(AddressRange::parse("::/0")->contains(*IpAddress::parse("fd00::1")));
  for (const char* text : {"10.0.0.0", "10.0.0.0/33", "10.0.0.0/x", "x/8", "fd00::/129"}) {
    EXPECT_FALSE(AddressRange::parse(text)) << text;
  }
}

}  // namespace
}  // namespace weft::proxy
