// TLSRoute and TCPRoute as users write them: the CRDs' limits, defaults and rules, in exact words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/kinds.h"

namespace weft::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> problems_of(std::string_view text) {
  Problems problems;
  decode_objects("f.yaml", text, problems);
  std::vector<std::string> out;
  for (const Problem& problem : problems) out.push_back(problem.to_string());
  return out;
}
// spec's first line is line 5.
std::string tls(const std::string& spec, const std::string& version = "v1") {
  return "apiVersion: gateway.networking.k8s.io/" + version +
         "\nkind: TLSRoute\nmetadata: {name: r}\nspec:\n" + spec;
}
std::string tcp(const std::string& spec) {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: TCPRoute\nmetadata: {name: r}\nspec:\n" +
         spec;
}
const std::string kRules = "  rules: [{backendRefs: [{name: a, port: 443}]}]\n";

TEST(TcpRoutes, AreReadWithTheirDefaults) {
  for (const char* version : {"v1", "v1alpha3"}) {
    Problems problems;
    const auto decoded = decode_objects(
        "f.yaml",
        tls("  parentRefs: [{kind: Service, name: front, port: 443}]\n"
            "  hostnames: [a.example, '*.example']\n"
            "  rules: [{backendRefs: [{name: a, port: 443}, {name: b, port: 444, weight: 0}]}]\n",
            version),
        problems);
    ASSERT_THAT(problems, IsEmpty());
    const auto& spec = std::get<TcpRouteSpec>(decoded.at(0).object.spec);
    EXPECT_EQ(spec.parents.at(0).service.to_string(), "front.default");
    EXPECT_TRUE(spec.parents.at(0).is_service());
    EXPECT_EQ(spec.parents.at(0).port, 443);
    EXPECT_THAT(spec.hostnames, ElementsAre("a.example", "*.example"));
    EXPECT_EQ(spec.rule, "0");
    ASSERT_EQ(spec.backends.size(), 2u);
    EXPECT_EQ(spec.backends[0].backend.weight, 1u);
    EXPECT_EQ(spec.backends[1].backend.service.to_string(), "b.default");
    EXPECT_EQ(spec.backends[1].backend.weight, 0u);
  }
  Problems problems;
  const auto decoded = decode_objects("f.yaml",
                                      tcp("  parentRefs: [{kind: Service, name: front}]\n"
                                          "  rules: [{name: all, backendRefs: [{name: a, "
                                          "namespace: other, port: 1}]}]\n"),
                                      problems);
  ASSERT_THAT(problems, IsEmpty());
  const auto& spec = std::get<TcpRouteSpec>(decoded.at(0).object.spec);
  EXPECT_THAT(spec.hostnames, IsEmpty());
  EXPECT_EQ(spec.rule, "all");
  EXPECT_EQ(spec.backends.at(0).backend.service.to_string(), "a.other");
}

TEST(TcpRoutes, ThatAreWrongSayWherePathWhatAndHint) {
  struct Case {
    std::string text;
    const char* problem;
  };
  for (const Case& c : {
           Case{tls(kRules), "f.yaml:5:3: spec.hostnames: required by a TLSRoute's spec"},
           Case{tls("  hostnames: []\n" + kRules),
                "f.yaml:5:14: spec.hostnames: needs at least 1 item"},
           Case{tls("  hostnames: ['http://a<']\n" + kRules),
                "f.yaml:5:15: spec.hostnames[0]: the text 'http://a<' is not a host name"},
           Case{tls("  hostnames: [a.*.b]\n" + kRules),
                "f.yaml:5:15: spec.hostnames[0]: the text 'a.*.b' is not a host name"},
           Case{tls("  hostnames: [A.example]\n" + kRules),
                "f.yaml:5:15: spec.hostnames[0]: the text 'A.example' is not a host name"},
           Case{tls("  hostnames: [a.example, 192.0.2.1]\n" + kRules),
                "f.yaml:5:26: spec.hostnames[1]: '192.0.2.1' is an address (TLS clients name hosts "
                "only; for connections to an address use a TCPRoute)"},
           Case{tls("  hostnames: [a]\n  rules: []\n"),
                "f.yaml:6:10: spec.rules: needs at least 1 item"},
           Case{tls("  hostnames: [a]\n"), "f.yaml:5:3: spec.rules: required by a TLSRoute's spec"},
           Case{tcp("  rules: [{backendRefs: [{name: a, port: 1}]}, {backendRefs: [{name: a, port: "
                    "1}]}]\n"),
                "f.yaml:5:10: spec.rules: 2 items: at most 1"},
           Case{tcp("  hostnames: [a]\n" + kRules), "f.yaml:5:3: spec.hostnames: unknown field"},
           Case{tcp("  rules: [{backendRefs: []}]\n"),
                "f.yaml:5:25: spec.rules[0].backendRefs: needs at least 1 item"},
           Case{tcp("  rules: [{name: x}]\n"),
                "f.yaml:5:11: spec.rules[0].backendRefs: required by a rule"},
           Case{
               tcp("  rules: [{backendRefs: [{name: a}]}]\n"),
               "f.yaml:5:26: spec.rules[0].backendRefs[0].port: required for a Service (which port "
               "of the Service?)"},
           Case{tcp("  rules: [{backendRefs: [{name: a, port: 1, weight: 1000001}]}]\n"),
                "f.yaml:5:53: spec.rules[0].backendRefs[0].weight: 1000001 is out of range: 0 to "
                "1000000"},
           Case{tcp("  rules: [{backendRefs: [{name: a, port: 1}], matches: []}]\n"),
                "f.yaml:5:47: spec.rules[0].matches: unknown field"},
           Case{
               tcp("  parentRefs: [{kind: Service, name: a}, {kind: Service, name: a}]\n" + kRules),
               "f.yaml:5:42: spec.parentRefs[1]: the same parent twice (each parent once)"},
       }) {
    const auto problems = problems_of(c.text);
    ASSERT_FALSE(problems.empty()) << c.text;
    EXPECT_TRUE(problems[0].starts_with(c.problem)) << problems[0] << "\nwanted: " << c.problem;
  }
}

}  // namespace
}  // namespace weft::control
