// A trust domain is made once and found again; its intermediate is renewed before it signs on.
#include "control/ca_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/disk.h"
#include "sim/sqlite_vfs.h"

namespace weft::control {
namespace {

using testing::HasSubstr;

constexpr WallTime kNow = WallTime::from_unix_seconds(1'800'000'000);

class CaServiceTest : public testing::Test {
 protected:
  CaServiceTest() : vfs_(disk_, "ca-test") { open_store(); }
  void open_store() {
    store_.reset();
    store_ = std::move(*Store::open({.path = "/weft.db", .vfs = vfs_.name()}));
  }
  Result<CaService> open(const std::string& domain, WallTime now = kNow) {
    return CaService::open(*store_, random_, domain, now);
  }

  sim::SimDisk disk_;
  sim::SqliteVfs vfs_;
  SeededRandom random_{9};
  std::unique_ptr<Store> store_;
};

TEST_F(CaServiceTest, ATrustDomainIsMadeOnceAndFoundAgain) {
  auto made = open("");
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->trust_domain(), "weft.local");
  const std::string root = made->authority().root_spki_sha256();
  const std::string addresses = made->addresses().to_text();
  open_store();
  auto again = open("weft.local", kNow + Duration::hours(1));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->authority().root_spki_sha256(), root);
  EXPECT_EQ(again->addresses().to_text(), addresses);
}

TEST_F(CaServiceTest, AnotherTrustDomainInTheSameStoreIsRefused) {
  ASSERT_TRUE(open("shop.example"));
  auto other = open("bank.example");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().kind(), ErrorKind::kConflict);
  EXPECT_THAT(other.error().message(), HasSubstr("belongs to the trust domain shop.example"));
  EXPECT_TRUE(open("")) << "not naming one takes what is there";
}

TEST_F(CaServiceTest, AStoreThatLacksAPartIsSaidToBeDamaged) {
  ASSERT_TRUE(open(""));
  ASSERT_TRUE(store_->set_meta({{"ca_root_key", "nonsense"}}));
  auto damaged = open("");
  ASSERT_FALSE(damaged);
  EXPECT_THAT(damaged.error().message(), HasSubstr("the stored certificate authority"));
}

TEST_F(CaServiceTest, TheIntermediateIsRenewedAtHalfOfItsLifeAndStoredFirst) {
  auto ca = open("");
  ASSERT_TRUE(ca);
  const Duration half = trust::CertificateAuthority::kIntermediateLife / 2;
  EXPECT_FALSE(*ca->maintain(kNow + half - Duration::minutes(2)));
  const WallTime before = ca->authority().intermediate_not_after();
  auto renewed = ca->maintain(kNow + half);
  ASSERT_TRUE(renewed);
  EXPECT_TRUE(*renewed);
  const WallTime after = ca->authority().intermediate_not_after();
  EXPECT_GT(after, before);
  EXPECT_FALSE(*ca->maintain(kNow + half)) << "once";
  open_store();
  EXPECT_EQ(open("", kNow + half)->authority().intermediate_not_after(), after);
}

TEST_F(CaServiceTest, AServerThatWasOffForLongRenewsWhenItStarts) {
  ASSERT_TRUE(open(""));
  const WallTime later = kNow + Duration::hours(24 * 40);
  auto ca = open("", later);
  ASSERT_TRUE(ca) << ca.error().message();
  EXPECT_GT(ca->authority().intermediate_not_after(), later + Duration::hours(24 * 29));
}

}  // namespace
}  // namespace weft::control
