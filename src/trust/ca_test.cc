#include "trust/ca.h"

#include <gtest/gtest.h>

#include <string>

#include "trust/openssl.h"

namespace weft::trust {
namespace {

const WallTime kNow = WallTime::from_unix_seconds(1'800'000'000);

model::SpiffeId cart() { return *model::SpiffeId::for_workload("td.test", "shop", "cart"); }

CertificateAuthority new_authority() {
  auto ca = CertificateAuthority::create("td.test", kNow);
  EXPECT_TRUE(ca);
  return std::move(*ca);
}

TEST(CaTest, IssuesACredentialThatIsAnSvid) {
  const auto ca = new_authority();
  const auto svid = ca.issue(cart(), kNow);
  ASSERT_TRUE(svid) << svid.error().message();
  EXPECT_EQ((*svid)->id(), cart());
  EXPECT_EQ((*svid)->not_before(), kNow - Duration::seconds(60));
  EXPECT_EQ((*svid)->not_after(), kNow + Duration::hours(1));
  EXPECT_EQ((*svid)->chain_der().size(), 2u);
  EXPECT_EQ((*svid)->serial_hex().size(), 32u);
}

TEST(CaTest, SerialNumbersDiffer) {
  const auto ca = new_authority();
  EXPECT_NE((*ca.issue(cart(), kNow))->serial_hex(), (*ca.issue(cart(), kNow))->serial_hex());
}

TEST(CaTest, IgnoresTheNamesInTheRequest) {
  const auto ca = new_authority();
  auto key = PrivateKey::generate();
  const auto csr = key->make_csr(*model::SpiffeId::for_server("td.test"));
  const auto issued = ca.sign(*csr, cart(), kNow);
  ASSERT_TRUE(issued);
  const auto svid = Svid::make(issued->chain_der, *key);
  ASSERT_TRUE(svid);
  EXPECT_EQ((*svid)->id(), cart());
}

TEST(CaTest, RefusesARequestWhoseSignatureIsNotItsKeys) {
  const auto ca = new_authority();
  std::string csr = *PrivateKey::generate()->make_csr(cart());
  csr.back() ^= 1;  // the last byte of the signature
  const auto issued = ca.sign(csr, cart(), kNow);
  ASSERT_FALSE(issued);
  EXPECT_EQ(issued.error().kind(), ErrorKind::kUnauthenticated);
}

TEST(CaTest, RefusesGarbageAndTrailingBytes) {
  const auto ca = new_authority();
  const std::string csr = *PrivateKey::generate()->make_csr(cart());
  for (const std::string& bad : {std::string(), std::string("hello"), csr + "x",
                                 csr.substr(0, csr.size() / 2), std::string(20'000, '0')}) {
    const auto issued = ca.sign(bad, cart(), kNow);
    ASSERT_FALSE(issued);
    EXPECT_EQ(issued.error().kind(), ErrorKind::kInvalid);
  }
}

TEST(CaTest, CertifiesOnlyItsOwnTrustDomain) {
  const auto ca = new_authority();
  EXPECT_FALSE(ca.issue(*model::SpiffeId::parse("spiffe://other/ns/a/sa/b"), kNow));
  EXPECT_FALSE(ca.issue(*model::SpiffeId::parse("spiffe://td.test"), kNow));
  EXPECT_FALSE(ca.issue(model::SpiffeId(), kNow));
}

TEST(CaTest, NeverIssuesPastItsOwnLife) {
  const auto ca = new_authority();
  const WallTime end = ca.intermediate_not_after();
  EXPECT_EQ(end, kNow + Duration::hours(24 * 30));
  const auto late = ca.issue(cart(), end - Duration::minutes(10));
  ASSERT_TRUE(late);
  EXPECT_EQ((*late)->not_after(), end);
  const auto too_late = ca.issue(cart(), end);
  ASSERT_FALSE(too_late);
  EXPECT_EQ(too_late.error().kind(), ErrorKind::kUnavailable);
}

TEST(CaTest, RenewsItsIntermediateFromHalfLifeOn) {
  auto ca = new_authority();
  EXPECT_FALSE(ca.intermediate_due(kNow + Duration::hours(24 * 14)));
  const WallTime later = kNow + Duration::hours(24 * 15);
  EXPECT_TRUE(ca.intermediate_due(later));
  const std::string root = ca.root_spki_sha256();
  ASSERT_TRUE(ca.renew_intermediate(later));
  EXPECT_FALSE(ca.intermediate_due(later));
  EXPECT_EQ(ca.intermediate_not_after(), later + Duration::hours(24 * 30));
  EXPECT_EQ(ca.root_spki_sha256(), root);
  EXPECT_TRUE(ca.issue(cart(), later));
}

TEST(CaTest, AnIntermediateNeverOutlivesTheRoot) {
  auto ca = new_authority();
  const WallTime end = ca.root_not_after();
  ASSERT_TRUE(ca.renew_intermediate(end - Duration::hours(1)));
  EXPECT_EQ(ca.intermediate_not_after(), end);
  EXPECT_FALSE(ca.renew_intermediate(end));
}

TEST(CaTest, ComesBackFromItsState) {
  const auto ca = new_authority();
  const auto again = CertificateAuthority::load(ca.state());
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->trust_domain(), "td.test");
  EXPECT_EQ(again->root_spki_sha256(), ca.root_spki_sha256());
  EXPECT_EQ(again->bundle().roots_der, ca.bundle().roots_der);
  EXPECT_TRUE(again->issue(cart(), kNow));
}

TEST(CaTest, RefusesAStateWhosePartsDoNotBelongTogether) {
  const auto good = new_authority().state();
  const auto other = new_authority().state();
  CaState bad = good;
  bad.root_key = other.root_key;
  EXPECT_FALSE(CertificateAuthority::load(bad));
  bad = good;
  bad.intermediate_certificate = other.intermediate_certificate;
  bad.intermediate_key = other.intermediate_key;
  EXPECT_FALSE(CertificateAuthority::load(bad));
  bad = good;
  bad.trust_domain = "other";
  EXPECT_FALSE(CertificateAuthority::load(bad));
  bad = good;
  bad.root_certificate = "-----BEGIN";
  EXPECT_FALSE(CertificateAuthority::load(bad));
}

TEST(SvidTest, RefusesAKeyThatIsNotTheCertificates) {
  const auto ca = new_authority();
  const auto svid = *ca.issue(cart(), kNow);
  EXPECT_FALSE(Svid::make(svid->chain_der(), *PrivateKey::generate()));
  EXPECT_FALSE(Svid::make({}, svid->key()));
  EXPECT_FALSE(Svid::make({svid->chain_der()[1]}, svid->key()));  // a CA is no leaf
  EXPECT_FALSE(Svid::make({"junk"}, svid->key()));
}

TEST(PrivateKeyTest, SurvivesItsPem) {
  const auto ca = new_authority();
  const auto svid = *ca.issue(cart(), kNow);
  const auto key = PrivateKey::from_pem(svid->key().to_pem());
  ASSERT_TRUE(key);
  EXPECT_TRUE(Svid::make(svid->chain_der(), *key));
}

TEST(PrivateKeyTest, RefusesOtherKeys) {
  EXPECT_FALSE(PrivateKey::from_pem(""));
  EXPECT_FALSE(
      PrivateKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"));
  // openssl genpkey -algorithm ed25519 (RFC 8410, section 10.3)
  EXPECT_FALSE(
      PrivateKey::from_pem("-----BEGIN PRIVATE KEY-----\n"
                           "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
                           "-----END PRIVATE KEY-----\n"));
}

TEST(CaTest, ThePinIsTheHashOfTheRootsKey) {
  const auto ca = new_authority();
  const auto root = parse_certificate(ca.bundle().roots_der[0]);
  ASSERT_TRUE(root);
  EXPECT_EQ(ca.root_spki_sha256(), spki_sha256(root->get()));
  EXPECT_EQ(ca.root_spki_sha256().size(), 64u);
  EXPECT_NE(ca.root_spki_sha256(), new_authority().root_spki_sha256());
}

}  // namespace
}  // namespace weft::trust
