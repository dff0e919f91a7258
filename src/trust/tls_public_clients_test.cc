// Clients from outside that show certificates: who is let in, and what is known of them then.
#include <gmock/gmock.h>

#include "trust/openssl.h"
#include "trust/tls_context.h"
#include "trust/tls_fixture.h"

namespace weft::trust {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string pem_of(const std::string& der) {
  return certificate_pem(parse_certificate(der)->get());
}

// A public server whose certificate is one of the mesh, so that a client of the mesh takes it.
struct Edge {
  Mesh mesh;
  SvidPtr own = mesh.svid(kCart);

  TlsContextPtr server(const PublicClients& clients) {
    std::string chain;
    for (const std::string& der : own->chain_der()) chain += pem_of(der);
    auto made = make_public_server(chain, own->key().to_pem(), {"h2"}, &clients);
    EXPECT_TRUE(made) << made.error().message();
    return made ? made->context : nullptr;
  }
  std::string roots() { return pem_of(mesh.ca.bundle().roots_der.at(0)); }
};

struct Talk : Pair {
  Talk(const TlsContextPtr& server, const TlsClientConfig& client, WallTime now = kNow)
      : Pair(server, *make_client_context(client), kCart, now, "") {
    talk();
  }
};

TEST(PublicClients, ACertificateOfTheAuthoritiesIsLetInAndDescribed) {
  Edge edge;
  const Talk talk(edge.server({edge.roots(), false}), edge.mesh.client());
  ASSERT_TRUE(talk.both_established()) << talk.server_outcome.error().message();
  const std::string& told = talk.server->peer().certificate;
  EXPECT_THAT(told, StartsWith("Hash="));
  EXPECT_EQ(told.find(';'), 5u + 64u) << "SHA-256 in hexadecimal digits";
  EXPECT_THAT(told, HasSubstr(";Subject=\""));
  EXPECT_THAT(told, HasSubstr(std::string(";URI=") + kWeb));
  EXPECT_EQ(talk.server->peer().spiffe_id, "") << "no workload";
}

TEST(PublicClients, OthersAreRefused) {
  Edge edge;
  Mesh other;
  const TlsContextPtr server = edge.server({pem_of(other.ca.bundle().roots_der.at(0)), false});
  const Talk foreign(server, edge.mesh.client());
  EXPECT_FALSE(foreign.server->established());
  ASSERT_FALSE(foreign.server_outcome);
  EXPECT_EQ(foreign.server_outcome.error().kind(), ErrorKind::kUnauthenticated);
  EXPECT_THAT(foreign.server_outcome.error().message(),
              StartsWith("the client's certificate was refused: "));
  TlsClientConfig nobody = edge.mesh.client();
  nobody.svid = nullptr;
  EXPECT_FALSE(Talk(server, nobody).server->established());
}

TEST(PublicClients, WithFallbackOthersAreLetInAsNobody) {
  Edge edge;
  Mesh other;
  const TlsContextPtr server = edge.server({pem_of(other.ca.bundle().roots_der.at(0)), true});
  const Talk foreign(server, edge.mesh.client());
  ASSERT_TRUE(foreign.both_established());
  EXPECT_EQ(foreign.server->peer().certificate, "");
  EXPECT_EQ(foreign.server->peer().not_after.unix_ns, INT64_MAX) << "what did not hold has no end";
  TlsClientConfig nobody = edge.mesh.client();
  nobody.svid = nullptr;
  EXPECT_TRUE(Talk(server, nobody).both_established());
  const Talk known(edge.server({edge.roots(), true}), edge.mesh.client());
  EXPECT_THAT(known.server->peer().certificate, HasSubstr(kWeb));
}

TEST(PublicClients, AuthoritiesThatAreNoneAreRefused) {
  Edge edge;
  std::string chain;
  for (const std::string& der : edge.own->chain_der()) chain += pem_of(der);
  const PublicClients none{"text", false};
  auto made = make_public_server(chain, edge.own->key().to_pem(), {}, &none);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message(), HasSubstr("authorities of clients"));
}

// openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=a";URI=evil' -addext
//   'subjectAltName=URI:urn:a;b,DNS:a.test'
TEST(PublicClients, NoNameEndsItsValue) {
  const auto certificate = parse_certificate_pem(R"(-----BEGIN CERTIFICATE-----
MIIBoDCCAUWgAwIBAgIUQ5tdKS0oDPJb3JlGnaDVKoroPFYwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLYSI7VVJJPWV2aWwwIBcNMjYxMTIzMjIxMzI0WhgPMjEyNjEw
MzAyMjEzMjRaMBYxFDASBgNVBAMMC2EiO1VSST1ldmlsMFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAE/BjmyPo7xDB8OgLgAO1uf/54817K9hDlJ+7TCdIdRKVaXK6J
C/+oyqYFW3yWsPDmZOiLbRxytNO+0Kq4r7dVEqNvMG0wHQYDVR0OBBYEFM9Mt/OZ
NlDVEKiB6cKeNCH7IIMDMB8GA1UdIwQYMBaAFM9Mt/OZNlDVEKiB6cKeNCH7IIMD
MA8GA1UdEwEB/wQFMAMBAf8wGgYDVR0RBBMwEYYHdXJuOmE7YoIGYS50ZXN0MAoG
CCqGSM49BAMCA0kAMEYCIQC4DDj4nTZ9GpGliiJgjmmSUWltu67hF9VcEEkW7juF
LwIhALro5ZE0dna7qbjDyDPOeA5xc4aPNTu5I3i6kdtBB/G+
-----END CERTIFICATE-----
)");
  ASSERT_TRUE(certificate);
  EXPECT_EQ(describe_certificate(certificate->get()),
            "Hash=4e86450cac6a7a02f8ddd4b5cc4dbf97ce79ff6d86eef1db9b27530ee47fbfd1"
            R"(;Subject="CN=a\\\"\\;URI=evil";URI="urn:a;b";DNS=a.test)");
}

}  // namespace
}  // namespace weft::trust
