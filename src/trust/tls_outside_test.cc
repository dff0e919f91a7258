// A client of servers outside the mesh against a server with a certificate of its own: whom it believes.
#include "trust/tls_outside.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trust/certificate_for_test.h"
#include "trust/tls.h"

namespace weft::trust {
namespace {

const WallTime kNow{1'800'000'000'000'000'000};  // 2027-01-15

// Bytes go to and fro until nobody has any left.
void converse(TlsSession& a, TlsSession& b) {
  for (int i = 0; i < 20; ++i) {
    Buffer there = std::exchange(a.output(), Buffer());
    Buffer back = std::exchange(b.output(), Buffer());
    if (there.empty() && back.empty()) return;
    if (!there.empty()) (void)b.receive(there);
    if (!back.empty()) (void)a.receive(back);
  }
}

struct Pair {
  std::unique_ptr<TlsSession> client, server;
  Result<void> outcome;
};

// What a client of this configuration makes of the server; one more receive tells its error.
Pair connect(OutsideClientConfig config, WallTime now = kNow) {
  auto server = make_public_server(kTestCertificate, kTestKey, {"h2", "http/1.1"});
  auto context = make_outside_client_context(config);
  EXPECT_TRUE(server && context) << (context ? "" : context.error().message());
  Pair pair{make_client_session(*context, "api.example", "", now),
            make_server_session(server->context, now),
            {}};
  EXPECT_TRUE(pair.client->start());
  converse(*pair.client, *pair.server);
  Buffer nothing;
  pair.outcome = pair.client->receive(nothing);
  return pair;
}

OutsideClientConfig config(std::vector<OutsideName> names) {
  return {.authorities_pem = kTestCertificate,
          .names = std::move(names),
          .alpn = {"h2", "http/1.1"},
          .chain_pem = "",
          .key_pem = ""};
}

TEST(OutsideClient, BelievesAServerWithOneOfTheNamesAndCarriesBytesBothWays) {
  Pair pair = connect(config({{false, "x.example"}, {false, "www.b.example"}}));
  ASSERT_TRUE(pair.outcome) << pair.outcome.error().message();
  ASSERT_TRUE(pair.client->established());
  EXPECT_EQ(pair.client->alpn(), "h2");
  EXPECT_EQ(pair.server->server_name(), "api.example");
  ASSERT_TRUE(pair.client->send("ping"));
  ASSERT_TRUE(pair.server->send(std::string(100'000, 'x')));
  converse(*pair.client, *pair.server);
  EXPECT_EQ(pair.server->plaintext().view(), "ping");
  EXPECT_EQ(pair.client->plaintext().view(), std::string(100'000, 'x'));
  pair.server->close();
  converse(*pair.client, *pair.server);
  EXPECT_TRUE(pair.client->peer_closed());
}

TEST(OutsideClient, RefusesWhomItCannotVerifyAndSaysWhy) {
  struct Row {
    const char* what;
    OutsideClientConfig config;
    WallTime now;
    const char* why;
  };
  OutsideClientConfig host = config({{false, "a.example"}});
  host.authorities_pem.clear();  // the host trusts no such certificate
  const Row rows[] = {
      {"another name", config({{false, "b.example"}}), kNow, "not for b.example"},
      {"a URI it does not have", config({{true, "spiffe://a.example"}}), kNow,
       "not for spiffe://a.example"},
      {"a host name is no URI", config({{true, "a.example"}}), kNow, "not for a.example"},
      {"not valid yet", config({{false, "a.example"}}), WallTime{1'000'000'000'000'000'000},
       "not yet valid"},
      {"authorities of the host", host, kNow, "refused"},
  };
  for (const Row& row : rows) {
    Pair pair = connect(row.config, row.now);
    ASSERT_FALSE(pair.outcome) << row.what;
    EXPECT_FALSE(pair.client->established()) << row.what;
    EXPECT_EQ(pair.outcome.error().kind(), ErrorKind::kUnauthenticated) << row.what;
    EXPECT_THAT(pair.outcome.error().message(), testing::HasSubstr(row.why)) << row.what;
  }
}

TEST(OutsideClient, NeedsANameAndUndamagedAuthorities) {
  EXPECT_FALSE(make_outside_client_context(config({})));
  OutsideClientConfig damaged = config({{false, "a.example"}});
  damaged.authorities_pem = "nothing";
  EXPECT_FALSE(make_outside_client_context(damaged));
}

}  // namespace
}  // namespace weft::trust
