#include "control/compile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/kinds.h"

namespace weft::control {
namespace {

using model::ServiceName;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

ServiceName name(const std::string& text) { return ServiceName::parse(text).value(); }

Object object(const std::string& yaml, int64_t created_s = 0) {
  Problems problems;
  auto decoded = decode_objects("test", yaml, problems);
  EXPECT_THAT(problems, IsEmpty()) << problems.front().to_string();
  Object out = decoded.at(0).object;
  out.meta.created = WallTime::from_unix_seconds(created_s);
  return out;
}
Object service(const std::string& metadata, const std::string& spec) {
  return object("{apiVersion: v1, kind: Service, metadata: " + metadata + ", spec: " + spec + "}");
}
Object route(const std::string& metadata, const std::string& parents, const std::string& rules,
             int64_t created_s = 0) {
  return object("{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: " +
                    metadata + ", spec: {parentRefs: " + parents + ", rules: " + rules + "}}",
                created_s);
}

Instance instance(const std::string& id, std::vector<Instance::Claim> claims, Labels labels = {},
                  const std::string& ns = "default") {
  Instance out;
  out.id = id;
  out.ns = ns;
  out.claims = std::move(claims);
  out.labels = std::move(labels);
  for (const Instance::Claim& claim : out.claims) out.ready[claim.app_port] = true;
  return out;
}
Instance::Claim claim(const std::string& service, uint16_t port, uint16_t app_port,
                      model::Protocol protocol = model::Protocol::kAuto) {
  return {service, port, app_port, protocol};
}

void address(Compiler& compiler, const std::string& service, uint32_t n) {
  compiler.set_address(name(service), IpAddress::v4(0xf0f00000 + n), IpAddress());
}

std::vector<std::string> workloads(const CompiledService& compiled) {
  std::vector<std::string> out;
  for (const model::Endpoint& endpoint : compiled.endpoints.endpoints) {
    out.push_back(endpoint.workload + (endpoint.ready ? "" : " (not ready)"));
  }
  return out;
}

std::vector<std::string> rule_names(const model::ServicePort& port) {
  std::vector<std::string> out;
  for (const model::RouteRule& rule : port.rules) {
    out.push_back(rule.consumer_namespace.empty() ? rule.rule
                                                  : rule.rule + "@" + rule.consumer_namespace);
  }
  return out;
}

TEST(Claims, MakeAServiceWithoutAnObject) {
  Compiler compiler;
  EXPECT_THAT(
      compiler.put_instance(instance("cart-1", {claim("cart", 80, 8080, model::Protocol::kHttp)})),
      UnorderedElementsAre(name("cart")));
  EXPECT_THAT(compiler.without_address(), ElementsAre(name("cart")));
  EXPECT_FALSE(compiler.compile(name("cart")).has_value()) << "it has no address yet";
  address(compiler, "cart", 9);
  const auto compiled = compiler.compile(name("cart"));
  ASSERT_TRUE(compiled.has_value());
  EXPECT_EQ(compiled->entry.vip4.to_string(), "240.240.0.9");
  EXPECT_THAT(compiled->entry.ports, ElementsAre(80));
  ASSERT_EQ(compiled->service.ports.size(), 1u);
  EXPECT_EQ(compiled->service.ports[0].port, 80);
  EXPECT_EQ(compiled->service.ports[0].protocol, model::Protocol::kHttp);
  EXPECT_FALSE(compiled->service.ports[0].routed);
  EXPECT_THAT(workloads(*compiled), ElementsAre("cart-1"));
  EXPECT_EQ(compiled->endpoints.endpoints[0].target_ports,
            (std::map<uint16_t, uint16_t>{{80, 8080}}));
  EXPECT_EQ(compiled->endpoints.endpoints[0].labels, (Labels{{"app", "cart"}}));
}

TEST(Claims, WithoutAPortOnlyCallOut) {
  Compiler compiler;
  compiler.put_instance(instance("job-1", {claim("job", 0, 0)}));
  EXPECT_THAT(compiler.services(), IsEmpty());
}

TEST(Claims, KeepTheServiceKnownAfterItsLastInstanceLeft) {
  Compiler compiler;
  compiler.put_instance(instance("cart-1", {claim("cart", 80, 8080)}));
  address(compiler, "cart", 1);
  const auto rows = compiler.unrecorded_implicit();
  ASSERT_EQ(rows.size(), 1u);
  compiler.put_implicit(rows[0].name, rows[0].ports);
  EXPECT_THAT(compiler.unrecorded_implicit(), IsEmpty());
  compiler.remove_instance("cart-1");
  ASSERT_TRUE(compiler.compile(name("cart")).has_value());
  EXPECT_THAT(workloads(*compiler.compile(name("cart"))), IsEmpty());
  EXPECT_THAT(compiler.with_idle_address(), IsEmpty());
  // New claims replace what was remembered.
  compiler.put_instance(instance("cart-2", {claim("cart", 90, 8080)}));
  EXPECT_EQ(compiler.compile(name("cart"))->service.ports[0].port, 90);
  EXPECT_EQ(compiler.compile(name("cart"))->service.ports.size(), 1u);
  compiler.remove_instance("cart-2");
  compiler.put_implicit(name("cart"), {});
  EXPECT_FALSE(compiler.exists(name("cart")));
  EXPECT_THAT(compiler.with_idle_address(), ElementsAre(name("cart")));
}

TEST(ServiceObjects, WinOverClaimsOfTheSameName) {
  Compiler compiler;
  compiler.put_instance(instance("cart-1", {claim("cart", 80, 8080)}));
  compiler.put_instance(instance("cart-2", {claim("cart", 80, 8080)}, {{"version", "v2"}}));
  address(compiler, "cart", 1);
  EXPECT_THAT(workloads(*compiler.compile(name("cart"))), ElementsAre("cart-1", "cart-2"));
  compiler.put(
      service("{name: cart}", "{selector: {app: cart, version: v2}, ports: [{port: 8000}]}"));
  const auto compiled = compiler.compile(name("cart"));
  EXPECT_EQ(compiled->service.ports[0].port, 8000);
  EXPECT_THAT(workloads(*compiled), ElementsAre("cart-2"));
  EXPECT_THAT(compiler.remove({"Service", "default", "cart"}), UnorderedElementsAre(name("cart")));
  EXPECT_THAT(workloads(*compiler.compile(name("cart"))), ElementsAre("cart-1", "cart-2"));
}

TEST(ServiceObjects, FindTheWorkloadsPort) {
  Compiler compiler;
  compiler.put_instance(instance("w-1", {claim("web", 80, 8080, model::Protocol::kHttp),
                                         claim("admin", 9000, 9001, model::Protocol::kGrpc)}));
  const struct {
    const char* port;
    uint16_t target;
    model::Protocol protocol;
  } kCases[] = {
      {"{port: 80}", 8080, model::Protocol::kHttp},  // the claim of port 80, and what it declared
      {"{port: 81}", 81, model::Protocol::kAuto},    // nobody said: the same number
      {"{port: 81, targetPort: 8080}", 8080, model::Protocol::kHttp},
      {"{port: 81, targetPort: 8080, appProtocol: tcp}", 8080, model::Protocol::kTcp},
      {"{port: 81, targetPort: admin}", 9001, model::Protocol::kGrpc},  // claim of that service
      {"{port: 81, targetPort: grpc}", 9001, model::Protocol::kGrpc},   // claim of that protocol
  };
  for (const auto& c : kCases) {
    compiler.put(
        service("{name: s}", std::string("{selector: {app: web}, ports: [") + c.port + "]}"));
    address(compiler, "s", 1);
    const auto compiled = compiler.compile(name("s"));
    ASSERT_EQ(compiled->endpoints.endpoints.size(), 1u) << c.port;
    EXPECT_EQ(compiled->endpoints.endpoints[0].target_ports.begin()->second, c.target) << c.port;
    EXPECT_EQ(compiled->service.ports[0].protocol, c.protocol) << c.port;
  }
  compiler.put(
      service("{name: s}", "{selector: {app: web}, ports: [{port: 81, targetPort: nope}]}"));
  EXPECT_THAT(workloads(*compiler.compile(name("s"))), IsEmpty());
  const auto conditions = compiler.conditions(*compiler.object({"Service", "default", "s"}));
  EXPECT_EQ(conditions[1].reason, "PortNotFound");
  EXPECT_EQ(conditions[1].message, "w-1 has no port named 'nope'");
}

TEST(ServiceObjects, SelectOnlyInTheirNamespaceAndAWorkloadMayServeSeveral) {
  Compiler compiler;
  compiler.put_instance(instance("w-1", {claim("web", 80, 8080)}, {{"tier", "front"}}));
  compiler.put_instance(instance("w-2", {claim("web", 80, 8080)}, {{"tier", "front"}}, "shop"));
  compiler.put(service("{name: a}", "{selector: {tier: front}, ports: [{port: 80}]}"));
  compiler.put(service("{name: b}", "{selector: {app: web}, ports: [{port: 80}]}"));
  for (const char* s : {"a", "b", "web"}) address(compiler, s, 1);
  EXPECT_THAT(workloads(*compiler.compile(name("a"))), ElementsAre("w-1"));
  EXPECT_THAT(workloads(*compiler.compile(name("b"))), ElementsAre("w-1"));
  EXPECT_THAT(compiler.services_of("w-1"), UnorderedElementsAre(name("a"), name("b"), name("web")));
  // A change of the instance touches all three, and nothing of the other namespace.
  EXPECT_THAT(compiler.put_instance(instance("w-1", {claim("web", 80, 8080)})),
              UnorderedElementsAre(name("a"), name("b"), name("web")));
  EXPECT_THAT(workloads(*compiler.compile(name("a"))), IsEmpty());
}

TEST(ServiceObjects, WithoutASelectorAreServedByClaims) {
  Compiler compiler;
  compiler.put(service("{name: cart}", "{ports: [{port: 80, appProtocol: http}]}"));
  address(compiler, "cart", 1);
  compiler.put_instance(instance("cart-1", {claim("cart", 80, 8080)}));
  compiler.put_instance(instance("other-1", {claim("other", 80, 8080)}));
  EXPECT_THAT(workloads(*compiler.compile(name("cart"))), ElementsAre("cart-1"));
}

TEST(ServiceObjects, ThatAreHeadlessHaveNoAddressAndNoRoutes) {
  Compiler compiler;
  compiler.put(service("{name: db}", "{clusterIP: None, ports: [{port: 5432}]}"));
  compiler.put(route("{name: r}", "[{kind: Service, name: db}]", "[{}]"));
  EXPECT_THAT(compiler.without_address(), IsEmpty());
  const auto compiled = compiler.compile(name("db"));
  ASSERT_TRUE(compiled.has_value());
  EXPECT_TRUE(compiled->entry.headless);
  EXPECT_FALSE(compiled->service.ports[0].routed);
  EXPECT_EQ(compiler.conditions(*compiler.object({"HTTPRoute", "default", "r"}))[0].message,
            "db.default is headless: a route needs a Service with an address");
}

TEST(Readiness, LeavesOutPortsThatDoNotAccept) {
  Compiler compiler;
  Instance two = instance("w-1", {claim("web", 80, 8080), claim("web", 81, 8081)});
  two.ready = {{8080, true}, {8081, false}};
  compiler.put_instance(two);
  address(compiler, "web", 1);
  auto compiled = compiler.compile(name("web"));
  EXPECT_EQ(compiled->endpoints.endpoints[0].target_ports,
            (std::map<uint16_t, uint16_t>{{80, 8080}}));
  EXPECT_TRUE(compiled->endpoints.endpoints[0].ready);
  two.ready = {{8080, false}};  // and 8081 has not been heard of: its claim says it is probed
  compiler.put_instance(two);
  EXPECT_THAT(workloads(*compiler.compile(name("web"))), ElementsAre("w-1 (not ready)"));
  two.ready = {{8080, true}, {8081, true}};
  two.leaving = true;
  compiler.put_instance(two);
  EXPECT_THAT(workloads(*compiler.compile(name("web"))), IsEmpty());
  ASSERT_TRUE(compiler.workload_address("w-1").has_value()) << "its own address still resolves";
  EXPECT_EQ(compiler.workload_address("w-1")->endpoint.target_ports,
            (std::map<uint16_t, uint16_t>{{8080, 8080}, {8081, 8081}}));
}

TEST(Precedence, IsGatewayApis) {
  Compiler compiler;
  compiler.put(service("{name: s}", "{ports: [{port: 80}]}"));
  address(compiler, "s", 1);
  const std::string to = ", backendRefs: [{name: s, port: 80}]}";
  compiler.put(route(
      "{name: one}", "[{kind: Service, name: s}]",
      "[{name: any" + to +
          ", {name: regex, matches: [{path: {type: RegularExpression, value: '/a.*'}}]" + to +
          ", {name: short, matches: [{path: {value: /a}}]" + to +
          ", {name: long, matches: [{path: {value: /a/b}}]" + to +
          ", {name: exact, matches: [{path: {type: Exact, value: /a}}]" + to +
          ", {name: method, matches: [{path: {value: /a}, method: GET}]" + to +
          ", {name: header, matches: [{path: {value: /a}, headers: [{name: x, value: y}]}]" + to +
          ", {name: headers, matches: [{path: {value: /a}, headers: [{name: x, value: y}, "
          "{name: z, value: y}]}]" +
          to +
          ", {name: query, matches: [{path: {value: /a}, queryParams: [{name: q, value: y}]}]" +
          to + "]"));
  EXPECT_THAT(rule_names(compiler.compile(name("s"))->service.ports[0]),
              ElementsAre("exact", "long", "method", "headers", "header", "query", "short", "any",
                          "regex"));
}

TEST(Precedence, OfEqualMatchesIsAgeThenNameThenOrder) {
  Compiler compiler;
  compiler.put(service("{name: s}", "{ports: [{port: 80}]}"));
  address(compiler, "s", 1);
  const std::string parent = "[{kind: Service, name: s}]";
  compiler.put(route("{name: b}", parent, "[{name: young}]", 200));
  compiler.put(route("{name: z}", parent, "[{name: old}]", 100));
  compiler.put(
      route("{name: a}", parent, "[{name: young-a, matches: [{}, {path: {value: /}}]}, {}]", 200));
  EXPECT_THAT(rule_names(compiler.compile(name("s"))->service.ports[0]),
              ElementsAre("old", "young-a", "young-a", "1", "young"));
}

TEST(Routes, ApplyToThePortsTheirParentRefNames) {
  Compiler compiler;
  compiler.put(service("{name: s}",
                       "{ports: [{name: a, port: 80}, {name: b, port: 81}, "
                       "{name: c, port: 82, appProtocol: tcp}]}"));
  address(compiler, "s", 1);
  compiler.put(route("{name: all}", "[{kind: Service, name: s}]", "[{name: all}]"));
  compiler.put(route("{name: one}", "[{kind: Service, name: s, port: 81}]", "[{name: one}]"));
  const auto compiled = compiler.compile(name("s"));
  EXPECT_THAT(rule_names(compiled->service.ports[0]), ElementsAre("all"));
  EXPECT_THAT(rule_names(compiled->service.ports[1]), ElementsAre("all", "one"));
  EXPECT_FALSE(compiled->service.ports[2].routed) << "opaque TCP has no HTTP routes";
}

TEST(Routes, OfAnotherNamespaceAreForItsCallersOnly) {
  Compiler compiler;
  compiler.put(service("{name: s, namespace: shop}", "{ports: [{port: 80}]}"));
  address(compiler, "s.shop", 1);
  compiler.put(route("{name: mine, namespace: team}", "[{kind: Service, name: s, namespace: shop}]",
                     "[{name: consumer}]"));
  EXPECT_THAT(rule_names(compiler.compile(name("s.shop"))->service.ports[0]),
              ElementsAre("consumer@team"));
  compiler.put(
      route("{name: own, namespace: shop}", "[{kind: Service, name: s}]", "[{name: producer}]"));
  EXPECT_THAT(rule_names(compiler.compile(name("s.shop"))->service.ports[0]),
              ElementsAre("consumer@team", "producer"));
}

TEST(Routes, MarkBackendsThatDoNotExistAndFollowThemWhenTheyCome) {
  Compiler compiler;
  compiler.put(service("{name: s}", "{ports: [{port: 80}]}"));
  address(compiler, "s", 1);
  EXPECT_THAT(compiler.put(route("{name: r}", "[{kind: Service, name: s}]",
                                 "[{backendRefs: [{name: v2, port: 80}, {name: s, port: 81}]}]")),
              UnorderedElementsAre(name("s")));
  const Object* r = compiler.object({"HTTPRoute", "default", "r"});
  const auto backends = [&] {
    return compiler.compile(name("s"))->service.ports[0].rules[0].backends;
  };
  EXPECT_TRUE(backends()[0].invalid);
  EXPECT_TRUE(backends()[1].invalid);
  EXPECT_EQ(compiler.conditions(*r)[1].reason, "BackendNotFound");
  EXPECT_EQ(
      compiler.conditions(*r)[1].message,
      "there is no Service v2.default; s.default has no port 81 (ports: 80): its share of requests "
      "gets 500");
  // A claim brings v2 into being: the parent is compiled anew.
  EXPECT_THAT(compiler.put_instance(instance("v2-1", {claim("v2", 80, 8080)})),
              UnorderedElementsAre(name("s"), name("v2")));
  EXPECT_FALSE(backends()[0].invalid);
  EXPECT_EQ(compiler.conditions(*r)[1].message,
            "s.default has no port 81 (ports: 80): its share of requests gets 500");
}

TEST(Conditions, SayWhyARouteIsNotInForce) {
  Compiler compiler;
  compiler.put(route("{name: r}", "[{kind: Service, name: s, port: 81}]", "[{}]"));
  const auto accepted = [&] {
    return compiler.conditions(*compiler.object({"HTTPRoute", "default", "r"}))[0];
  };
  EXPECT_FALSE(accepted().ok);
  EXPECT_EQ(accepted().reason, "NoMatchingParent");
  EXPECT_EQ(accepted().message, "there is no Service s.default");
  compiler.put(service("{name: s}", "{ports: [{port: 80}]}"));
  EXPECT_EQ(accepted().message, "s.default has no port 81 (ports: 80)");
  compiler.put(service("{name: s}", "{ports: [{port: 81, appProtocol: tcp}]}"));
  EXPECT_EQ(accepted().message,
            "s.default speaks opaque TCP there: an HTTPRoute needs http, h2c or grpc");
  compiler.put(service("{name: s}", "{ports: [{port: 81}]}"));
  EXPECT_TRUE(accepted().ok);
  const auto of_service = compiler.conditions(*compiler.object({"Service", "default", "s"}));
  EXPECT_EQ(of_service[1].message, "no workload runs with --service s");
  EXPECT_EQ(of_service[2].reason, "AddressNotAssigned");
}

TEST(Conditions, AreGivenForEachParentOfARoute) {
  Compiler compiler;
  compiler.put(service("{name: s}", "{ports: [{port: 80}]}"));
  compiler.put(service("{name: s, namespace: shop}", "{ports: [{port: 80}]}"));
  Object r = route("{name: r}",
                   "[{kind: Service, name: s, port: 80}, {kind: Service, name: s, port: 81}, "
                   "{kind: Service, name: none}, {kind: Service, name: s, namespace: shop}]",
                   "[{backendRefs: [{name: s, port: 80}]}]");
  r.meta.generation = 7;
  compiler.put(r);
  const auto parents = compiler.parents(*compiler.object(r.key()));
  const struct {
    const char* message;
    Carriers carriers;
  } kWanted[] = {{"", {{name("s"), ""}}},
                 {"s.default has no port 81 (ports: 80)", {}},
                 {"there is no Service none.default", {}},
                 // Of another namespace: only callers of the route's own are concerned.
                 {"", {{name("s.shop"), "default"}}}};
  ASSERT_EQ(parents.size(), std::size(kWanted));
  for (size_t i = 0; i < parents.size(); ++i) {
    ASSERT_EQ(parents[i].conditions.size(), 2u);
    EXPECT_EQ(parents[i].conditions[0].type, "Accepted");
    EXPECT_EQ(parents[i].conditions[0].message, kWanted[i].message);
    EXPECT_EQ(parents[i].conditions[0].ok, parents[i].conditions[0].message.empty());
    EXPECT_EQ(parents[i].conditions[0].generation, 7);
    EXPECT_EQ(parents[i].conditions[1].type, "ResolvedRefs");
    EXPECT_TRUE(parents[i].conditions[1].ok);
    EXPECT_EQ(parents[i].carriers, kWanted[i].carriers);
  }
  EXPECT_EQ(parents[1].ref.port, 81);
  EXPECT_EQ(compiler.carriers(r), (Carriers{{name("s"), ""}, {name("s.shop"), "default"}}));
  EXPECT_FALSE(compiler.conditions(r)[0].ok) << "one parent refuses it";
}

TEST(Compiler, GivesTheSameWhateverTheOrderOfChanges) {
  const auto build = [](const std::vector<int>& order) {
    auto compiler = std::make_unique<Compiler>();
    for (const int step : order) {
      switch (step) {
        case 0:
          compiler->put(service("{name: s}", "{selector: {app: w}, ports: [{port: 80}]}"));
          break;
        case 1: compiler->put_instance(instance("w-1", {claim("w", 80, 8080)})); break;
        case 2: compiler->put_instance(instance("w-2", {claim("w", 80, 8081)})); break;
        case 3:
          compiler->put(route("{name: r}", "[{kind: Service, name: s}]",
                              "[{backendRefs: [{name: w, port: 80}]}]"));
          break;
        default: address(*compiler, "s", 1);
      }
    }
    const auto compiled = compiler->compile(name("s"));
    return std::pair(workloads(*compiled),
                     compiled->service.ports[0].rules.at(0).backends.at(0).invalid);
  };
  const auto reference = build({0, 1, 2, 3, 4});
  EXPECT_FALSE(reference.second);
  EXPECT_EQ(build({4, 3, 2, 1, 0}), reference);
  EXPECT_EQ(build({3, 0, 4, 2, 1, 0, 1}), reference);
}

}  // namespace
}  // namespace weft::control
