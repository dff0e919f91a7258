// EndpointSlices, BackendTLSPolicies and the ConfigMaps they name: what a Service is served by, and in which words
// what is wrong is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/compile.h"
#include "control/kinds.h"
#include "trust/certificate_for_test.h"

namespace weft::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kService = R"(apiVersion: v1
kind: Service
metadata: {name: bank}
spec:
  ports: [{name: api, port: 80, appProtocol: http}, {name: raw, port: 81, appProtocol: https}]
---
)";
constexpr const char* kSlice = R"(apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: bank-1, labels: {kubernetes.io/service-name: bank}}
addressType: IPv4
endpoints:
- {addresses: [10.0.0.1], zone: a}
- {addresses: [10.0.0.2, 10.0.0.3], conditions: {ready: false}}
ports: [{name: api, port: 8443}, {name: raw, port: 9443}]
---
)";
std::string config_map() {
  return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bank-ca}\ndata:\n  ca.crt: |\n" +
         trust::yaml_block(trust::kTestCertificate, 4) + "---\n";
}

std::string policy(const std::string& name, const std::string& more,
                   const std::string& section = "") {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: " +
         name + "}\nspec:\n  targetRefs: [{group: '', kind: Service, name: bank" +
         (section.empty() ? "" : ", sectionName: " + section) +
         "}]\n  validation: {hostname: api.bank.example, " + more + "}\n---\n";
}
constexpr const char* kRefs = "caCertificateRefs: [{group: '', kind: ConfigMap, name: bank-ca}]";

class OutsideTest : public testing::Test {
 protected:
  Affected put(const std::string& yaml, int64_t created = 0) {
    Problems problems;
    Affected out;
    for (DecodedObject& one : decode_objects("test", yaml, problems)) {
      one.object.meta.created.unix_ns = created;
      out.merge(compiler_.put(one.object));
    }
    EXPECT_TRUE(problems.empty()) << problems.front().to_string();
    compiler_.set_address({"default", "bank"}, IpAddress::v4(1), IpAddress());
    return out;
  }
  model::EndpointSet endpoints() { return compiler_.compile({"default", "bank"})->endpoints; }
  std::vector<std::string> conditions(const std::string& kind, const std::string& name) {
    std::vector<std::string> out;
    for (const Condition& one : compiler_.conditions(*compiler_.object({kind, "default", name})))
      out.push_back(one.type + "=" + (one.ok ? "True" : "False") + "/" + one.reason + ": " +
                    one.message);
    return out;
  }
  Compiler compiler_;
};

TEST_F(OutsideTest, ASliceGivesItsServiceEndpointsThatAreOutside) {
  put(kService);
  EXPECT_TRUE(endpoints().endpoints.empty());
  EXPECT_THAT(put(kSlice), ElementsAre(model::ServiceName{"default", "bank"}));
  const model::EndpointSet set = endpoints();
  ASSERT_EQ(set.endpoints.size(), 3u);
  const model::Endpoint& first = set.endpoints.front();
  EXPECT_TRUE(first.outside && first.ready);
  EXPECT_EQ(first.workload, "10.0.0.1");
  EXPECT_EQ(first.labels.at("topology.kubernetes.io/zone"), "a");
  EXPECT_THAT(first.target_ports, ElementsAre(testing::Pair(80, 8443), testing::Pair(81, 9443)));
  EXPECT_FALSE(set.endpoints[1].ready || set.endpoints[2].ready);
  EXPECT_TRUE(set.outside_tls.empty());
  EXPECT_THAT(conditions("EndpointSlice", "bank-1"), ElementsAre("Accepted=True/Accepted: "));
  EXPECT_THAT(conditions("Service", "bank")[1], HasSubstr("ResolvedRefs=True"));
  EXPECT_THAT(compiler_.remove({"EndpointSlice", "default", "bank-1"}),
              ElementsAre(model::ServiceName{"default", "bank"}));
  EXPECT_TRUE(endpoints().endpoints.empty());
}

TEST_F(OutsideTest, ASliceThatIsOfNoUseSaysWhy) {
  put(kSlice);
  EXPECT_THAT(
      conditions("EndpointSlice", "bank-1"),
      ElementsAre("Accepted=False/TargetNotFound: there is no object Service bank.default"));
  put("{apiVersion: v1, kind: Service, metadata: {name: bank}, spec: {selector: {app: bank}, "
      "ports: [{port: 80}]}}");
  EXPECT_THAT(conditions("EndpointSlice", "bank-1")[0],
              HasSubstr("Accepted=False/Conflicted: Service bank.default selects"));
  EXPECT_TRUE(endpoints().endpoints.empty());
  put("{apiVersion: v1, kind: Service, metadata: {name: bank}, spec: {ports: [{port: 80}]}}");
  EXPECT_THAT(
      conditions("EndpointSlice", "bank-1")[0],
      HasSubstr("Accepted=False/TargetNotFound: Service bank.default has no port named raw"));
  put("{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: f}, addressType: "
      "FQDN, "
      "endpoints: [{addresses: [bank.example]}]}");
  EXPECT_THAT(conditions("EndpointSlice", "f")[0],
              HasSubstr("Accepted=False/UnsupportedValue: addressType: "));
}

TEST_F(OutsideTest, APolicyAsksForTlsAndAChangedConfigMapConcernsItsServices) {
  put(std::string(kService) + kSlice + config_map() + policy("tls", kRefs));
  const model::OutsideTls tls = *endpoints().outside_tls.at(80);
  EXPECT_EQ(tls.origin, "BackendTLSPolicy default/tls");
  EXPECT_EQ(tls.problem, "");
  EXPECT_EQ(tls.server_name, "api.bank.example");
  EXPECT_THAT(tls.authorities, HasSubstr("BEGIN CERTIFICATE"));
  EXPECT_EQ(tls.authorities_origin, "ConfigMap bank-ca");
  EXPECT_TRUE(endpoints().outside_tls.contains(81));
  EXPECT_THAT(conditions("BackendTLSPolicy", "tls"),
              ElementsAre("Accepted=True/Accepted: ", "ResolvedRefs=True/ResolvedRefs: "));
  EXPECT_THAT(put(config_map()), ElementsAre(model::ServiceName{"default", "bank"}));
  EXPECT_THAT(compiler_.policies_on({"Service", "default", "bank"}),
              ElementsAre("BackendTLSPolicy default/tls"));
}

TEST_F(OutsideTest, HttpsIsOpaqueUntilAPolicyMakesTheTlsInItsPlace) {
  put(std::string(kService) + kSlice + config_map());
  EXPECT_EQ(compiler_.compile({"default", "bank"})->service.ports[1].protocol,
            model::Protocol::kTcp);
  put(policy("tls", kRefs, "raw"));
  EXPECT_EQ(compiler_.compile({"default", "bank"})->service.ports[1].protocol,
            model::Protocol::kHttp);
  EXPECT_FALSE(endpoints().outside_tls.contains(80));
  EXPECT_TRUE(endpoints().outside_tls.contains(81));
}

TEST_F(OutsideTest, WhatCannotBeVerifiedIsNotSentInPlain) {
  struct Row {
    std::string more, accepted, resolved, problem;
  };
  const Row rows[] = {
      {kRefs, "NoValidCACertificate", "False/InvalidCACertificateRef",
       "there is no ConfigMap default/bank-ca"},
      {"caCertificateRefs: [{group: '', kind: Secret, name: bank-ca}]", "NoValidCACertificate",
       "False/InvalidKind", "only a ConfigMap does"},
      {"wellKnownCACertificates: a.example/mine", "Invalid", "True/ResolvedRefs",
       "Weft knows System"},
  };
  put(std::string(kService) + kSlice);
  for (const Row& row : rows) {
    put(policy("tls", row.more));
    const auto said = conditions("BackendTLSPolicy", "tls");
    EXPECT_THAT(said[0], HasSubstr("Accepted=False/" + row.accepted));
    EXPECT_THAT(said[1], HasSubstr("ResolvedRefs=" + row.resolved));
    EXPECT_THAT(endpoints().outside_tls.at(80)->problem, HasSubstr(row.problem));
  }
}

TEST_F(OutsideTest, TheOlderOfTwoPoliciesWinsEvenIfItCannotBeCarriedOutAndAPortsBeatsTheServices) {
  put(std::string(kService) + kSlice + config_map());
  put(policy("younger", "wellKnownCACertificates: System"), 2);
  put(policy("older", "wellKnownCACertificates: a.example/mine"), 1);
  put(policy("port", kRefs, "raw"), 3);
  EXPECT_EQ(endpoints().outside_tls.at(80)->origin, "BackendTLSPolicy default/older");
  EXPECT_EQ(endpoints().outside_tls.at(81)->origin, "BackendTLSPolicy default/port");
  EXPECT_THAT(conditions("BackendTLSPolicy", "younger")[0],
              HasSubstr("Accepted=False/Conflicted: BackendTLSPolicy default/older is older"));
  put(policy("lost", kRefs, "nowhere"), 4);
  EXPECT_THAT(
      conditions("BackendTLSPolicy", "lost")[0],
      HasSubstr("Accepted=False/TargetNotFound: Service default/bank has no port named 'nowhere'"));
}

TEST_F(OutsideTest, PoliciesThatNeedADestinationsSidecarSayThatThereIsNone) {
  put(std::string(kService) + kSlice);
  put("{apiVersion: weft.dev/v1, kind: BackendPolicy, metadata: {name: b}, spec: {targetRefs: "
      "[{kind: Service, name: "
      "bank}], healthCheck: {type: TCP}}}\n---\n"
      "{apiVersion: weft.dev/v1, kind: RateLimitPolicy, metadata: {name: r}, spec: {targetRefs: "
      "[{kind: Service, name: "
      "bank}], limits: [{requests: 1}]}}\n");
  EXPECT_THAT(conditions("BackendPolicy", "b")[0],
              HasSubstr("Accepted=False/UnsupportedValue: healthCheck: bank is served outside"));
  EXPECT_THAT(conditions("RateLimitPolicy", "r")[0],
              HasSubstr("Accepted=False/UnsupportedValue: bank is served outside"));
}

TEST_F(OutsideTest, APolicyForAServiceOfTheMeshIsNotCarriedOut) {
  put("{apiVersion: v1, kind: Service, metadata: {name: bank}, spec: {selector: {app: bank}, "
      "ports: [{port: 80}]}}");
  put(policy("tls", "wellKnownCACertificates: System"));
  EXPECT_THAT(conditions("BackendTLSPolicy", "tls")[0],
              HasSubstr("Accepted=False/UnsupportedValue: bank.default is served within the mesh"));
}

}  // namespace
}  // namespace weft::control
