// Tokens and what they are traded for, without sockets.
#include "control/join_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/disk.h"
#include "sim/sqlite_vfs.h"
#include "trust/svid.h"
#include "xds/join_token.h"

namespace weft::control {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

class ManualClock final : public Clock {
 public:
  Instant now() const override { return {}; }
  WallTime wall_now() const override { return now_; }
  void pass(Duration span) { now_ = now_ + span; }

 private:
  WallTime now_ = WallTime::from_unix_seconds(1'800'000'000);
};

class JoinServiceTest : public testing::Test {
 protected:
  JoinServiceTest() : vfs_(disk_, "join-test"), key_(*trust::PrivateKey::generate()) {
    store_ = std::move(*Store::open({.path = "/weft.db", .vfs = vfs_.name()}));
    ca_.emplace(std::move(*CaService::open(*store_, random_, "", clock_.wall_now())));
    make({*SocketAddress::parse("192.0.2.1:7443")});
  }
  void make(std::vector<SocketAddress> advertised, Duration life = CaService::kMachineLife) {
    joining_ =
        std::make_unique<JoinService>(*store_, *ca_, clock_, random_, std::move(advertised), life);
  }
  std::string csr() { return *key_.make_csr(*model::SpiffeId::for_machine("weft.local", "new")); }
  static std::string secret_of(const NewToken& token) {
    return xds::base64url_encode(xds::JoinToken::decode(token.token)->secret);
  }
  std::shared_ptr<const trust::Svid> svid_of(const Credential& credential) {
    return *trust::Svid::make(credential.chain_der, key_);
  }

  ManualClock clock_;
  sim::SimDisk disk_;
  sim::SqliteVfs vfs_;
  SeededRandom random_{9};
  trust::PrivateKey key_;
  std::unique_ptr<Store> store_;
  std::optional<CaService> ca_;
  std::unique_ptr<JoinService> joining_;
};

TEST_F(JoinServiceTest, ATokenCarriesAddressAndRootAndItsSecretIsKeptAsAHashOnly) {
  auto made = joining_->create_token({.ns = "shop", .service = "web", .ttl = Duration::hours(1)});
  ASSERT_TRUE(made) << made.error().message();
  auto token = xds::JoinToken::decode(made->token);
  ASSERT_TRUE(token);
  EXPECT_EQ(token->servers.at(0).to_string(), "192.0.2.1:7443");
  EXPECT_EQ(token->root_spki_sha256, ca_->authority().root_spki_sha256());
  EXPECT_EQ(made->expires, clock_.wall_now() + Duration::hours(1));
  EXPECT_EQ(made->join_line, "weft run --server 192.0.2.1:7443 --token " + made->token +
                                 " --namespace shop --service web:PORT -- COMMAND");
  auto rows = store_->tokens();
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_NE(rows->at(0).secret_sha256, token->secret);
}

TEST_F(JoinServiceTest, RefusesTokensThatMakeNoSense) {
  const std::pair<TokenRequest, const char*> kRows[] = {
      {{.ns = "No Name"}, "namespace 'No Name' is no name"},
      {{.service = "a.b"}, "service 'a.b' is no name"},
      {{.ttl = Duration{}}, "at most 7 days"},
      {{.ttl = Duration::hours(24 * 7 + 1)}, "at most 7 days"},
  };
  for (const auto& [request, text] : kRows) {
    auto made = joining_->create_token(request);
    ASSERT_FALSE(made) << text;
    EXPECT_THAT(made.error().message(), HasSubstr(text));
  }
  make({});
  auto nowhere = joining_->create_token({});
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().kind(), ErrorKind::kUnavailable);
  EXPECT_THAT(nowhere.error().message(), HasSubstr("--advertise"));
}

TEST_F(JoinServiceTest, AMachineGetsACredentialOfTheLifeThatWasAskedForAndRenewsIt) {
  make({*SocketAddress::parse("192.0.2.1:7443")}, Duration::hours(2));
  auto made = joining_->create_token({});
  auto joined = joining_->join(secret_of(*made), "Anna's Laptop", csr());
  ASSERT_TRUE(joined) << joined.error().message();
  auto svid = svid_of(*joined);
  EXPECT_THAT(svid->id().uri(),
              MatchesRegex("spiffe://weft.local/machine/anna-s-laptop-[0-9a-f]{6}"));
  EXPECT_EQ(svid->not_after(), clock_.wall_now() + Duration::hours(2));

  clock_.pass(Duration::hours(1));
  const std::string id(svid->id().path().substr(std::string_view("/machine/").size()));
  auto renewed = joining_->renew(id, csr());
  ASSERT_TRUE(renewed) << renewed.error().message();
  EXPECT_EQ(svid_of(*renewed)->id(), svid->id());
  EXPECT_EQ(svid_of(*renewed)->not_after(), clock_.wall_now() + Duration::hours(2));
}

TEST_F(JoinServiceTest, ADamagedRequestCostsNoTokenAndNoTokenWorksTwice) {
  auto made = joining_->create_token({});
  const std::string secret = secret_of(*made);
  EXPECT_FALSE(joining_->join(secret, "a", "no request"));
  EXPECT_EQ(joining_->join("%%%", "a", csr()).error().kind(), ErrorKind::kUnauthenticated);
  EXPECT_TRUE(joining_->join(secret, "a", csr()));
  auto again = joining_->join(secret, "b", csr());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind(), ErrorKind::kUnauthenticated);
  EXPECT_THAT(again.error().message(), HasSubstr("used before"));
  EXPECT_EQ(store_->machines()->size(), 1u);
}

TEST_F(JoinServiceTest, ATokenEndsAndIsForgottenWhenTheNextIsMade) {
  auto made = joining_->create_token({.ttl = Duration::minutes(1)});
  clock_.pass(Duration::minutes(1));
  auto late = joining_->join(secret_of(*made), "a", csr());
  ASSERT_FALSE(late);
  EXPECT_THAT(late.error().message(), HasSubstr("has expired"));
  ASSERT_TRUE(joining_->create_token({}));
  EXPECT_EQ(store_->tokens()->size(), 1u);
}

TEST_F(JoinServiceTest, ARevokedMachineIsToldToJoinAgain) {
  auto made = joining_->create_token({});
  auto joined = joining_->join(secret_of(*made), "a", csr());
  ASSERT_TRUE(joined);
  const std::string id = store_->machines()->at(0).id;
  ASSERT_TRUE(store_->revoke_machine(id));
  for (const std::string& who : {id, std::string("never-joined")}) {
    auto renewed = joining_->renew(who, csr());
    ASSERT_FALSE(renewed);
    EXPECT_EQ(renewed.error().kind(), ErrorKind::kDenied);
    EXPECT_THAT(renewed.error().message(), HasSubstr("join it again with a new token"));
  }
}

}  // namespace
}  // namespace weft::control
