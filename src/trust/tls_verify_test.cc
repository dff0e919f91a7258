// Whom a session accepts. Certificates that no authority of ours would sign are forged here, field by
// field.
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <algorithm>
#include <string>
#include <vector>

#include "trust/openssl.h"
#include "trust/tls_fixture.h"

namespace weft::trust {
namespace {

// What a test changes about an otherwise good leaf.
struct Forgery {
  std::vector<std::string> sans = {std::string("URI:") + kCart};
  const char* basic_constraints = "critical,CA:FALSE";
  const char* key_usage = "critical,digitalSignature";
  const char* extended_key_usage = "serverAuth,clientAuth";
  std::string raw_uri;  // set: the only SAN, byte for byte
};

bool add(X509* to, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(to, extension.get(), -1) == 1;
}

bool add_raw_uri(X509* to, const std::string& uri) {
  Owned<GENERAL_NAMES> names(GENERAL_NAMES_new());
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  ASN1_STRING_set(text, uri.data(), static_cast<int>(uri.size()));
  GENERAL_NAME_set0_value(name, GEN_URI, text);
  sk_GENERAL_NAME_push(names.get(), name);
  return X509_add1_ext_i2d(to, NID_subject_alt_name, names.get(), 0, 0) == 1;
}

// A server context that shows a certificate signed by the mesh's own intermediate: only the leaf is
// wrong. Svid::make would refuse to hold it, so the leaf is swapped inside the context.
std::string forge_leaf(const CertificateAuthority& ca, EVP_PKEY* key, const Forgery& forgery) {
  const CaState state = ca.state();
  const auto issuer = *parse_certificate_pem(state.intermediate_certificate);
  const auto issuer_key = *PrivateKey::from_pem(state.intermediate_key);
  Owned<X509> leaf(X509_new());
  X509_set_version(leaf.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(leaf.get()), 77);
  X509_set1_notBefore(leaf.get(), to_asn1_time(kNow - Duration::minutes(1)).get());
  X509_set1_notAfter(leaf.get(), to_asn1_time(kNow + Duration::hours(1)).get());
  X509_set_pubkey(leaf.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(leaf.get()), "O", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("Forged"), -1, -1, 0);
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(issuer.get()));
  EXPECT_TRUE(add(leaf.get(), issuer.get(), NID_basic_constraints, forgery.basic_constraints));
  if (forgery.key_usage != nullptr) {
    EXPECT_TRUE(add(leaf.get(), issuer.get(), NID_key_usage, forgery.key_usage));
  }
  EXPECT_TRUE(add(leaf.get(), issuer.get(), NID_ext_key_usage, forgery.extended_key_usage));
  EXPECT_TRUE(add(leaf.get(), issuer.get(), NID_subject_key_identifier, "hash"));
  EXPECT_TRUE(add(leaf.get(), issuer.get(), NID_authority_key_identifier, "keyid:always"));
  if (!forgery.raw_uri.empty()) {
    EXPECT_TRUE(add_raw_uri(leaf.get(), forgery.raw_uri));
  } else if (!forgery.sans.empty()) {
    std::string value;
    for (const std::string& san : forgery.sans) value += (value.empty() ? "" : ",") + san;
    EXPECT_TRUE(add(leaf.get(), issuer.get(), NID_subject_alt_name, value));
  }
  EXPECT_NE(X509_sign(leaf.get(), issuer_key.impl()->key.get(), EVP_sha256()), 0);
  ERR_clear_error();
  return certificate_der(leaf.get());
}

// A credential that shows the forged leaf, past the checks of Svid::make.
SvidPtr forged_svid(const CertificateAuthority& ca, const Forgery& forgery) {
  const auto honest = *ca.issue(*model::SpiffeId::parse(kCart), kNow);
  auto impl = std::make_unique<Svid::Impl>(honest->key());
  impl->chain_der = {forge_leaf(ca, honest->key().impl()->key.get(), forgery),
                     honest->chain_der()[1]};
  for (const auto& der : impl->chain_der) impl->chain.push_back(*parse_certificate(der));
  impl->id = honest->id();
  impl->not_before = honest->not_before();
  impl->not_after = honest->not_after();
  return std::make_shared<const Svid>(std::move(impl));
}

TEST(TlsVerifyTest, RefusesAServerWithAnotherIdentityBeforeSendingAnything) {
  Mesh mesh;
  Pair pair(mesh.server(), mesh.client(), "spiffe://td.test/ns/default/sa/catalog");
  ASSERT_TRUE(pair.client->send("secret"));
  pair.talk();
  ASSERT_FALSE(pair.client_outcome);
  EXPECT_EQ(pair.client_outcome.error().kind(), ErrorKind::kUnauthenticated);
  EXPECT_EQ(pair.client_outcome.error().source(), ErrorSource::kUpstream);
  EXPECT_EQ(pair.client_outcome.error().retry(), Retry::kYes);
  EXPECT_FALSE(pair.server->established());
  EXPECT_TRUE(pair.server->plaintext().empty());
  ASSERT_FALSE(pair.server_outcome);  // it was told by an alert
  EXPECT_EQ(pair.server_outcome.error().kind(), ErrorKind::kUnauthenticated);
}

TEST(TlsVerifyTest, AnyIdentityOfTheDomainWillDoWhenNoneIsNamed) {
  Mesh mesh;
  Pair pair(mesh.server(), mesh.client(), "");
  pair.talk();
  EXPECT_TRUE(pair.both_established());
}

TEST(TlsVerifyTest, RefusesAnotherTrustDomainEvenUnderATrustedRoot) {
  Mesh mesh;
  auto other = *CertificateAuthority::create("other.test", kNow);
  const auto stranger =
      *other.issue(*model::SpiffeId::parse("spiffe://other.test/ns/a/sa/b"), kNow);

  TlsClientConfig client = mesh.client();
  client.svid = stranger;
  Pair unknown_root(mesh.server(), client);
  unknown_root.talk();
  ASSERT_FALSE(unknown_root.server_outcome);
  EXPECT_EQ(unknown_root.server_outcome.error().kind(), ErrorKind::kUnauthenticated);
  EXPECT_EQ(unknown_root.server_outcome.error().source(), ErrorSource::kDownstream);

  TlsServerConfig server = mesh.server();  // the root is trusted, but for td.test only
  server.bundle.roots_der.push_back(other.bundle().roots_der[0]);
  Pair mixed(server, client);
  mixed.talk();
  ASSERT_FALSE(mixed.server_outcome);
  EXPECT_EQ(mixed.server_outcome.error().kind(), ErrorKind::kUnauthenticated);
}

TEST(TlsVerifyTest, RefusesARootOfTheSameNameThatIsNotOurs) {
  Mesh mesh, impostor;
  TlsServerConfig server = mesh.server();
  server.svid = impostor.svid(kCart);
  Pair pair(server, mesh.client());
  pair.talk();
  ASSERT_FALSE(pair.client_outcome);
  EXPECT_EQ(pair.client_outcome.error().kind(), ErrorKind::kUnauthenticated);
  EXPECT_FALSE(pair.client->established());
}

TEST(TlsVerifyTest, RefusesThePeersExpiredOrFutureCertificate) {
  Mesh mesh;
  struct Case {
    WallTime issued;
    bool good;
  };
  for (const Case c :
       {Case{kNow - Duration::minutes(59), true}, Case{kNow - Duration::hours(1), false},
        Case{kNow + Duration::seconds(59), true}, Case{kNow + Duration::minutes(2), false}}) {
    // The server judges the client, which believes in a time at which both certificates hold.
    TlsClientConfig client = mesh.client();
    client.svid = mesh.svid(kWeb, c.issued);
    Pair pair(mesh.server(), client);
    pair.client = make_client_session(*make_client_context(client), "", kCart,
                                      std::clamp(kNow, c.issued, c.issued + Duration::minutes(59)));
    pair.talk();
    EXPECT_EQ(pair.server->established(), c.good) << (kNow - c.issued).to_seconds();
  }
}

TEST(TlsVerifyTest, RefusesAnExpiredServer) {
  Mesh mesh;
  TlsServerConfig server = mesh.server();
  Pair pair(server, mesh.client());
  // The server's clock stands still, the client's has gone on; the client's certificate is fresh.
  const WallTime later = kNow + Duration::hours(1);
  TlsClientConfig client = mesh.client();
  client.svid = mesh.svid(kWeb, later - Duration::minutes(30));
  pair.client = make_client_session(*make_client_context(client), "", kCart, later);
  pair.talk();
  ASSERT_FALSE(pair.client_outcome);
  EXPECT_EQ(pair.client_outcome.error().kind(), ErrorKind::kUnauthenticated);
  EXPECT_FALSE(pair.client->established());
}

TEST(TlsVerifyTest, DoesNotEvenStartWithItsOwnExpiredCertificate) {
  Mesh mesh;
  const WallTime later = kNow + Duration::hours(1);
  Pair client_side(mesh.server(), mesh.client(), kCart, later);
  client_side.talk();
  ASSERT_FALSE(client_side.client_outcome);
  EXPECT_EQ(client_side.client_outcome.error().kind(), ErrorKind::kUnavailable);

  Pair server_side(mesh.server(), mesh.client());
  server_side.server = make_server_session(*make_server_context(mesh.server()), later);
  server_side.talk();
  ASSERT_FALSE(server_side.server_outcome);
  EXPECT_EQ(server_side.server_outcome.error().kind(), ErrorKind::kUnavailable);
  EXPECT_FALSE(server_side.client->established());
}

TEST(TlsVerifyTest, RefusesCertificatesThatAreNoSvids) {
  Mesh mesh;
  const std::string cart = kCart;
  struct Case {
    const char* what;
    Forgery forgery;
    const char* reason;  // part of the error text; null: it is accepted
  };
  const Case cases[] = {
      {"the forger's own work is sound", {}, nullptr},
      {"a DNS name beside the URI is fine", {.sans = {"URI:" + cart, "DNS:cart"}}, nullptr},
      {"CA leaf",
       {.basic_constraints = "critical,CA:TRUE",
        .key_usage = "critical,digitalSignature,keyCertSign"},
       "CA certificate"},
      {"two URI SANs", {.sans = {"URI:" + cart, "URI:spiffe://td.test/x"}}, "more than one URI"},
      {"the same URI twice", {.sans = {"URI:" + cart, "URI:" + cart}}, "more than one URI"},
      {"no URI SAN", {.sans = {"DNS:cart"}}, "no URI SAN"},
      {"no SAN", {.sans = {}}, "no subject alternative name"},
      {"NUL in the URI", {.raw_uri = cart + std::string("\0.evil", 6)}, "NUL"},
      {"NUL at the end", {.raw_uri = cart + std::string(1, '\0')}, "NUL"},
      {"not a SPIFFE ID", {.sans = {"URI:https://td.test/ns/default/sa/cart"}}, "spiffe://"},
      {"no digitalSignature", {.key_usage = "critical,keyAgreement"}, "digitalSignature"},
      {"no key usage", {.key_usage = nullptr}, "no key usage"},
      {"may sign CRLs", {.key_usage = "critical,digitalSignature,cRLSign"}, "revocation"},
      {"only clientAuth", {.extended_key_usage = "clientAuth"}, "extended key usage"},
  };
  for (const Case& c : cases) {
    TlsServerConfig server = mesh.server();
    server.svid = forged_svid(mesh.ca, c.forgery);
    Pair pair(server, mesh.client());
    pair.talk();
    if (c.reason == nullptr) {
      EXPECT_TRUE(pair.both_established()) << c.what;
      continue;
    }
    ASSERT_FALSE(pair.client_outcome) << c.what;
    EXPECT_EQ(pair.client_outcome.error().kind(), ErrorKind::kUnauthenticated) << c.what;
    EXPECT_TRUE(pair.client_outcome.error().message().contains(c.reason))
        << c.what << ": " << pair.client_outcome.error().message();
  }
}

TEST(TlsVerifyTest, AMutualServerRefusesAnAnonymousClient) {
  Mesh mesh;
  TlsClientConfig client = mesh.client();
  client.svid = nullptr;
  Pair pair(mesh.server(), client);
  ASSERT_TRUE(pair.client->send("secret"));
  pair.talk();
  ASSERT_FALSE(pair.server_outcome);
  EXPECT_FALSE(pair.server->established());
  EXPECT_TRUE(pair.server->plaintext().empty());
  // The client learns of it after its own side was done; nothing of its request was seen.
  ASSERT_FALSE(pair.client_outcome);
  EXPECT_EQ(pair.client_outcome.error().kind(), ErrorKind::kUnauthenticated);
  EXPECT_EQ(pair.client_outcome.error().retry(), Retry::kYes);
}

TEST(TlsVerifyTest, AJoiningServerTakesAnonymousAndKnownClients) {
  Mesh mesh;
  TlsServerConfig server = mesh.server();
  server.client_auth = ClientAuth::kOptionalClient;
  TlsClientConfig anonymous = mesh.client();
  anonymous.svid = nullptr;
  Pair first(server, anonymous);
  first.talk();
  ASSERT_TRUE(first.both_established());
  EXPECT_EQ(first.server->peer().spiffe_id, "");
  EXPECT_GT(first.server->peer().not_after, kNow);

  Pair second(server, mesh.client());
  second.talk();
  ASSERT_TRUE(second.both_established());
  EXPECT_EQ(second.server->peer().spiffe_id, kWeb);

  // Optional does not mean unchecked.
  Mesh impostor;
  TlsClientConfig stranger = mesh.client();
  stranger.svid = impostor.svid(kWeb);
  Pair third(server, stranger);
  third.talk();
  EXPECT_FALSE(third.server->established());
}

TEST(TlsVerifyTest, AJoiningMachineTrustsThePinnedRootAlone) {
  Mesh mesh, impostor;
  TlsServerConfig server = mesh.server();
  server.client_auth = ClientAuth::kOptionalClient;
  server.svid = mesh.svid("spiffe://td.test/server");
  TlsClientConfig joiner{.alpn = {"h2"}, .root_spki_sha256 = mesh.ca.root_spki_sha256()};
  Pair good(server, joiner, "");
  good.talk();
  ASSERT_TRUE(good.client_outcome) << good.client_outcome.error().message();
  EXPECT_TRUE(good.both_established());
  EXPECT_EQ(good.client->peer().spiffe_id, "spiffe://td.test/server");

  joiner.root_spki_sha256 = impostor.ca.root_spki_sha256();
  Pair wrong_pin(server, joiner, "");
  wrong_pin.talk();
  ASSERT_FALSE(wrong_pin.client_outcome);
  EXPECT_EQ(wrong_pin.client_outcome.error().kind(), ErrorKind::kUnauthenticated);

  // The pinned root is sent, but did not sign this server.
  server.svid = impostor.svid("spiffe://td.test/server");
  joiner.root_spki_sha256 = mesh.ca.root_spki_sha256();
  Pair borrowed(server, joiner, "");
  borrowed.talk();
  EXPECT_FALSE(borrowed.client_outcome);

  // Nor may a workload of the mesh play the control plane.
  server.svid = mesh.svid(kCart);
  Pair workload(server, joiner, "");
  workload.talk();
  ASSERT_FALSE(workload.client_outcome);
  EXPECT_FALSE(workload.client->established());
}

}  // namespace
}  // namespace weft::trust
