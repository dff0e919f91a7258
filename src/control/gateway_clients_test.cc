// Who may connect: tls.frontend of a Gateway, the authorities it names and what is said when they are not there.
#include "control/gateway_test_support.h"
#include "trust/certificate_for_test.h"

namespace weft::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

std::string secret() {
  return "apiVersion: v1\nkind: Secret\nmetadata: {name: c}\ntype: "
         "kubernetes.io/tls\nstringData:\n  tls.crt: |\n" +
         trust::yaml_block(trust::kTestCertificate, 4) + "  tls.key: |\n" +
         trust::yaml_block(trust::kTestKey, 4);
}
std::string authority() {
  return "\ndata:\n  ca.crt: |\n" + trust::yaml_block(trust::kTestCertificate, 4);
}

class GatewayClientsTest : public GatewayTest {
 protected:
  void put_edge(const std::string& frontend) {
    put(secret());
    put("{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: edge}, spec: "
        "{gatewayClassName: weft, tls: {frontend: {" +
        frontend +
        "}}, listeners: [{name: one, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: "
        "c}]}}, {name: two, port: 444, protocol: HTTPS, tls: {certificateRefs: [{name: c}]}}, "
        "{name: plain, port: 80, protocol: HTTP}]}}");
  }
  void put_authority(const std::string& name, const std::string& ns = "default",
                     const std::string& data = authority()) {
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
