// Connections without certificates: who may make them, as whom, and what ends them.
#include "trust/tls_resume.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "trust/tls_fixture.h"

namespace weft::trust {
namespace {

constexpr const char* kName = "p8080.cart-1.mesh";

class TlsResumeTest : public testing::Test {
 protected:
  TlsResumeTest() {
    server_config_ = mesh_.server();
    server_config_.resume = true;
    client_config_ = mesh_.client();
    client_config_.resume = true;
    renew();
  }
  void renew_server() { server_ = *make_server_context(server_config_); }
  void renew_client() { client_ = *make_client_context(client_config_); }
  void renew() {
    renew_server();
    renew_client();
  }
  // Lets a client call; both must succeed.
  std::unique_ptr<Pair> call(WallTime now = kNow, std::string_view expected = kCart,
                             std::string_view name = kName) {
    auto pair = std::make_unique<Pair>(server_, client_, expected, now, name);
    pair->talk();
    EXPECT_TRUE(pair->client_outcome) << pair->client_outcome.error().message();
    EXPECT_TRUE(pair->server_outcome) << pair->server_outcome.error().message();
    EXPECT_TRUE(pair->both_established());
    EXPECT_EQ(pair->client->resumed(), pair->server->resumed());
    return pair;
  }
  bool resumes(WallTime now = kNow, std::string_view expected = kCart,
               std::string_view name = kName) {
    return call(now, expected, name)->client->resumed();
  }

  Mesh mesh_;
  TlsServerConfig server_config_;
  TlsClientConfig client_config_;
  TlsContextPtr server_, client_;
};

TEST_F(TlsResumeTest, TheSecondConnectionShowsNoCertificatesAndKnowsBothEndsAllTheSame) {
  EXPECT_FALSE(resumes());
  for (int i = 0; i < 3; ++i) {
    auto pair = call();
    ASSERT_TRUE(pair->client->resumed()) << i;
    EXPECT_EQ(pair->client->peer().spiffe_id, kCart);
    EXPECT_EQ(pair->server->peer().spiffe_id, kWeb);
    EXPECT_EQ(pair->client->peer().not_after, kNow + Duration::hours(1));
    EXPECT_EQ(pair->server->peer().not_after, kNow + Duration::hours(1));
    EXPECT_EQ(pair->client->alpn(), "h2");
    EXPECT_EQ(pair->server->alpn(), "h2");
    EXPECT_EQ(pair->server->server_name(), kName);
    ASSERT_TRUE(pair->client->send("question"));
    ASSERT_TRUE(pair->server->send("answer"));
    pair->talk();
    EXPECT_EQ(pair->server->plaintext().view(), "question");
    EXPECT_EQ(pair->client->plaintext().view(), "answer");
  }
}

TEST_F(TlsResumeTest, AConnectionCutWithoutACloseIsNoReasonForAFullHandshake) {
  call().reset();
  EXPECT_TRUE(resumes());
}

TEST_F(TlsResumeTest, NoTwoConnectionsShareTheirKeys) {
  call();
  auto first = call();
  auto second = call();
  ASSERT_TRUE(first->client->resumed() && second->client->resumed());
  ASSERT_TRUE(first->client->send("secret"));
  EXPECT_FALSE(second->server->receive(first->client->output()));
}

TEST_F(TlsResumeTest, BothEndsMustWantIt) {
  for (const bool server : {false, true}) {
    server_config_.resume = server;
    client_config_.resume = !server;
    renew();
    EXPECT_FALSE(resumes());
    EXPECT_FALSE(resumes());
  }
}

TEST_F(TlsResumeTest, AKeyIsOfferedOnlyForTheSameIdentityUnderTheSameName) {
  EXPECT_FALSE(resumes());
  // The server is cart: another identity expected under that name must be checked, and fails.
  Pair other(server_, client_, kWeb, kNow, kName);
  other.talk();
  ASSERT_FALSE(other.client_outcome);
  EXPECT_EQ(other.client_outcome.error().kind(), ErrorKind::kUnauthenticated);
  EXPECT_FALSE(resumes(kNow, kCart, "p8080.cart-2.mesh"));
  EXPECT_FALSE(resumes(kNow, kCart, "p9090.cart-1.mesh"));
  EXPECT_FALSE(resumes(kNow, "", kName)) << "nobody expected, nobody to resume";
  EXPECT_TRUE(resumes());
}

TEST_F(TlsResumeTest, WhoTookOverTheAddressIsVerifiedAndRefused) {
  EXPECT_FALSE(resumes());
  server_config_.svid = mesh_.svid("spiffe://td.test/ns/default/sa/imposter");
  renew_server();
  Pair pair(server_, client_, kCart, kNow, kName);
  pair.talk();
  ASSERT_FALSE(pair.client_outcome);
  EXPECT_EQ(pair.client_outcome.error().kind(), ErrorKind::kUnauthenticated);
  EXPECT_EQ(pair.client_outcome.error().retry(), Retry::kYes);
  EXPECT_FALSE(pair.both_established());
}

TEST_F(TlsResumeTest, ARotationOfEitherEndMakesTheNextHandshakeAFullOne) {
  EXPECT_FALSE(resumes());
  server_config_.svid = mesh_.svid(kCart);
  renew_server();
  EXPECT_FALSE(resumes());
  EXPECT_TRUE(resumes());
  client_config_.svid = mesh_.svid(kWeb);
  renew_client();
  EXPECT_FALSE(resumes());
  EXPECT_TRUE(resumes());
}

TEST_F(TlsResumeTest, AClientWhoseRootIsTrustedNoLongerIsRefusedAlthoughItHasAKey) {
  EXPECT_FALSE(resumes());
  ASSERT_TRUE(resumes());
  Mesh fresh;  // the same domain under a new root
  server_config_.bundle = fresh.ca.bundle();
  renew_server();
  Pair pair(server_, client_, kCart, kNow, kName);
  pair.talk();
  ASSERT_FALSE(pair.server_outcome);
  EXPECT_EQ(pair.server_outcome.error().kind(), ErrorKind::kUnauthenticated);
}

TEST_F(TlsResumeTest, AServerWhoseRootIsTrustedNoLongerIsRefusedAlthoughItHasAKey) {
  EXPECT_FALSE(resumes());
  Mesh fresh;
  client_config_.bundle = fresh.ca.bundle();
  renew_client();
  Pair pair(server_, client_, kCart, kNow, kName);
  pair.talk();
  ASSERT_FALSE(pair.client_outcome);
  EXPECT_EQ(pair.client_outcome.error().kind(), ErrorKind::kUnauthenticated);
}

TEST_F(TlsResumeTest, CertificatesAreShownAgainAfterAWhile) {
  EXPECT_FALSE(resumes());
  const WallTime ends = kNow + ResumptionCache::kMostAge;
  EXPECT_TRUE(resumes(ends - Duration::nanos(1)));
  EXPECT_FALSE(resumes(ends));
  EXPECT_TRUE(resumes(ends)) << "that one counts from then";
}

TEST_F(TlsResumeTest, AKeyEndsWithTheFirstOfBothCertificates) {
  struct Case {
    const char* what;
    WallTime server_issued, client_issued;
  };
  const WallTime early = kNow - Duration::minutes(55);  // five minutes left of an hour
  for (const Case& c : {Case{"server", early, kNow}, Case{"client", kNow, early}}) {
    SCOPED_TRACE(c.what);
    Mesh mesh;
    server_config_.bundle = client_config_.bundle = mesh.ca.bundle();
    server_config_.svid = mesh.svid(kCart, c.server_issued);
    client_config_.svid = mesh.svid(kWeb, c.client_issued);
    renew();
    const WallTime ends = early + Duration::hours(1);
    ASSERT_LT(ends, kNow + ResumptionCache::kMostAge);
    EXPECT_FALSE(resumes());
    EXPECT_TRUE(resumes(ends - Duration::nanos(1)));
    Pair late(server_, client_, kCart, ends, kName);
    late.talk();
    EXPECT_FALSE(late.both_established());
    EXPECT_FALSE(late.client_outcome && late.server_outcome);
  }
}

// The server judges by its own clock: a client that does not let go of its key gains nothing.
TEST_F(TlsResumeTest, AServerTakesNoKeyThatHasEnded) {
  EXPECT_FALSE(resumes());
  Pair pair(server_, client_, kCart, kNow, kName);
  pair.server = make_server_session(server_, kNow + ResumptionCache::kMostAge);
  pair.talk();
  ASSERT_TRUE(pair.both_established());
  EXPECT_FALSE(pair.server->resumed());
  EXPECT_FALSE(pair.client->resumed());
}

TEST_F(TlsResumeTest, AServerAnswersToItsNamesOnlyAlsoToThoseItKnows) {
  bool moved = false;
  server_config_.accept_name = [&moved](std::string_view) { return !moved; };
  renew_server();
  EXPECT_FALSE(resumes());
  moved = true;
  Pair pair(server_, client_, kCart, kNow, kName);
  pair.talk();
  ASSERT_FALSE(pair.server_outcome);
  EXPECT_EQ(pair.server_outcome.error().kind(), ErrorKind::kNotFound);
}

TEST_F(TlsResumeTest, AFailedHandshakeTakesItsKeyAlong) {
  EXPECT_FALSE(resumes());
  Pair broken(server_, client_, kCart, kNow, kName);
  ASSERT_TRUE(broken.client->start());
  Buffer garbage(std::string_view("\x15\x03\x03\0\2\2\50", 7));  // a fatal alert: handshake_failure
  EXPECT_FALSE(broken.client->receive(garbage));
  EXPECT_FALSE(resumes());
  EXPECT_TRUE(resumes());
}

TEST_F(TlsResumeTest, AJoiningServerRemembersNobody) {
  server_config_.client_auth = ClientAuth::kOptionalClient;
  renew_server();
  EXPECT_FALSE(resumes());
  EXPECT_FALSE(resumes());
}

TEST_F(TlsResumeTest, WhomOneWorkerHasVerifiedTheOthersKnow) {
  EXPECT_FALSE(resumes());
  server_config_.resume_with = server_;
  renew_server();
  EXPECT_TRUE(resumes());
}

TEST_F(TlsResumeTest, WorkersShareACacheFromTheirThreads) {
  server_config_.resume_with = server_;
  const TlsContextPtr other = *make_server_context(server_config_);
  EXPECT_FALSE(resumes());
  std::vector<std::jthread> workers;
  for (const TlsContextPtr& server : {server_, other}) {
    workers.emplace_back([this, server] {
      for (int i = 0; i < 20; ++i) {
        const bool known = i % 4 != 0;
        const std::string fresh = std::to_string(i) + (server == server_ ? ".a" : ".b");
        Pair pair(server, client_, kCart, kNow, known ? kName : fresh);
        pair.talk();
        EXPECT_TRUE(pair.both_established());
        EXPECT_EQ(pair.server->peer().spiffe_id, kWeb);
        EXPECT_EQ(pair.client->resumed(), known) << i;
      }
    });
  }
}

TEST(ResumptionCacheTest, KeepsTheNewestAndNoMoreThanItsBound) {
  ResumptionCache cache;
  auto key = std::make_shared<ResumptionKey>();
  key->ends = kNow + Duration::minutes(1);
  for (size_t i = 0; i < ResumptionCache::kMost + 10; ++i) cache.remember(std::to_string(i), key);
  EXPECT_EQ(cache.size(), ResumptionCache::kMost);
  EXPECT_EQ(cache.find("9", kNow), nullptr);
  EXPECT_EQ(cache.find("10", kNow), key);
  cache.remember("10", key);  // in place of itself
  EXPECT_EQ(cache.size(), ResumptionCache::kMost);
  cache.forget("10");
  EXPECT_EQ(cache.find("10", kNow), nullptr);
  EXPECT_EQ(cache.find("11", key->ends), nullptr);
  EXPECT_EQ(cache.size(), ResumptionCache::kMost - 2);
}

}  // namespace
}  // namespace weft::trust
