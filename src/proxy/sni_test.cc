#include "proxy/sni.h"

#include <gtest/gtest.h>

namespace weft::proxy {
namespace {

TEST(HopServerName, NamesPortAndInstance) {
  EXPECT_EQ(hop_server_name("cart-7f3a9c", 8080), "p8080.cart-7f3a9c.mesh");
}

TEST(HopServerName, ReadsWhatItWrites) {
  EXPECT_EQ(parse_hop_server_name("p8080.cart-7f3a9c.mesh"), (HopName{8080, "cart-7f3a9c"}));
  EXPECT_EQ(parse_hop_server_name("p65535.a.mesh"), (HopName{65535, "a"}));
}

TEST(HopServerName, RefusesEveryOtherShape) {
  for (const char* text :
       {"", "p80", "p80.mesh", "80.cart.mesh", "p.cart.mesh", "p0.cart.mesh", "p080.cart.mesh",
        "p65536.cart.mesh", "p80x.cart.mesh", "p-80.cart.mesh", "p80..mesh", "p80.a.b.mesh",
        "p80.Cart.mesh", "p80.cart.mesh.", "p80.cart.svc", "P80.cart.mesh"}) {
    EXPECT_FALSE(parse_hop_server_name(text)) << text;
  }
}

}  // namespace
}  // namespace weft::proxy
