// Connections to servers outside that need no certificates any more: towards the server that gave the ticket, for as long
// as what was verified holds. The server is OpenSSL's own.
#include "trust/outside_sessions.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include "trust/certificate_for_test.h"
#include "trust/tls.h"
#include "trust/tls_outside.h"

namespace weft::trust {
namespace {

const WallTime kNow{1'800'000'000'000'000'000};  // 2027-01-15

class Server {
 public:
  explicit Server(int version, uint64_t options = 0) : context_(SSL_CTX_new(TLS_server_method())) {
    const Owned<BIO> chain(BIO_new_mem_buf(kTestCertificate, -1));
    const Owned<BIO> key(BIO_new_mem_buf(kTestKey, -1));
    const Owned<X509> leaf(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
    const Owned<EVP_PKEY> secret(PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
    SSL_CTX_use_certificate(context_.get(), leaf.get());
    SSL_CTX_use_PrivateKey(context_.get(), secret.get());
    SSL_CTX_set_max_proto_version(context_.get(), version);
    SSL_CTX_set_options(context_.get(), options);
    SSL_CTX_set_num_tickets(context_.get(), 1);
  }
  void ask_for_certificates() { SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr); }
  // Shakes hands, says "hello" and keeps the connection open.
  void serve(TlsSession& client) {
    connection_.reset(SSL_new(context_.get()));
    SSL_set_bio(connection_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(connection_.get());
    EXPECT_TRUE(client.start());
    for (int i = 0; i < 10; ++i) {
      const Buffer there = std::exchange(client.output(), Buffer());
      BIO_write(SSL_get_rbio(connection_.get()), there.data(), static_cast<int>(there.size()));
      if (SSL_do_handshake(connection_.get()) == 1 && i == 5)
        SSL_write(connection_.get(), "hello", 5);
      char bytes[20'000];
      const int size = BIO_read(SSL_get_wbio(connection_.get()), bytes, sizeof bytes);
      Buffer back;
      back.append({bytes, static_cast<size_t>(std::max(size, 0))});
      outcome = client.receive(back);
    }
  }
  Result<void> outcome;

 private:
  Owned<SSL_CTX> context_;
  Owned<SSL> connection_;
};

TlsContextPtr context() {
  auto made = make_outside_client_context({.authorities_pem = kTestCertificate,
                                           .names = {{false, "a.example"}},
                                           .alpn = {},
                                           .chain_pem = "",
                                           .key_pem = ""});
  EXPECT_TRUE(made);
  return *made;
}

// Whether a new connection was resumed; a failure is told.
bool resumes(Server& server, const TlsContextPtr& context, WallTime now = kNow,
             std::string_view name = "a.example", std::string_view address = "192.0.2.1:443") {
  auto client = make_client_session(context, name, address, now);
  server.serve(*client);
  EXPECT_TRUE(server.outcome) << server.outcome.error().message();
  EXPECT_TRUE(client->established());
  EXPECT_EQ(client->plaintext().view(), "hello");
  EXPECT_GT(client->peer().not_after, now) << "known without being shown";
  return client->resumed();
}

TEST(OutsideSessions, AServerIsResumedUnderItsNameAndAddressAndContextOnly) {
  Server server(TLS1_3_VERSION);
  const TlsContextPtr ours = context();
  EXPECT_FALSE(resumes(server, ours));
  EXPECT_TRUE(resumes(server, ours));
  EXPECT_TRUE(resumes(server, ours)) << "each connection brings a new ticket";
  EXPECT_FALSE(resumes(server, ours, kNow, "a.example", "192.0.2.2:443"));
  EXPECT_FALSE(resumes(server, ours, kNow, "b.example"));
  EXPECT_FALSE(resumes(server, context())) << "as after a change of what is verified";
  EXPECT_TRUE(resumes(server, ours));
}

TEST(OutsideSessions, ATicketOfTls13IsOfferedOnce) {
  Server server(TLS1_3_VERSION);
  const TlsContextPtr ours = context();
  EXPECT_FALSE(resumes(server, ours));
  const auto holds_the_ticket = make_client_session(ours, "a.example", "192.0.2.1:443", kNow);
  EXPECT_FALSE(resumes(server, ours));
  EXPECT_TRUE(resumes(server, ours));
}

TEST(OutsideSessions, ASessionOfTls12IsResumedAgainAndAgainIfItIsBoundToItsHandshake) {
  Server server(TLS1_2_VERSION);
  const TlsContextPtr ours = context();
  EXPECT_FALSE(resumes(server, ours));
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(resumes(server, ours)) << i;
  Server old(TLS1_2_VERSION, SSL_OP_NO_EXTENDED_MASTER_SECRET);
  const TlsContextPtr other = context();
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(resumes(old, other)) << i;
}

TEST(OutsideSessions, CertificatesAreShownAgainAfterAWhileHoweverManyTicketsCame) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Server server(version);
    const TlsContextPtr ours = context();
    EXPECT_FALSE(resumes(server, ours));
    EXPECT_TRUE(resumes(server, ours, kNow + OutsideSessions::kMostAge / 2));
    EXPECT_TRUE(resumes(server, ours, kNow + OutsideSessions::kMostAge - Duration::seconds(1)));
    EXPECT_FALSE(resumes(server, ours, kNow + OutsideSessions::kMostAge));
    EXPECT_TRUE(resumes(server, ours, kNow + OutsideSessions::kMostAge + Duration::seconds(1)));
  }
}

TEST(OutsideSessions, NothingIsResumedBeyondTheCertificate) {
  Server server(TLS1_3_VERSION);
  const TlsContextPtr ours = context();
  const WallTime ends{4'949'057'181'000'000'000};  // 2126-10-30 18:06:21
  EXPECT_FALSE(resumes(server, ours, ends - Duration::seconds(60)));
  EXPECT_TRUE(resumes(server, ours, ends - Duration::seconds(2)));
  auto client =
      make_client_session(ours, "a.example", "192.0.2.1:443", ends + Duration::seconds(1));
  server.serve(*client);
  EXPECT_FALSE(client->established());
  ASSERT_FALSE(server.outcome);
  EXPECT_EQ(server.outcome.error().kind(), ErrorKind::kUnauthenticated);
}

TEST(OutsideSessions, AConnectionThatFailsTakesWithItWhatItsServerGave) {
  Server server(TLS1_3_VERSION);
  const TlsContextPtr ours = context();
  EXPECT_FALSE(resumes(server, ours));
  auto client = make_client_session(ours, "a.example", "192.0.2.1:443", kNow);
  server.serve(*client);
  EXPECT_TRUE(client->resumed());
  Buffer damaged;
  damaged.append(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
  EXPECT_FALSE(client->receive(damaged));
  EXPECT_FALSE(resumes(server, ours));
  EXPECT_TRUE(resumes(server, ours));
}

TEST(OutsideSessions, AServerThatFailsWhatItIsOfferedIsLeftAloneFromThenOn) {
  Server server(TLS1_3_VERSION);
  server.ask_for_certificates();  // without a session id context OpenSSL refuses its own tickets
  const TlsContextPtr ours = context();
  EXPECT_FALSE(resumes(server, ours));
  auto client = make_client_session(ours, "a.example", "192.0.2.1:443", kNow);
  server.serve(*client);
  EXPECT_FALSE(client->established());
  EXPECT_FALSE(server.outcome);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(resumes(server, ours)) << i;
}

TEST(OutsideSessions, NoMoreThanSoManyServersAreKept) {
  Server server(TLS1_3_VERSION);
  const TlsContextPtr ours = context();
  for (size_t i = 0; i <= OutsideSessions::kMostServers; ++i) {
    resumes(server, ours, kNow + Duration::millis(static_cast<int64_t>(i)), "a.example",
            std::to_string(i));
  }
  EXPECT_FALSE(resumes(server, ours, kNow, "a.example", "0")) << "the oldest is gone";
  EXPECT_TRUE(resumes(server, ours, kNow, "a.example", "100"));
}

}  // namespace
}  // namespace weft::trust
