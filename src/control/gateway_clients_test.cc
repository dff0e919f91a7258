// Who may connect: tls.frontend of a Gateway, the authorities it names and what is said when they are not there.
#include "control/gateway_test_support.h"

namespace weft::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

// openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj /CN=a
constexpr const char* kSecret = R"(apiVersion: v1
kind: Secret
metadata: {name: c}
type: kubernetes.io/tls
stringData:
  tls.crt: |
    -----BEGIN CERTIFICATE-----
    MIIBkzCCATigAwIBAgIUBe/xQGblv8X1Gq9AO5uomIuVm0EwCgYIKoZIzj0EAwIw
    DDEKMAgGA1UEAwwBYTAgFw0yNjExMjMxODA2MjFaGA8yMTI2MTAzMDE4MDYyMVow
    DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOR7gMjLE4oi
    Ge4ZCTUNIfBf1GKUPhPjiuyYLC4YiLYFVq67rH3I++fL0X5ppK0lLD1XA3ZLeP1a
    pOkT1J2z5rKjdjB0MB0GA1UdDgQWBBQZNrCQXsiaw0LiztWv9h272b+nkjAfBgNV
    HSMEGDAWgBQZNrCQXsiaw0LiztWv9h272b+nkjAPBgNVHRMBAf8EBTADAQH/MCEG
    A1UdEQQaMBiCCUEuZXhhbXBsZYILKi5iLmV4YW1wbGUwCgYIKoZIzj0EAwIDSQAw
    RgIhAK4nID6iLk3JG/T75AGdwAq8b+oDnu1uolYAUjsjWY10AiEA3bZ3hwIZwXw+
    ChYw5B45nfaFZQNyTxlf6LSyrTZSCpM=
    -----END CERTIFICATE-----
  tls.key: |
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgG9CdRrsJFmE0fv+K
    ZxI3/QtIz66rW41mox/dII4b6dyhRANCAATke4DIyxOKIhnuGQk1DSHwX9RilD4T
    44rsmCwuGIi2BVauu6x9yPvny9F+aaStJSw9VwN2S3j9WqTpE9Sds+ay
    -----END PRIVATE KEY-----
)";
constexpr const char* kAuthority = R"(
data:
  ca.crt: |
    -----BEGIN CERTIFICATE-----
    MIIBkzCCATigAwIBAgIUBe/xQGblv8X1Gq9AO5uomIuVm0EwCgYIKoZIzj0EAwIw
    DDEKMAgGA1UEAwwBYTAgFw0yNjExMjMxODA2MjFaGA8yMTI2MTAzMDE4MDYyMVow
    DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOR7gMjLE4oi
    Ge4ZCTUNIfBf1GKUPhPjiuyYLC4YiLYFVq67rH3I++fL0X5ppK0lLD1XA3ZLeP1a
    pOkT1J2z5rKjdjB0MB0GA1UdDgQWBBQZNrCQXsiaw0LiztWv9h272b+nkjAfBgNV
    HSMEGDAWgBQZNrCQXsiaw0LiztWv9h272b+nkjAPBgNVHRMBAf8EBTADAQH/MCEG
    A1UdEQQaMBiCCUEuZXhhbXBsZYILKi5iLmV4YW1wbGUwCgYIKoZIzj0EAwIDSQAw
    RgIhAK4nID6iLk3JG/T75AGdwAq8b+oDnu1uolYAUjsjWY10AiEA3bZ3hwIZwXw+
    ChYw5B45nfaFZQNyTxlf6LSyrTZSCpM=
    -----END CERTIFICATE-----
)";

class GatewayClientsTest : public GatewayTest {
 protected:
  void put_edge(const std::string& frontend) {
    put(kSecret);
    put("{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: edge}, spec: "
        "{gatewayClassName: weft, tls: {frontend: {" +
        frontend +
        "}}, listeners: [{name: one, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: "
        "c}]}}, {name: two, port: 444, protocol: HTTPS, tls: {certificateRefs: [{name: c}]}}, "
        "{name: plain, port: 80, protocol: HTTP}]}}");
  }
  void put_authority(const std::string& name, const std::string& ns = "default",
                     const std::string& data = kAuthority) {
    put("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: " + ns + "}" +
        data);
  }
  std::map<uint16_t, model::ClientValidation> clients() {
    return compiler_.compile_gateway({"default", "edge"})->clients;
  }
};

std::string by(const std::string& refs, const std::string& more = "") {
  return "{validation: {caCertificateRefs: [" + refs + "]" + more + "}}";
}
constexpr const char* kPartners = "{group: '', kind: ConfigMap, name: partners}";

TEST_F(GatewayClientsTest, HttpsListenersTakeTheDefaultUnlessTheirPortHasItsOwn) {
  put_authority("partners");
  put_edge("default: " + by(kPartners));
  EXPECT_THAT(clients(), ElementsAre(Pair(443, testing::_), Pair(444, testing::_)));
  EXPECT_THAT(clients()[443].roots_pem, HasSubstr("BEGIN CERTIFICATE"));
  EXPECT_FALSE(clients()[443].fallback);
  EXPECT_EQ(listener(0, "ResolvedRefs"), "True/ResolvedRefs: ");
  EXPECT_EQ(condition("InsecureFrontendValidationMode"), "");

  put_edge("default: " + by(kPartners) + ", perPort: [{port: 444, tls: {}}]");
  EXPECT_THAT(clients(), ElementsAre(Pair(443, testing::_)));
  put_edge("default: {}, perPort: [{port: 444, tls: " +
           by(kPartners, ", mode: AllowInsecureFallback") + "}]");
  EXPECT_THAT(clients(), ElementsAre(Pair(444, testing::_)));
  EXPECT_TRUE(clients()[444].fallback);
  EXPECT_EQ(condition("InsecureFrontendValidationMode"),
            "True/ConfigurationChanged: clients without a valid certificate are let in "
            "(tls.frontend, mode AllowInsecureFallback)");
}

TEST_F(GatewayClientsTest, WithoutAnyValidAuthorityNobodyIsLetIn) {
  put_edge("default: " + by(kPartners));
  EXPECT_EQ(listener(0, "ResolvedRefs"),
            "False/InvalidCACertificateRef: there is no ConfigMap default/partners");
  EXPECT_EQ(listener(0, "Accepted"),
            "False/NoValidCACertificate: there is no ConfigMap default/partners");
  EXPECT_EQ(listener(2, "Accepted"), "True/Accepted: ");
  EXPECT_EQ(compiler_.compile_gateway({"default", "edge"})->listeners.size(), 1u);
  compiler_.take_changed_gateways();
  put_authority("partners", "default", "\ndata: {other: text}\n");
  EXPECT_THAT(compiler_.take_changed_gateways(),
              ElementsAre(model::GatewayName{"default", "edge"}));
  EXPECT_EQ(listener(0, "ResolvedRefs"),
            "False/InvalidCACertificateRef: ConfigMap default/partners has no ca.crt");
  put_authority("partners", "default", "\ndata: {ca.crt: text}\n");
  EXPECT_THAT(listener(0, "ResolvedRefs"),
              HasSubstr("False/InvalidCACertificateRef: ConfigMap default/partners: ca.crt: not "
                        "PEM certificates"));
  put_authority("partners");
  EXPECT_EQ(listener(0, "Accepted"), "True/Accepted: ");
}

TEST_F(GatewayClientsTest, WhatIsWrongWithOneReferenceIsToldAndTheOthersCount) {
  put_authority("partners");
  put_edge("default: " + by("{group: '', kind: Secret, name: c}, " + std::string(kPartners)));
  EXPECT_EQ(listener(0, "ResolvedRefs"),
            "False/InvalidCACertificateKind: a Secret holds no authorities for clients: only a "
            "ConfigMap does");
  EXPECT_EQ(listener(0, "Accepted"), "True/Accepted: ");
  EXPECT_EQ(clients().size(), 2u);
}

TEST_F(GatewayClientsTest, AuthoritiesOfAnotherNamespaceNeedAGrant) {
  put_authority("partners", "bank");
  put_edge("default: " + by("{group: '', kind: ConfigMap, name: partners, namespace: bank}"));
  EXPECT_EQ(listener(0, "ResolvedRefs"),
            "False/RefNotPermitted: no ReferenceGrant in namespace bank lets a Gateway of default "
            "refer to ConfigMap partners");
  EXPECT_THAT(listener(0, "Accepted"), HasSubstr("False/NoValidCACertificate"));
  put("{apiVersion: gateway.networking.k8s.io/v1, kind: ReferenceGrant, metadata: {name: g, "
      "namespace: bank}, spec: {from: [{group: gateway.networking.k8s.io, kind: Gateway, "
      "namespace: default}], to: [{group: '', kind: ConfigMap, name: partners}]}}");
  EXPECT_EQ(listener(0, "ResolvedRefs"), "True/ResolvedRefs: ");
  EXPECT_EQ(clients().size(), 2u);
}

}  // namespace
}  // namespace weft::control
