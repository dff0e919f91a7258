// Sessions as bytes in and bytes out: data, protocols, names, closing, damage.
#include "trust/tls.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "trust/tls_fixture.h"

namespace weft::trust {
namespace {

TEST(TlsTest, TwoWorkloadsShakeHands) {
  Mesh mesh;
  Pair pair(mesh.server(), mesh.client(), kCart, kNow, "p8080.cart-1.mesh");
  pair.talk();
  ASSERT_TRUE(pair.client_outcome) << pair.client_outcome.error().message();
  ASSERT_TRUE(pair.server_outcome) << pair.server_outcome.error().message();
  ASSERT_TRUE(pair.both_established());
  EXPECT_EQ(pair.client->peer().spiffe_id, kCart);
  EXPECT_EQ(pair.server->peer().spiffe_id, kWeb);
  EXPECT_EQ(pair.client->peer().not_after, kNow + Duration::hours(1));
  EXPECT_EQ(pair.client->alpn(), "h2");
  EXPECT_EQ(pair.server->alpn(), "h2");
  EXPECT_EQ(pair.server->server_name(), "p8080.cart-1.mesh");
}

TEST(TlsTest, WhatWasWrittenEarlyArrivesAfterTheHandshake) {
  Mesh mesh;
  Pair pair(mesh.server(), mesh.client());
  ASSERT_TRUE(pair.client->send("hello"));
  pair.talk();
  EXPECT_EQ(pair.server->plaintext().view(), "hello");
}

TEST(TlsTest, AMegabyteEachWayInSegmentsOfAnySize) {
  Mesh mesh;
  SeededRandom random(1);
  std::string data(1 << 20, '\0');
  for (char& c : data) c = static_cast<char>(random.next());
  struct Case {
    size_t segment, size;
  };
  for (const Case c : {Case{1, 40'000}, Case{1460, 1 << 20}, Case{1 << 22, 1 << 20}}) {
    Pair pair(mesh.server(), mesh.client());
    pair.talk(c.segment);
    ASSERT_TRUE(pair.both_established()) << c.segment;
    const std::string_view sent = std::string_view(data).substr(0, c.size);
    ASSERT_TRUE(pair.client->send(sent));
    ASSERT_TRUE(pair.server->send(sent));
    pair.talk(c.segment);
    EXPECT_TRUE(pair.server->plaintext().view() == sent) << c.segment;
    EXPECT_TRUE(pair.client->plaintext().view() == sent) << c.segment;
  }
}

TEST(TlsTest, ManyRecordsComeOutOfOneReceive) {
  Mesh mesh;
  Pair pair(mesh.server(), mesh.client());
  pair.talk();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(pair.client->send("x"));
  pair.talk();
  EXPECT_EQ(pair.server->plaintext().view(), std::string(100, 'x'));
}

TEST(TlsTest, NoCommonProtocolIsNoHandshake) {
  Mesh mesh;
  for (const std::vector<std::string>& offered :
       {std::vector<std::string>{"weft-tcp"}, std::vector<std::string>{}}) {
    TlsClientConfig client = mesh.client();
    client.alpn = offered;
    Pair pair(mesh.server(), client);
    pair.talk();
    ASSERT_FALSE(pair.server_outcome);
    EXPECT_EQ(pair.server_outcome.error().kind(), ErrorKind::kProtocol);
    EXPECT_FALSE(pair.client->established());
    ASSERT_FALSE(pair.client_outcome);
  }
}

TEST(TlsTest, TheServersPreferenceChoosesTheProtocol) {
  Mesh mesh;
  TlsServerConfig server = mesh.server();
  server.alpn = {"h2", "http/1.1", "weft-tcp"};
  TlsClientConfig client = mesh.client();
  client.alpn = {"weft-tcp", "http/1.1"};
  Pair pair(server, client);
  pair.talk();
  EXPECT_EQ(pair.client->alpn(), "http/1.1");
}

TEST(TlsTest, AClientThatOfferedProtocolsTakesNoSilence) {
  Mesh mesh;
  TlsServerConfig server = mesh.server();
  server.alpn = {};
  Pair pair(server, mesh.client());
  pair.talk();
  ASSERT_FALSE(pair.client_outcome);
  EXPECT_EQ(pair.client_outcome.error().kind(), ErrorKind::kProtocol);
}

TEST(TlsTest, AServerAnswersOnlyToItsNames) {
  Mesh mesh;
  TlsServerConfig server = mesh.server();
  server.accept_name = [](std::string_view name) { return name == "p80.cart-1.mesh"; };
  Pair good(server, mesh.client(), kCart, kNow, "p80.cart-1.mesh");
  good.talk();
  EXPECT_TRUE(good.both_established());
  for (const char* name : {"p80.cart-2.mesh", ""}) {
    Pair bad(server, mesh.client(), kCart, kNow, name);
    bad.talk();
    ASSERT_FALSE(bad.server_outcome);
    EXPECT_EQ(bad.server_outcome.error().kind(), ErrorKind::kNotFound);
    ASSERT_FALSE(bad.client_outcome);
    EXPECT_EQ(bad.client_outcome.error().kind(), ErrorKind::kUnauthenticated);
    EXPECT_EQ(bad.client_outcome.error().retry(), Retry::kYes);
  }
}

TEST(TlsTest, CloseIsSeenAndTheOtherWayStaysOpen) {
  Mesh mesh;
  Pair pair(mesh.server(), mesh.client());
  pair.talk();
  ASSERT_TRUE(pair.client->send("last words"));
  pair.client->close();
  EXPECT_FALSE(pair.client->send("too late"));
  pair.talk();
  EXPECT_EQ(pair.server->plaintext().view(), "last words");
  EXPECT_TRUE(pair.server->peer_closed());
  EXPECT_FALSE(pair.client->peer_closed());

  ASSERT_TRUE(pair.server->send("answer"));
  pair.talk();
  EXPECT_EQ(pair.client->plaintext().view(), "answer");
  pair.server->close();
  pair.talk();
  EXPECT_TRUE(pair.client->peer_closed());
  EXPECT_TRUE(pair.client_outcome);
  EXPECT_TRUE(pair.server_outcome);
}

TEST(TlsTest, ATruncatedTransportIsNoClose) {
  Mesh mesh;
  Pair pair(mesh.server(), mesh.client());
  pair.talk();
  ASSERT_TRUE(pair.client->send("half of a rec"));
  Buffer bytes = pair.client->output().take(pair.client->output().size() - 1);
  ASSERT_TRUE(pair.server->receive(bytes));
  EXPECT_TRUE(pair.server->plaintext().empty());
  EXPECT_FALSE(pair.server->peer_closed());
}

TEST(TlsTest, ADamagedRecordIsFinal) {
  Mesh mesh;
  Pair pair(mesh.server(), mesh.client());
  pair.talk();
  ASSERT_TRUE(pair.client->send("hello"));
  std::string text = pair.client->output().to_string();
  text.back() ^= 1;
  Buffer bytes(text);
  const auto damaged = pair.server->receive(bytes);
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().kind(), ErrorKind::kProtocol);
  EXPECT_FALSE(pair.server->receive(bytes));
  EXPECT_FALSE(pair.server->send("more"));
}

TEST(TlsTest, GarbageInsteadOfAHelloIsAnError) {
  Mesh mesh;
  for (const std::string& text :
       {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string("\x16\x03\x01\0\5hello", 10),
        std::string("*1\r\n$4\r\nPING\r\n")}) {
    Pair pair(mesh.server(), mesh.client());
    Buffer bytes(text);
    const auto outcome = pair.server->receive(bytes);
    ASSERT_FALSE(outcome) << text;
    EXPECT_EQ(outcome.error().kind(), ErrorKind::kProtocol);
    EXPECT_EQ(outcome.error().source(), ErrorSource::kDownstream);
  }
}

TEST(TlsTest, MoreContextsCanBeMadeThanOpensslHasBioTypes) {
  Mesh mesh;
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(make_client_context(mesh.client()));
}

TEST(TlsTest, AContextKnowsWhenItsCredentialEnds) {
  Mesh mesh;
  EXPECT_EQ(expires_at(**make_client_context(mesh.client())), kNow + Duration::hours(1));
}

TEST(TlsTest, ContextsWithoutAnythingToTrustAreRefused) {
  Mesh mesh;
  TlsServerConfig server = mesh.server();
  server.bundle.roots_der.clear();
  EXPECT_FALSE(make_server_context(server));
  server = mesh.server();
  server.svid = nullptr;
  EXPECT_FALSE(make_server_context(server));
  TlsClientConfig client = mesh.client();
  client.bundle.roots_der.clear();
  EXPECT_FALSE(make_client_context(client));
  client.root_spki_sha256 = "abc";
  EXPECT_FALSE(make_client_context(client));
}

}  // namespace
}  // namespace weft::trust
