// Session persistence over real sidecars: a client stays with its instance through churn, and no longer than its
// timeouts.
#include <map>
#include <set>
#include <tuple>

#include "scenarios/policy_mesh.h"

namespace weft::scenarios {
namespace {

class Sessions : public PolicyMesh {
 protected:
  Sessions() { persistence.name = "cart-session"; }

  // A rule with sessions. Said anew before each visit if need be: with what the control plane tells of
  // endpoints comes the service as that knows it.
  void use() {
    const auto held = [&] {
      return mesh.instance("client").worker->worker.snapshot->services.at(kCart).compiled;
    };
    const auto said = std::tuple(rule_name, cart_weight, other_weight);
    if (held() == used && said == used_with) return;
    change(kCart, [&](model::Service& service) {
      model::RouteRule rule;
      rule.route = "default/cart";
      rule.rule = rule_name;
      rule.persistence = persistence;
      rule.backends.push_back({.service = kCart, .port = 80, .weight = cart_weight});
      if (other_weight) {
        rule.backends.push_back({.service = kOther, .port = 80, .weight = *other_weight});
      }
      service.ports[0].routed = true;
      service.ports[0].rules = {rule};
    });
    used = held();
    used_with = said;
  }

  struct Visit {
    std::string instance;
    std::string told;  // the cookie or header of the answer
  };
  Visit visit(const std::string& session = "") {
    use();
    std::string fields;
    if (!session.empty()) {
      fields = persistence.header ? persistence.name + ": " + session + "\r\n"
                                  : "Cookie: theme=dark; cart-session=" + session + "\r\n";
    }
    const std::string answer = ask(get(fields));
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
    return {body(answer), field(answer, persistence.header ? persistence.name : "Set-Cookie")};
  }
  // The token of a Set-Cookie.
  static std::string token(const std::string& told) {
    const size_t at = told.find('=') + 1;
    return told.substr(at, told.find(';') - at);
  }
  void stays(const std::string& session, const std::string& instance, int visits = 30) {
    for (int i = 0; i < visits; ++i) {
      const Visit again = visit(session);
      ASSERT_EQ(again.instance, instance);
      ASSERT_EQ(again.told, "");
    }
  }

  inline static const model::ServiceName kOther{"default", "other"};
  model::SessionPersistence persistence;
  std::string rule_name = "0";
  uint32_t cart_weight = 1;
  std::optional<uint32_t> other_weight;
  std::shared_ptr<const proxy::CompiledService> used;
  std::tuple<std::string, uint32_t, std::optional<uint32_t>> used_with;
};

TEST_F(Sessions, AClientStaysWithTheInstanceThatServedItFirst) {
  std::map<std::string, std::string> sessions;
  for (int i = 0; i < 60; ++i) {
    const Visit first = visit();
    EXPECT_NE(first.told.find("; Path=/; HttpOnly; SameSite=Lax"), std::string::npos);
    EXPECT_EQ(first.told.find("Max-Age"), std::string::npos);
    sessions[first.instance] = token(first.told);
  }
  ASSERT_GE(sessions.size(), 2u);
  for (const auto& [instance, session] : sessions) {
    EXPECT_EQ(session.find(instance), std::string::npos);
    stays(session, instance);
  }
}

TEST_F(Sessions, AHeaderServesAsWell) {
  persistence.header = true;
  persistence.name = "X-Session";
  const Visit first = visit();
  ASSERT_NE(first.told, "");
  stays(first.told, first.instance);
}

TEST_F(Sessions, WhatIsNoTokenOrOfAnotherRuleBeginsAnew) {
  const Visit first = visit();
  EXPECT_NE(visit("nonsense").told, "");
  EXPECT_NE(visit(std::string(56, 'f')).told, "");
  rule_name = "1";
  EXPECT_NE(visit(token(first.told)).told, "");
}

TEST_F(Sessions, OutliveChurnOfAllInstancesButTheirOwn) {
  const Visit first = visit();
  const std::string session = token(first.told);
  for (const std::string& name : {std::string("one"), std::string("two"), std::string("three")}) {
    if (name == first.instance) continue;
    mesh.stop(name);
    world().run_for(Duration::seconds(2));
    stays(session, first.instance, 10);
  }
  mesh.add({.name = "four",
            .services = {{"cart", 80, 8080, model::Protocol::kHttp, false}},
            .behaviour = {.says = "four"}});
  world().run_for(Duration::seconds(2));
  stays(session, first.instance);

  // Its own instance goes: the client is told where it is at home from now on.
  mesh.stop(first.instance);
  world().run_for(Duration::seconds(2));
  const Visit moved = visit(session);
  EXPECT_EQ(moved.instance, "four");
  ASSERT_NE(moved.told, "");
  stays(token(moved.told), "four", 10);
}

TEST_F(Sessions, AnInstanceThatIsNotReadyIsPassedOver) {
  const Visit first = visit();
  mesh.close_app(first.instance);
  world().run_for(Duration::seconds(10));
  const Visit moved = visit(token(first.told));
  EXPECT_NE(moved.instance, first.instance);
  EXPECT_NE(moved.told, "");
}

TEST_F(Sessions, EndAtTheirAbsoluteTimeout) {
  persistence.absolute_timeout = Duration::minutes(5);
  persistence.permanent = true;
  const Visit first = visit();
  EXPECT_NE(first.told.find("; Max-Age=300;"), std::string::npos) << first.told;
  world().run_for(Duration::minutes(4));
  stays(token(first.told), first.instance);
  world().run_for(Duration::seconds(61));
  EXPECT_NE(visit(token(first.told)).told, "");
}

TEST_F(Sessions, EndWhenTheyAreIdleForTooLong) {
  persistence.idle_timeout = Duration::minutes(1);
  Visit last = visit();
  const std::string instance = last.instance;
  for (int i = 0; i < 20; ++i) {
    world().run_for(Duration::seconds(59));
    last = visit(token(last.told));
    ASSERT_EQ(last.instance, instance);
    ASSERT_NE(last.told, "") << "each use has to be told";
  }
  std::set<std::string> instances;
  for (int i = 0; i < 30; ++i) {
    world().run_for(Duration::seconds(61));
    instances.insert(visit(token(last.told)).instance);
  }
  EXPECT_GT(instances.size(), 1u);
}

TEST_F(Sessions, DecideBeforeWeightsEvenIfTheirBackendHasNone) {
  mesh.add({.name = "other",
            .services = {{"other", 80, 8080, model::Protocol::kHttp, false}},
            .behaviour = {.says = "other"}});
  wire::RequestHead head;
  head.method = "GET";
  head.target = "/";
  head.authority = "other";
  head.fields.add("Host", "other");
  ASSERT_EQ(mesh.call("client", head, "other", 80).status, 200);
  cart_weight = other_weight.emplace(50);
  std::map<std::string, std::string> sessions;
  for (int i = 0; i < 60; ++i) {
    const Visit first = visit();
    sessions[first.instance] = token(first.told);
  }
  ASSERT_TRUE(sessions.contains("other"));
  ASSERT_GE(sessions.size(), 3u);
  for (const auto& [instance, session] : sessions) stays(session, instance, 10);
  other_weight = 0;
  stays(sessions["other"], "other", 10);
  for (int i = 0; i < 10; ++i) EXPECT_NE(visit().instance, "other");
}

TEST_F(PolicyMesh, ARouteOfTheGatewayApiKeepsSessions) {
  const CallResult applied = mesh.apply(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: cart}
spec:
  parentRefs: [{group: "", kind: Service, name: cart}]
  rules:
  - name: sessions
    sessionPersistence:
      absoluteTimeout: 1h
      cookie: {name: basket, lifetimeType: Permanent}
    backendRefs: [{name: cart, port: 80}]
)");
  ASSERT_EQ(applied.status, 200) << applied.body;
  world().run_for(Duration::seconds(1));
  const std::string first = ask(get());
  const std::string cookie = field(first, "Set-Cookie");
  ASSERT_TRUE(cookie.starts_with("basket=")) << first;
  EXPECT_NE(cookie.find("; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"), std::string::npos)
      << cookie;
  for (int i = 0; i < 30; ++i) {
    const std::string again = ask(get("Cookie: " + cookie.substr(0, cookie.find(';')) + "\r\n"));
    EXPECT_EQ(body(again), body(first));
    EXPECT_EQ(field(again, "Set-Cookie"), "");
  }
}

TEST_F(PolicyMesh, AServiceKeepsSessionsWhateverRouteSendsThere) {
  mesh.add({.name = "other",
            .services = {{"other", 80, 8080, model::Protocol::kHttp, false}},
            .behaviour = {.says = "other"}});
  const auto apply = [&](const char* yaml) {
    const CallResult applied = mesh.apply(yaml);
    ASSERT_EQ(applied.status, 200) << applied.body;
    world().run_for(Duration::seconds(1));
  };
  const auto cookie_of = [&](const std::string& answer) {
    const std::string cookie = field(answer, "Set-Cookie");
    return cookie.substr(0, cookie.find(';'));
  };
  const auto ask_with = [&](const std::string& cookie) {
    return ask(get("Cookie: " + cookie + "\r\n"));
  };
  apply(R"(
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XBackendTrafficPolicy
metadata: {name: sessions}
spec:
  targetRefs: [{group: "", kind: Service, name: cart}, {group: "", kind: Service, name: other}]
  sessionPersistence: {cookie: {name: basket}}
)");
  const std::string first = ask(get());
  const std::string cookie = cookie_of(first);
  ASSERT_TRUE(cookie.starts_with("basket=")) << first;
  for (int i = 0; i < 20; ++i) {
    const std::string again = ask_with(cookie);
    EXPECT_EQ(body(again), body(first));
    EXPECT_EQ(field(again, "Set-Cookie"), "");
  }
  // A route that shares the calls out: whoever has a session keeps its backend, and so its instance.
  apply(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: split}
spec:
  parentRefs: [{group: "", kind: Service, name: cart}]
  rules: [{backendRefs: [{name: cart, port: 80}, {name: other, port: 80}]}]
)");
  std::map<std::string, std::string> sessions;
  for (int i = 0; i < 60; ++i) {
    const std::string answer = ask(get());
    sessions[body(answer)] = cookie_of(answer);
  }
  EXPECT_TRUE(sessions.contains("other"));
  EXPECT_GE(sessions.size(), 3u);
  sessions[body(first)] = cookie;
  for (const auto& [instance, session] : sessions) {
    for (int i = 0; i < 10; ++i) EXPECT_EQ(body(ask_with(session)), instance);
  }
  // The route's own sessions come before the Service's.
  apply(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: split}
spec:
  parentRefs: [{group: "", kind: Service, name: cart}]
  rules:
  - sessionPersistence: {cookie: {name: route}}
    backendRefs: [{name: cart, port: 80}]
)");
  EXPECT_TRUE(cookie_of(ask_with(cookie)).starts_with("route="));
}

}  // namespace
}  // namespace weft::scenarios
