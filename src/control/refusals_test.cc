// What proxies refuse, and what the control plane does not send because they would, as the objects concerned
// say it: real connections, proxies that refuse what they are told to.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <ranges>

#include "control/server_test_support.h"
#include "control/status_rows.h"

namespace weft::control {
namespace {

using testing::HasSubstr;

class Refusals : public ServerTest {
 protected:
  void apply(const std::string& yaml) {
    auto outcome = server_->plane().catalog->apply({{"f.yaml", yaml}}, false);
    ASSERT_TRUE(outcome) << outcome.error().message();
    ASSERT_TRUE(outcome->errors.empty()) << outcome->errors.front();
  }
  void remove(const ObjectKey& key) { ASSERT_TRUE(server_->plane().catalog->remove({key})); }
  static std::string route(const std::string& name, const std::string& parent,
                           const std::string& rest) {
    return fmt::format(
        "{{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: {}}}, "
        "spec: {{parentRefs: [{}], rules: [{{matches: [{{path: {{value: /{}}}}}], backendRefs: "
        "[{{name: cart, port: 80{}}}]}}]}}}}",
        name, parent, name, rest);
  }
  // One rule of more than the 1 MiB that a resource may have.
  static std::string large_route(const std::string& parent) {
    std::string refs, headers;
    for (int i = 0; i < 16; ++i) {
      headers += fmt::format("{{name: x-{}, value: {}}},", i, std::string(4096, 'v'));
    }
    for (int i = 0; i < 16; ++i) {
      refs += fmt::format(
          "{}{{name: cart, port: 80, filters: [{{type: RequestHeaderModifier, "
          "requestHeaderModifier: {{set: [{}]}}}}]}}",
          i == 0 ? "" : ", ", headers);
    }
    return "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: large}, "
           "spec: {parentRefs: [" +
           parent +
           "], rules: [{filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [" +
           headers + "]}}], backendRefs: [" + refs + "]}]}}";
  }
  // What `weft get` shows of one condition: of the object, of its first parent or first target.
  std::string condition(const ObjectKey& key, const std::string& type = "weft.dev/Served") {
    const Compiler& compiler = server_->plane().catalog->compiler();
    const Object& object = *compiler.object(key);
    const ServedFn& served = server_->plane().served;
    std::vector<Condition> all = full_conditions(compiler, object, served);
    all.push_back(served_condition(object, served_of(compiler, object, served)));
    const auto parents = parent_states(compiler, object, served);
    if (!parents.empty()) all.push_back(parents[0].conditions.back());
    const auto ancestors = ancestor_states(compiler, object, served);
    if (!ancestors.empty()) all.push_back(ancestors[0].conditions.back());
    for (const auto& one : all | std::views::reverse) {
      if (one.type == type) return (one.ok ? "True/" : "False/") + one.reason + ": " + one.message;
    }
    return "";
  }
};

constexpr const char* kOfCart = "{kind: Service, group: '', name: cart}";

TEST_F(Refusals, AreToldAtTheRouteThatWasRefusedAndAtWhatWaitsForIt) {
  start();
  ASSERT_TRUE(register_as(socket(), {kCart}));
  auto first = register_as(socket(), {kWeb}), second = register_as(socket(), {kWeb});
  FakeProxy takes(loop_, network_, *first), refuses(loop_, network_, *second);
  for (FakeProxy* proxy : {&takes, &refuses}) {
    proxy->subscribe(ResourceType::kService, "cart.default");
    proxy->connect();
  }
  const ObjectKey good{"HTTPRoute", "default", "good"}, bad{"HTTPRoute", "default", "bad"};
  const ObjectKey fault{"FaultPolicy", "default", "slow"}, service{"Service", "default", "cart"};
  apply("{apiVersion: v1, kind: Service, metadata: {name: cart}, spec: {ports: [{port: 80}]}}");
  apply(route("good", kOfCart, ""));
  apply(
      "{apiVersion: weft.dev/v1, kind: FaultPolicy, metadata: {name: slow}, spec: {targetRefs: "
      "[{kind: HTTPRoute, name: good}], duration: 5m, delay: {percentage: 1, duration: 1s}}}");
  ASSERT_TRUE(until([&] { return server_->served(kCartName).current == 2; }));
  EXPECT_EQ(condition(good), "True/Served: served by 2 of 2 sidecars");

  refuses.refuse = "cart.default";
  refuses.why = "route default/bad rule 0: its expression is too large";
  apply(route("bad", kOfCart, ""));
  ASSERT_TRUE(until([&] {
    const Served now = server_->served(kCartName);
    return !now.problem.empty() && now.current == 1;
  }));
  const std::string whom =
      "the version before stays in use: " + second->instance + ": " + refuses.why;
  const std::string refused = "False/Refused: served by 1 of 2 sidecars; refused, " + whom;
  const std::string held =
      "False/HeldBack: served by 1 of 2 sidecars; what comes with it is refused, ";
  EXPECT_EQ(condition(bad), refused);
  EXPECT_EQ(condition(bad, "Programmed"), "False/Refused: refused, " + whom);
  EXPECT_EQ(condition(service), refused);
  EXPECT_EQ(condition(good), held + whom);
  EXPECT_EQ(condition(fault), held + whom);

  // Both refuse: both are named, with one reason.
  takes.refuse = refuses.refuse;
  takes.why = refuses.why;
  apply(route("more", kOfCart, ""));
  ASSERT_TRUE(until([&] {
    return server_->served(kCartName).problem.find(first->instance) != std::string::npos;
  }));
  EXPECT_EQ(server_->served(kCartName).problem,
            fmt::format("{}, {}: {}", first->instance, second->instance, refuses.why));

  // It goes: so do the conditions.
  takes.refuse = refuses.refuse = "";
  remove(bad);
  ASSERT_TRUE(until([&] { return server_->served(kCartName).current == 2; }));
  for (const ObjectKey& key : {good, fault, service})
    EXPECT_EQ(condition(key), "True/Served: served by 2 of 2 sidecars") << key.to_string();
  EXPECT_THAT(condition(service, "Programmed"), HasSubstr("True/Programmed"));
}

TEST_F(Refusals, OfAGatewayAreToldThereAndAtItsRoutes) {
  start();
  ASSERT_TRUE(register_as(socket(), {kCart}));
  auto edge = register_as(socket(), {}, "", "default", "gateway-edge");
  ASSERT_TRUE(edge) << edge.error().message();
  FakeProxy proxy(loop_, network_, *edge);
  proxy.refuse = "default/edge";
  proxy.why = "listener web: its certificate is of no use";
  proxy.subscribe(ResourceType::kGateway, "default/edge");
  proxy.connect();
  const ObjectKey gateway{"Gateway", "default", "edge"}, of{"HTTPRoute", "default", "r"};
  apply(
      "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: edge}, spec: "
      "{gatewayClassName: weft, listeners: [{name: web, port: 80, protocol: HTTP}]}}");
  apply(route("r", "{name: edge}", ""));
  const auto told = [&] {
    return condition(gateway).find("Refused") != std::string::npos &&
           condition(of).find("Refused") != std::string::npos;
  };
  ASSERT_TRUE(until(told)) << condition(gateway) << condition(of);
  const std::string text =
      "False/Refused: served by 0 of 1 sidecars; refused, the version before stays in use: " +
      edge->instance + ": listener web: its certificate is of no use";
  EXPECT_EQ(condition(gateway), text);
  EXPECT_EQ(condition(of), text);
  EXPECT_THAT(condition(gateway, "Programmed"), HasSubstr("False/Refused: refused, "));
  proxy.refuse = "";
  remove(of);
  ASSERT_TRUE(until([&] { return condition(gateway).starts_with("True/Served"); }));
}

TEST_F(Refusals, WhatEveryProxyWouldRefuseIsNotSentAndSaysSo) {
  start();
  ASSERT_TRUE(register_as(socket(), {kCart}));
  auto web = register_as(socket(), {kWeb});
  FakeProxy proxy(loop_, network_, *web);
  proxy.subscribe(ResourceType::kService, "cart.default");
  proxy.subscribe(ResourceType::kRules, "cart.default");
  proxy.connect();
  const ObjectKey good{"HTTPRoute", "default", "good"}, large{"HTTPRoute", "default", "large"};
  apply(route("good", kOfCart, ""));
  ASSERT_TRUE(until([&] { return server_->served(kCartName).current == 1; }));
  const std::string before = *proxy.held(ResourceType::kService, "cart.default");

  apply(large_route(kOfCart));
  const std::string why =
      "the version before stays in use: route default/large rule 0: 1117707 bytes, at most 1048576 "
      "allowed";
  EXPECT_EQ(condition(large),
            "False/NotSent: served by 0 of 1 sidecars; every proxy would refuse it, " + why);
  EXPECT_EQ(condition(good),
            "False/HeldBack: served by 0 of 1 sidecars; what comes with it is refused, " + why);
  EXPECT_THAT(server_->status().warnings,
              testing::Contains("Service of cart.default is sent to nobody, " + why));
  apply(route("third", kOfCart, ""));
  EXPECT_EQ(*proxy.held(ResourceType::kService, "cart.default"), before) << "nothing was sent";

  remove(large);
  ASSERT_TRUE(until([&] { return server_->served(kCartName).current == 1; }));
  EXPECT_EQ(condition(good), "True/Served: served by 1 of 1 sidecars");
  EXPECT_TRUE(server_->status().warnings.empty());
}

TEST_F(Refusals, AGatewayThatNoProxyCouldUseIsNotSent) {
  start();
  ASSERT_TRUE(register_as(socket(), {kCart}));
  auto edge = register_as(socket(), {}, "", "default", "gateway-edge");
  ASSERT_TRUE(edge) << edge.error().message();
  FakeProxy proxy(loop_, network_, *edge);
  proxy.subscribe(ResourceType::kGateway, "default/edge");
  proxy.connect();
  const ObjectKey gateway{"Gateway", "default", "edge"}, large{"HTTPRoute", "default", "large"};
  apply(
      "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: edge}, spec: "
      "{gatewayClassName: weft, listeners: [{name: web, port: 80, protocol: HTTP}]}}");
  ASSERT_TRUE(until([&] { return condition(gateway).starts_with("True/Served"); }));
  apply(large_route("{name: edge}"));
  for (const ObjectKey& key : {gateway, large}) {
    EXPECT_THAT(condition(key),
                testing::MatchesRegex("False/NotSent: served by 0 of 1 sidecars; every proxy would "
                                      "refuse it, the version before stays in use: 11[0-9]* "
                                      "bytes, at most 1048576 allowed"));
  }
  EXPECT_THAT(condition(gateway, "Programmed"), HasSubstr("False/NotSent"));
  remove(large);
  EXPECT_EQ(condition(gateway), "True/Served: served by 1 of 1 sidecars");
}

}  // namespace
}  // namespace weft::control
