#include "model/identity.h"

#include <gtest/gtest.h>

#include <string>

#include "model/service.h"

namespace weft::model {
namespace {

TEST(SpiffeIdTest, AcceptsWhatTheStandardAllows) {
  const std::string longest_domain(255, 'a');
  for (const std::string& uri : {
           std::string("spiffe://example.org"),
           std::string("spiffe://example.org/ns/default/sa/web"),
           std::string("spiffe://td_1-x.y/A.b-C_9"),
           std::string("spiffe://td/..."),
           std::string("spiffe://td/.hidden/a..b"),
           "spiffe://" + longest_domain + "/x",
           "spiffe://td/" + std::string(2048 - 12, 'p'),
       }) {
    const auto id = SpiffeId::parse(uri);
    ASSERT_TRUE(id) << uri;
    EXPECT_EQ(id->uri(), uri);
  }
}

TEST(SpiffeIdTest, RefusesWhatTheStandardForbids) {
  for (const std::string& uri : {
           std::string(),
           std::string("spiffe:/"),
           std::string("spiffe://"),
           std::string("spiffe:///path"),
           std::string("SPIFFE://td/x"),
           std::string("http://td/x"),
           std::string("spiffe://TD/x"),
           std::string("spiffe://td:80/x"),
           std::string("spiffe://user@td/x"),
           std::string("spiffe://td/"),
           std::string("spiffe://td/x/"),
           std::string("spiffe://td//x"),
           std::string("spiffe://td/./x"),
           std::string("spiffe://td/x/.."),
           std::string("spiffe://td/a%20b"),
           std::string("spiffe://td/x?q=1"),
           std::string("spiffe://td/x#f"),
           std::string("spiffe://td/\xc3\xa9"),
           std::string("spiffe://td/x\0y", 15),
           "spiffe://" + std::string(256, 'a'),
           "spiffe://td/" + std::string(2048 - 11, 'p'),
       }) {
    EXPECT_FALSE(SpiffeId::parse(uri)) << uri;
  }
}

TEST(SpiffeIdTest, TakesAWorkloadIdApart) {
  const auto id = SpiffeId::for_workload("mesh.local", "shop", "cart");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->uri(), "spiffe://mesh.local/ns/shop/sa/cart");
  EXPECT_EQ(id->trust_domain(), "mesh.local");
  EXPECT_EQ(id->path(), "/ns/shop/sa/cart");
  EXPECT_EQ(id->workload_namespace(), "shop");
  EXPECT_EQ(id->workload_name(), "cart");
  EXPECT_FALSE(id->is_machine());
  EXPECT_FALSE(id->is_server());
}

TEST(SpiffeIdTest, MachineAndServerHaveShapesOfTheirOwn) {
  const auto machine = SpiffeId::for_machine("td", "box-1");
  ASSERT_TRUE(machine);
  EXPECT_EQ(machine->uri(), "spiffe://td/machine/box-1");
  EXPECT_TRUE(machine->is_machine());
  EXPECT_EQ(machine->workload_name(), "");

  const auto server = SpiffeId::for_server("td");
  ASSERT_TRUE(server);
  EXPECT_EQ(server->uri(), "spiffe://td/server");
  EXPECT_TRUE(server->is_server());
  EXPECT_FALSE(server->is_machine());
}

TEST(SpiffeIdTest, NoPartCanSmuggleASlash) {
  EXPECT_FALSE(SpiffeId::for_workload("td", "a/sa/b", "c"));
  EXPECT_FALSE(SpiffeId::for_workload("td", "a", "b/c"));
  EXPECT_FALSE(SpiffeId::for_workload("td", "..", "b"));
  EXPECT_FALSE(SpiffeId::for_workload("td/ns", "a", ""));
  EXPECT_FALSE(SpiffeId::for_machine("td", ""));
  EXPECT_FALSE(SpiffeId::for_machine("td", "a/b"));
  EXPECT_FALSE(SpiffeId::for_server("T"));
}

TEST(SpiffeIdTest, OtherPathsAreNoWorkloads) {
  for (const char* uri : {"spiffe://td", "spiffe://td/ns/a", "spiffe://td/ns/a/sa/b/c",
                          "spiffe://td/x/ns/a/sa/b", "spiffe://td/ns/a/sb/b"}) {
    const auto id = SpiffeId::parse(uri);
    ASSERT_TRUE(id) << uri;
    EXPECT_EQ(id->workload_namespace(), "") << uri;
    EXPECT_EQ(id->workload_name(), "") << uri;
  }
  EXPECT_FALSE(SpiffeId::parse("spiffe://td/machine/a/b")->is_machine());
  EXPECT_EQ(SpiffeId().trust_domain(), "");
  EXPECT_EQ(SpiffeId().path(), "");
}

TEST(ServiceNameTest, UnderstandsTheFormsOfAName) {
  struct Case {
    const char *text, *name, *ns;
  };
  for (const Case& c :
       {Case{"cart", "cart", "default"}, Case{"cart.shop", "cart", "shop"},
        Case{"cart.shop.svc.mesh", "cart", "shop"}, Case{"cart.shop.svc.mesh.", "cart", "shop"},
        Case{"cart.", "cart", "default"}, Case{"a-1.b-2.", "a-1", "b-2"},
        Case{"svc.mesh", "svc", "mesh"}}) {
    const auto name = ServiceName::parse(c.text);
    ASSERT_TRUE(name) << c.text;
    EXPECT_EQ(name->name, c.name) << c.text;
    EXPECT_EQ(name->ns, c.ns) << c.text;
  }
  EXPECT_EQ(ServiceName::parse("cart", "shop")->dns_name(), "cart.shop.svc.mesh");
  EXPECT_EQ(ServiceName::parse("cart", "shop")->to_string(), "cart.shop");
}

TEST(ServiceNameTest, RefusesOtherNames) {
  const std::string too_long(64, 'a');
  for (const std::string& text :
       {std::string(), std::string("."), std::string("cart.."), std::string("a.b.c"),
        std::string("cart.shop.svc"), std::string("cart.svc.mesh"), std::string("Cart"),
        std::string("-a"), std::string("a-"), std::string("a_b"), std::string("a.-b"), too_long,
        std::string("x.") + too_long, std::string("cart.shop.svc.mesh.."),
        std::string("cart.shop.svc.cluster.local")}) {
    EXPECT_FALSE(ServiceName::parse(text)) << text;
  }
}

TEST(ProtocolTest, EverySpellingIsKnown) {
  EXPECT_EQ(parse_protocol("http"), Protocol::kHttp);
  EXPECT_EQ(parse_protocol("h2c"), Protocol::kH2c);
  EXPECT_EQ(parse_protocol("kubernetes.io/h2c"), Protocol::kH2c);
  EXPECT_EQ(parse_protocol("grpc"), Protocol::kGrpc);
  EXPECT_EQ(parse_protocol("tcp"), Protocol::kTcp);
  EXPECT_EQ(parse_protocol("kubernetes.io/ws"), Protocol::kHttp);
  EXPECT_EQ(parse_protocol("kubernetes.io/wss"), Protocol::kTcp);
  EXPECT_EQ(parse_protocol("HTTP"), std::nullopt);
  EXPECT_EQ(parse_protocol(""), std::nullopt);
  for (const Protocol p : {Protocol::kHttp, Protocol::kH2c, Protocol::kGrpc, Protocol::kTcp}) {
    EXPECT_EQ(parse_protocol(to_string(p)), p);
  }
}

}  // namespace
}  // namespace weft::model
