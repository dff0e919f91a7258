// TLSRoutes and TCPRoutes compiled, and what their status says.
#include "control/compile_tcp_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/compile.h"
#include "control/kinds.h"

namespace weft::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Object object(const std::string& yaml, int64_t created_s = 0) {
  Problems problems;
  auto decoded = decode_objects("test", yaml, problems);
  EXPECT_THAT(problems, IsEmpty()) << problems.front().to_string();
  Object out = decoded.at(0).object;
  out.meta.created = WallTime::from_unix_seconds(created_s);
  return out;
}
Object route(const std::string& kind, const std::string& metadata, const std::string& spec,
             int64_t created_s = 0) {
  return object("{apiVersion: gateway.networking.k8s.io/v1, kind: " + kind +
                    ", metadata: " + metadata + ", spec: {" + spec + "}}",
                created_s);
}
const std::string kFront = "parentRefs: [{kind: Service, name: front}]";
const std::string kToBack = ", rules: [{backendRefs: [{name: back, port: 443}]}]";

class CompiledTcpRoutes : public testing::Test {
 protected:
  CompiledTcpRoutes() {
    put_service("front",
                "{name: tls, port: 443, appProtocol: tls}, "
                "{name: open, port: 9000}, {name: http, port: 80, appProtocol: http}");
    put_service("back", "{port: 443, appProtocol: https}");
  }
  void put_service(const std::string& name, const std::string& ports) {
    compiler.put(object("{apiVersion: v1, kind: Service, metadata: {name: " + name +
                        "}, spec: {ports: [" + ports + "]}}"));
    compiler.set_address({"default", name}, IpAddress::v4(0xf0f00001), IpAddress());
  }
  // "443: route(names)->backend" for each rule.
  std::vector<std::string> rules(const std::string& service = "front") {
    std::vector<std::string> out;
    for (const model::ServicePort& port : compiler.compile({"default", service})->service.ports) {
      for (const model::TcpRule& rule : port.tcp_rules) {
        std::string text = std::to_string(port.port) + ": " + rule.route;
        for (const std::string& name : rule.hostnames) text += " " + name;
        for (const model::Backend& backend : rule.backends) {
          text += " -> " + backend.service.to_string() + (backend.invalid ? " invalid" : "");
        }
        if (!rule.consumer_namespace.empty()) text += " for " + rule.consumer_namespace;
        out.push_back(text);
      }
    }
    return out;
  }
  // "Accepted=False NoMatchingParent: …" of the route's first parent.
  std::vector<std::string> status(const Object& of) {
    std::vector<std::string> out;
    const std::vector<ParentState> parents = compiler.parents(of);
    for (const Condition& c : parents.at(0).conditions) {
      out.push_back(c.type + "=" + (c.ok ? "True " : "False ") + c.reason +
                    (c.message.empty() ? "" : ": " + c.message));
    }
    return out;
  }

  Compiler compiler;
};

TEST_F(CompiledTcpRoutes, AttachToPortsThatMayBeOpaque) {
  const Object one = route("TLSRoute", "{name: one}", kFront + ", hostnames: [a.test]" + kToBack);
  EXPECT_THAT(compiler.put(one), ElementsAre(model::ServiceName{"default", "front"}));
  EXPECT_THAT(rules(), ElementsAre("443: default/one a.test -> back.default",
                                   "9000: default/one a.test -> back.default"));
  EXPECT_THAT(status(one), ElementsAre("Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs"));
  const auto http = compiler.compile({"default", "front"})->service.ports.at(2);
  EXPECT_FALSE(http.routed);
  compiler.remove(one.key());
  EXPECT_THAT(rules(), IsEmpty());
}

TEST_F(CompiledTcpRoutes, ComeByAgeThenByName) {
  const std::string at = "parentRefs: [{kind: Service, name: front, port: 443}]";
  compiler.put(route("TLSRoute", "{name: b}", at + ", hostnames: [b.test]" + kToBack, 5));
  compiler.put(route("TLSRoute", "{name: a}", at + ", hostnames: [a.test]" + kToBack, 5));
  compiler.put(route("TCPRoute", "{name: z}", at + kToBack, 1));
  EXPECT_THAT(rules(),
              ElementsAre("443: default/z -> back.default", "443: default/a a.test -> back.default",
                          "443: default/b b.test -> back.default"));
}

TEST_F(CompiledTcpRoutes, OfAnotherNamespaceConcernItsCallers) {
  const Object mine =
      route("TCPRoute", "{name: mine, namespace: shop}",
            "parentRefs: [{kind: Service, name: front, namespace: default, port: 443}], "
            "rules: [{backendRefs: [{name: back, namespace: default, port: 443}]}]");
  compiler.put(mine);
  EXPECT_THAT(rules(), ElementsAre("443: shop/mine -> back.default for shop"));
  EXPECT_THAT(std::vector(compiler.parents(mine).at(0).carriers),
              ElementsAre(Carrier{{"default", "front"}, "shop"}));
}

TEST_F(CompiledTcpRoutes, ThatCannotBeAttachedSayWhy) {
  struct Case {
    const char* parent;
    const char* accepted;
  };
  for (const Case& c : {
           Case{"{kind: Service, name: gone}",
                "Accepted=False NoMatchingParent: there is no Service gone.default"},
           Case{
               "{kind: Service, name: front, port: 80}",
               "Accepted=False NoMatchingParent: front.default speaks HTTP there: a TLSRoute needs "
               "tcp, tls or an undeclared port"},
           Case{"{kind: Service, name: front, port: 81}",
                "Accepted=False NoMatchingParent: front.default has no port 81 (ports: 443, 9000, "
                "80)"},
           Case{"{kind: Service, name: front, sectionName: tsl}",
                "Accepted=False NoMatchingParent: front.default has no port named 'tsl'"},
       }) {
    const Object one =
        route("TLSRoute", "{name: one}",
              std::string("parentRefs: [") + c.parent + "], hostnames: [a.test]" + kToBack);
    compiler.put(one);
    EXPECT_EQ(status(one).at(0), c.accepted);
    EXPECT_THAT(rules(), IsEmpty()) << c.parent;
  }
}

TEST_F(CompiledTcpRoutes, WithBackendsThatCannotBeUsedSayWhose) {
  const Object one = route("TCPRoute", "{name: one}",
                           "parentRefs: [{kind: Service, name: front, port: 443}], rules: [{"
                           "backendRefs: [{name: back, port: 443}, {name: gone, port: 1}]}]");
  compiler.put(one);
  EXPECT_THAT(rules(), ElementsAre("443: default/one -> back.default -> gone.default invalid"));
  EXPECT_EQ(status(one).at(1),
            "ResolvedRefs=False BackendNotFound: there is no Service gone.default: its share of "
            "connections is reset");
  // A backend that comes makes the parent compile again.
  const Affected affected = compiler.put(object(
      "{apiVersion: v1, kind: Service, metadata: {name: gone}, spec: {ports: [{port: 1}]}}"));
  EXPECT_TRUE(affected.contains({"default", "front"}));
  EXPECT_THAT(rules(), ElementsAre("443: default/one -> back.default -> gone.default"));
}

TEST_F(CompiledTcpRoutes, WhoseConnectionsAnOlderOneTakesAreInConflict) {
  const std::string at = "parentRefs: [{kind: Service, name: front, port: 443}]";
  const Object old =
      route("TLSRoute", "{name: old}", at + ", hostnames: [a.test, b.test]" + kToBack, 1);
  const Object all =
      route("TLSRoute", "{name: all}", at + ", hostnames: [b.test, a.test]" + kToBack, 2);
  const Object some =
      route("TLSRoute", "{name: some}", at + ", hostnames: [b.test, c.test]" + kToBack, 3);
  const Object tcp = route("TCPRoute", "{name: tcp}", at + kToBack, 4);
  const Object late = route("TCPRoute", "{name: late}", at + kToBack, 5);
  for (const Object* one : {&late, &tcp, &some, &all, &old}) compiler.put(*one);
  EXPECT_EQ(status(old).at(0), "Accepted=True Accepted");
  EXPECT_EQ(status(all).at(0),
            "Accepted=False Conflicted: TLSRoute default/old is older and takes the same "
            "connections of front.default");
  EXPECT_EQ(status(some).at(0), "Accepted=True Accepted");
  EXPECT_EQ(status(tcp).at(0), "Accepted=True Accepted");
  EXPECT_EQ(status(late).at(0),
            "Accepted=False Conflicted: TCPRoute default/tcp is older and takes the same "
            "connections of front.default");
  compiler.remove(old.key());
  EXPECT_EQ(status(all).at(0), "Accepted=True Accepted");
}

}  // namespace
}  // namespace weft::control
