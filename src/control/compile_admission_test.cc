// The bounds of a port's rules: what is within them acts, the youngest route beyond them is left out and
// says so, and an older one that goes makes room.
#include "control/compile_admission.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/kinds_test_support.h"

namespace weft::control {
namespace {

using testing::HasSubstr;

class Admission : public testing::Test {
 protected:
  Admission() {
    compiler.put(decode_one(
        "{apiVersion: v1, kind: Service, metadata: {name: cart}, spec: {ports: [{port: 80}]}}"));
    compiler.set_address(kCart, IpAddress::v4(0xf0f00001), IpAddress());
  }

  // `matches`: YAML of one rule's matches, "" = all requests.
  static Object route(const std::string& name, const std::string& matches, int64_t created,
                      const std::string& ns = "default", const std::string& hosts = "") {
    Object out = decode_one(fmt::format(
        "{{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: {}, "
        "namespace: {}}}, spec: {{parentRefs: [{{kind: Service, group: '', name: cart, namespace: "
        "default}}], {}rules: [{{{}backendRefs: [{{name: cart, namespace: default, port: "
        "80}}]}}]}}}}",
        name, ns, hosts.empty() ? "" : fmt::format("hostnames: [{}], ", hosts),
        matches.empty() ? "" : fmt::format("matches: [{}], ", matches)));
    out.meta.created = WallTime::from_unix_seconds(created);
    return out;
  }
  static std::string header(int value, const std::string& path = "/a") {
    return fmt::format("{{path: {{value: {}}}, headers: [{{name: x, value: '{}'}}]}}", path, value);
  }
  std::string accepted(const Object& object) {
    for (const Condition& condition : compiler.conditions(object)) {
      if (condition.type != "Accepted") continue;
      return condition.ok ? "yes" : condition.reason + ": " + condition.message;
    }
    return "nothing said";
  }
  size_t rules() { return compiler.compile(kCart)->service.ports.at(0).rules.size(); }

  const model::ServiceName kCart{"default", "cart"};
  Compiler compiler;
};

TEST_F(Admission, SixtyFourRulesToldApartUnderOnePathAreTheMost) {
  for (int i = 0; i < 64; ++i) compiler.put(route(fmt::format("r{}", i), header(i), i));
  const Object last = route("last", header(64), 64);
  compiler.put(last);
  EXPECT_EQ(rules(), 64u);
  EXPECT_EQ(accepted(last),
            "TooManyRules: port 80 of cart.default takes at most 64 rules that headers, query "
            "parameters or regular expressions tell apart under one host and path: under any host, "
            "path prefix /a the routes before it have 64, this one has 1");
  EXPECT_EQ(compiler.parents(last).at(0).carriers.size(), 0u) << "nobody is waited for";

  // What is found by host, path or method has room, and so have other hosts, paths and callers.
  for (const Object& other :
       {route("path", "{path: {value: /a}}", 70), route("method", "{method: POST}", 71),
        route("other-path", header(1, "/b"), 72),
        route("host", header(1), 73, "default", "h.example"),
        route("caller", header(1), 74, "shop")}) {
    compiler.put(other);
    EXPECT_EQ(accepted(other), "yes") << other.meta.name;
  }
  EXPECT_EQ(rules(), 69u);

  // An older route that comes pushes the youngest out; one that goes makes room.
  compiler.remove({"HTTPRoute", "default", "r7"});
  EXPECT_EQ(accepted(last), "yes");
  EXPECT_EQ(rules(), 69u);
  const Object older = route("older", header(99), -1);
  compiler.put(older);
  EXPECT_EQ(accepted(older), "yes");
  EXPECT_THAT(accepted(last), HasSubstr("TooManyRules"));
}

TEST_F(Admission, RegularExpressionsOfAHostAreInOnePlace) {
  const auto expression = [](int i) {
    return fmt::format("{{path: {{type: RegularExpression, value: '/p{}/.*'}}}}", i);
  };
  for (int i = 0; i < 64; ++i) {
    compiler.put(route(fmt::format("r{}", i), expression(i), i, "default", "h.example"));
  }
  const Object last = route("last", expression(64), 64, "default", "h.example");
  compiler.put(last);
  EXPECT_THAT(accepted(last), HasSubstr("under host h.example, regular expressions as paths the "
                                        "routes before it have 64, this one has 1"));
  const Object any = route("any", expression(64), 65);
  compiler.put(any);
  EXPECT_EQ(accepted(any), "yes");
}

TEST_F(Admission, EightThousandRulesAreTheMostOfAPort) {
  std::string matches;
  for (int i = 0; i < 64; ++i) matches += fmt::format("{{path: {{value: /m{}}}}},", i);
  for (int i = 0; i < 128; ++i) compiler.put(route(fmt::format("r{}", i), matches, i));
  EXPECT_EQ(rules(), 8192u);
  const Object last = route("last", "{path: {value: /x}}, {path: {value: /y}}", 500);
  compiler.put(last);
  EXPECT_EQ(rules(), 8192u);
  EXPECT_EQ(accepted(last),
            "TooManyRules: port 80 of cart.default takes at most 8192 rules: the routes before it "
            "have 8192, this one has 2");
  compiler.remove({"HTTPRoute", "default", "r0"});
  EXPECT_EQ(accepted(last), "yes");
  EXPECT_EQ(rules(), 8192u - 64 + 2);
}

TEST_F(Admission, AThousandAndTwentyFourRulesForOpaqueConnectionsAreTheMostOfAPort) {
  compiler.put(
      decode_one("{apiVersion: v1, kind: Service, metadata: {name: cart}, spec: {ports: "
                 "[{port: 443, appProtocol: tls}]}}"));
  const auto opaque = [](const std::string& name, int64_t created) {
    Object out = decode_one(fmt::format(
        "{{apiVersion: gateway.networking.k8s.io/v1, kind: TLSRoute, metadata: {{name: {0}}}, "
        "spec: {{parentRefs: [{{kind: Service, group: '', name: cart}}], hostnames: [{0}.test], "
        "rules: [{{backendRefs: [{{name: cart, port: 443}}]}}]}}}}",
        name, created));
    out.meta.created = WallTime::from_unix_seconds(created);
    return out;
  };
  for (int i = 0; i < 1024; ++i) compiler.put(opaque(fmt::format("r{}", i), i));
  const Object last = opaque("last", 2000);
  compiler.put(last);
  const auto count = [&] { return compiler.compile(kCart)->service.ports.at(0).tcp_rules.size(); };
  EXPECT_EQ(count(), 1024u);
  EXPECT_EQ(accepted(last),
            "TooManyRules: port 443 of cart.default takes at most 1024 rules for opaque "
            "connections: the routes before it have 1024, this one has 1");
  EXPECT_EQ(compiler.parents(last).at(0).carriers.size(), 0u) << "nobody is waited for";
  compiler.remove({"TLSRoute", "default", "r0"});
  EXPECT_EQ(accepted(last), "yes");
  EXPECT_EQ(count(), 1024u);
}

}  // namespace
}  // namespace weft::control
