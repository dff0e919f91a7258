#include "control/address_pool.h"

#include <gtest/gtest.h>

namespace weft::control {
namespace {

TEST(AddressPool, TurnsNumbersIntoTheAddressesOfTheRanges) {
  auto pool = AddressPool::parse("fd123456789a");
  ASSERT_TRUE(pool);
  EXPECT_EQ(pool->virtual4(9).to_string(), "240.240.0.9");
  EXPECT_EQ(pool->mesh4(300).to_string(), "240.241.1.44");
  EXPECT_EQ(pool->virtual6(9).to_string(), "fd12:3456:789a:1::9");
  EXPECT_EQ(pool->mesh6(65000).to_string(), "fd12:3456:789a:2::fde8");
  EXPECT_EQ(pool->range4(), "240.240.0.0/15");
  EXPECT_EQ(pool->range6(), "fd12:3456:789a::/48");
  EXPECT_EQ(pool->to_text(), "fd123456789a");
}

TEST(AddressPool, IsRandomPerTrustDomainAndAlwaysALocalAddress) {
  SeededRandom random(1);
  AddressPool a = AddressPool::random(random);
  AddressPool b = AddressPool::random(random);
  EXPECT_NE(a.to_text(), b.to_text());
  EXPECT_TRUE(a.to_text().starts_with("fd"));
  EXPECT_TRUE(AddressPool::parse(a.to_text()));
}

TEST(AddressPool, RefusesADamagedPrefix) {
  for (const char* text : {"", "fd12", "aa123456789a", "fd123456789az", "fd123456789a00"}) {
    EXPECT_FALSE(AddressPool::parse(text)) << text;
  }
}

}  // namespace
}  // namespace weft::control
