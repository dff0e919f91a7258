// Every request is first explained by the caller's running sidecar and then sent: what was foretold is what happens.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "control/yaml.h"
#include "scenarios/mesh.h"
#include "steer/session.h"

namespace weft::scenarios {
namespace {

using control::Node;

constexpr const char* kRoutes = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: cart}
spec:
  parentRefs: [{group: "", kind: Service, name: cart}]
  rules:
  - name: canary
    matches: [{path: {type: PathPrefix, value: /items}, headers: [{name: x-canary, value: "1"}]}]
    timeouts: {request: 2s}
    backendRefs: [{name: cart-v2, port: 80}]
  - name: items
    matches: [{path: {type: PathPrefix, value: /items}}]
    backendRefs: [{name: cart-v1, port: 80, weight: 3}, {name: cart-v2, port: 80, weight: 1}]
  - name: old
    matches: [{path: {type: PathPrefix, value: /old}}]
    filters: [{type: URLRewrite, urlRewrite: {hostname: new.test, path: {type: ReplacePrefixMatch, replacePrefixMatch: /items}}}]
    backendRefs: [{name: cart-v1, port: 80}]
  - name: moved
    matches: [{path: {type: Exact, value: /moved}}]
    filters: [{type: RequestRedirect, requestRedirect: {hostname: shop.test, statusCode: 301}}]
  - name: broken
    matches: [{path: {type: PathPrefix, value: /broken}}]
    backendRefs: [{name: nobody, port: 80}]
  - name: query
    matches: [{path: {type: PathPrefix, value: /find}, method: GET, queryParams: [{name: q, value: shoes}]}]
    backendRefs: [{name: cart-v2, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: by-name}
spec:
  parentRefs: [{group: "", kind: Service, name: front}]
  hostnames: [a.test]
  rules: [{backendRefs: [{name: db, port: 5432}]}]
)";

class Explain : public testing::Test {
 protected:
  Explain() : mesh(13) {
    mesh.add({.name = "web", .services = {}, .behaviour = {}});
    add("cart-v1", "cart-v1", 80, model::Protocol::kHttp, false);
    add("cart-v2", "cart-v2", 80, model::Protocol::kHttp, false);
    add("plain-a", "plain", 80, model::Protocol::kAuto, false);
    add("plain-b", "plain", 80, model::Protocol::kAuto, false);
    add("cart", "cart", 80, model::Protocol::kHttp, false);
    add("db", "db", 5432, model::Protocol::kTcp, true);
    add("front", "front", 443, model::Protocol::kTcp, true);
    const CallResult applied = mesh.apply(kRoutes);
    EXPECT_EQ(applied.status, 200) << applied.body << applied.error;
    mesh.world().run_for(Duration::seconds(1));
  }

  void add(const std::string& name, const std::string& service, uint16_t port,
           model::Protocol protocol, bool tcp) {
    mesh.add({.name = name,
              .services = {{service, port, static_cast<uint16_t>(port + 8000), protocol, tcp}},
              .behaviour = {.says = name}});
  }

  CallResult post(const std::string& body) { return mesh.api("POST", "/v1/explain", body); }
  Node ask(const std::string& body) {
    const CallResult reply = post(body);
    EXPECT_EQ(reply.status, 200) << reply.body << reply.error;
    control::Problems problems;
    auto documents = control::read_yaml("reply", reply.body, problems);
    EXPECT_TRUE(problems.empty());
    return documents.empty() ? Node::map() : documents.front();
  }
  Node explain(const std::string& method, const std::string& host, const std::string& target,
               const std::vector<std::string>& fields = {}) {
    std::string body = R"({"kind": "request", "from": "web", "port": 80, "method": ")" + method +
                       R"(", "host": ")" + host + R"(", "authority": ")" + host +
                       R"(", "target": ")" + target + "\"";
    body += R"(, "fields": [)";
    for (const std::string& field : fields) {
      const auto parts = split_once(field, ':');
      body += std::string(body.ends_with('}') ? ", " : "") + R"({"name": ")" +
              std::string(parts->first) + R"(", "value": ")" + std::string(parts->second) + "\"}";
    }
    return ask(body + "]}");
  }
  static wire::RequestHead head_of(const std::string& method, const std::string& host,
                                   const std::string& target,
                                   const std::vector<std::string>& fields) {
    wire::RequestHead head;
    head.method = method;
    head.target = target;
    head.fields.add("Host", host);
    for (const std::string& field : fields) {
      const auto parts = split_once(field, ':');
      head.fields.add(parts->first, parts->second);
    }
    return head;
  }
  // Explains the request and sends it eight times: whoever is foretold serves. Gives the explanation.
  Node foretold(const std::string& method, const std::string& host, const std::string& target,
                const std::vector<std::string>& fields, size_t many) {
    SCOPED_TRACE(method + " " + host + target + (fields.empty() ? "" : " " + fields.front()));
    const Node said = explain(method, host, target, fields);
    const std::vector<std::string> named = candidates(said);
    EXPECT_EQ(named.size(), many);
    for (int i = 0; i < 8; ++i) {
      const CallResult result = mesh.call("web", head_of(method, host, target, fields), host, 80);
      EXPECT_EQ(result.status, 200) << result.error;
      EXPECT_NE(std::ranges::find(named, result.body), named.end()) << result.body;
    }
    return said;
  }
  // A client's token for an instance of a service.
  std::string token(uint64_t backend, const std::string& instance) {
    const WallTime now = mesh.world().wall_now();
    return steer::SessionToken{
        backend, steer::instance_tag(backend, mesh.instance(instance).registered.instance), now,
        now}
        .encode();
  }
  const std::string& secret() { return mesh.instance("web").worker->worker.self.mesh6_range; }
  // The names of the instances that may serve, sorted.
  std::vector<std::string> candidates(const Node& explanation) {
    std::vector<std::string> names;
    for (const Node& id : explanation.find_path({"outcome", "endpoints"})->items) {
      for (const std::string& name : mesh.names()) {
        if (mesh.instance(name).registered.instance == id.text) names.push_back(name);
      }
    }
    std::ranges::sort(names);
    return names;
  }
  static std::string outcome(const Node& explanation, const char* name) {
    return std::string(explanation.find("outcome")->text_of(name));
  }
  // What the step of this stage says and notes, in one text.
  static std::string stage(const Node& explanation, std::string_view name) {
    std::string text;
    for (const Node& step : explanation.find("steps")->items) {
      if (step.text_of("stage") != name) continue;
      text += std::string(step.text_of("object")) + "|" + std::string(step.text_of("says"));
      if (const Node* notes = step.find("notes")) {
        for (const Node& note : notes->items) text += "|" + note.text;
      }
      if (const Node* values = step.find("values")) {
        for (const Node& value : values->items) {
          text += "|" + std::string(value.text_of("name")) + "=" +
                  std::string(value.text_of("value")) + "@" + std::string(value.text_of("origin"));
        }
      }
    }
    return text;
  }

  Mesh mesh;
};

TEST_F(Explain, WhatIsForetoldHappens) {
  struct Case {
    const char* method;
    const char* host;
    const char* target;
    const char* field;
    const char* route;  // "" = none
    int status;         // of the sidecar; 0 = an app answers
    std::vector<std::string> candidates;
    const char* location = "";
  };
  const Case cases[] = {
      {"GET", "cart", "/items/1", "x-canary:1", "default/cart/canary", 0, {"cart-v2"}},
      {"GET", "cart", "/items/1", "x-canary:2", "default/cart/items", 0, {"cart-v1", "cart-v2"}},
      {"GET", "cart", "/a/../items", "", "default/cart/items", 0, {"cart-v1", "cart-v2"}},
      {"GET", "cart", "/old/7?x=1", "", "default/cart/old", 0, {"cart-v1"}},
      {"GET", "cart", "/moved", "", "default/cart/moved", 301, {}, "http://shop.test/moved"},
      {"GET", "cart", "/broken", "", "default/cart/broken", 500, {}},
      {"GET", "cart", "/find?q=shoes", "", "default/cart/query", 0, {"cart-v2"}},
      {"POST", "cart", "/find?q=shoes", "", "", 404, {}},
      {"GET", "cart", "/elsewhere", "", "", 404, {}},
      {"OPTIONS", "cart", "/items", "max-forwards:0", "", 200, {}},
      {"GET", "plain", "/x", "", "", 0, {"plain-a", "plain-b"}},
      {"GET", "plain.default.svc.mesh", "/x", "", "", 0, {"plain-a", "plain-b"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.method) + " " + c.host + c.target + " " + c.field);
    const std::vector<std::string> fields =
        *c.field ? std::vector<std::string>{c.field} : std::vector<std::string>();
    const Node said = explain(c.method, c.host, c.target, fields);
    EXPECT_EQ(outcome(said, "route"), c.route);
    const Node* status = said.find_path({"outcome", "status"});
    EXPECT_EQ(status ? status->number : 0, c.status);
    EXPECT_EQ(outcome(said, "location"), c.location);
    EXPECT_EQ(candidates(said), c.candidates);

    const wire::RequestHead head = head_of(c.method, c.host, c.target, fields);
    std::vector<std::string> served;
    for (int i = 0; i < 8; ++i) {
      const CallResult result = mesh.call("web", head, c.host, 80);
      ASSERT_EQ(result.status, c.status == 0 ? 200 : c.status) << result.error;
      if (c.status != 0) {
        EXPECT_EQ(outcome(said, "says"),
                  "the sidecar answers " + std::to_string(c.status) + ": " + result.body);
        continue;
      }
      served.push_back(result.body);
      const AppRecord& record = mesh.instance(result.body).record;
      EXPECT_EQ(record.target, outcome(said, "target"));
      EXPECT_EQ(record.authority, outcome(said, "authority"));
    }
    for (const std::string& name : served) {
      EXPECT_NE(std::ranges::find(c.candidates, name), c.candidates.end()) << name;
    }
  }
}

constexpr const char* kMany = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: many}
spec:
  parentRefs: [{group: "", kind: Service, name: many}]
  rules:
  - name: kept
    matches: [{path: {value: /kept}}]
    sessionPersistence: {cookie: {name: kept}}
    backendRefs: [{name: many, port: 80}, {name: plain, port: 80}]
  - name: pages
    matches: [{path: {value: /pages}, method: PUT}]
    filters: [{type: CORS, cors: {allowOrigins: ["https://shop.test"], allowMethods: [PUT], maxAge: 60}}]
    backendRefs: [{name: many, port: 80}]
  - name: copied
    matches: [{path: {value: /copied}}]
    filters: [{type: RequestMirror, requestMirror: {backendRef: {name: cart-v1, port: 80}}}]
    backendRefs:
    - name: many
      port: 80
      filters: [{type: RequestMirror, requestMirror: {backendRef: {name: cart-v2, port: 80}, percent: 0}}]
  - backendRefs: [{name: many, port: 80}]
---
apiVersion: weft.dev/v1
kind: BackendPolicy
metadata: {name: by-user}
spec:
  targetRefs: [{kind: Service, name: many}]
  loadBalancing: {algorithm: Maglev, hashBy: [{type: Header, name: x-user}]}
---
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XBackendTrafficPolicy
metadata: {name: plain}
spec:
  targetRefs: [{group: "", kind: Service, name: plain}]
  retryConstraint: {budget: {percent: 33, interval: 1m}}
  sessionPersistence: {type: Header, header: {name: x-session}}
)";

class ExplainChoices : public Explain {
 protected:
  ExplainChoices() {
    for (const char* name : {"many-a", "many-b", "many-c"}) {
      add(name, "many", 80, model::Protocol::kHttp, false);
    }
    const CallResult applied = mesh.apply(kMany);
    EXPECT_EQ(applied.status, 200) << applied.body << applied.error;
    mesh.world().run_for(Duration::seconds(1));
  }
};

TEST_F(ExplainChoices, AHashIsSaidWithItsKeyAndItsInstance) {
  std::set<std::string> instances;
  for (const char* user : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
    const Node said = foretold("GET", "many", "/x", {std::string("x-user:") + user}, 1);
    instances.insert(candidates(said).front());
    const std::string choice = stage(said, "choice");
    EXPECT_NE(choice.find("|the hash of header x-user falls to many-"), std::string::npos)
        << choice;
    EXPECT_NE(choice.find(std::string("|header x-user=") + user + "@the request"),
              std::string::npos)
        << choice;
  }
  EXPECT_GE(instances.size(), 2u);
  const Node none = foretold("GET", "many", "/x", {}, 3);
  EXPECT_EQ(stage(none, "choice"), "|drawn at random: the request has nothing to hash by");
  const std::string two = stage(explain("GET", "plain", "/x"), "choice");
  EXPECT_NE(two.find("of two drawn at random the one with the smaller product"), std::string::npos)
      << two;
}

TEST_F(ExplainChoices, ASessionNamesItsInstance) {
  const model::RouteRule rule{.route = "default/many", .rule = "kept"};
  for (const char* name : {"many-a", "many-b", "many-c", "plain-a", "plain-b"}) {
    const model::Backend backend{
        .service = {"default", std::string(name).substr(0, std::string(name).find('-'))},
        .port = 80};
    const std::string session = token(steer::backend_tag(secret(), rule, backend), name);
    const Node said = foretold("GET", "many", "/kept", {"cookie:kept=" + session, "x-user:a"}, 1);
    EXPECT_EQ(candidates(said), std::vector<std::string>{name});
    EXPECT_NE(stage(said, "session")
                  .find("HTTPRoute default/many rule kept|the cookie kept of the "
                        "request names " +
                        mesh.instance(name).registered.instance),
              std::string::npos)
        << stage(said, "session");
  }
  const std::string none = stage(foretold("GET", "many", "/kept", {"cookie:kept=x"}, 5), "session");
  EXPECT_NE(none.find("the request brings no cookie kept that holds"), std::string::npos) << none;
  // A Service's own.
  const uint64_t plain = steer::service_tag(secret(), {"default", "plain"}, 80);
  const Node own = foretold("GET", "plain", "/", {"x-session:" + token(plain, "plain-b")}, 1);
  EXPECT_EQ(candidates(own), std::vector<std::string>{"plain-b"});
  EXPECT_NE(stage(own, "session").find("XBackendTrafficPolicy default/plain|"), std::string::npos);
  foretold("GET", "plain", "/", {}, 2);
  EXPECT_EQ(stage(foretold("GET", "many", "/x", {"x-user:b"}, 1), "session"), "|none (default)");
  // Its instance has gone.
  mesh.close_app("plain-b");
  mesh.world().run_for(Duration::seconds(10));
  const Node gone = foretold("GET", "plain", "/", {"x-session:" + token(plain, "plain-b")}, 1);
  EXPECT_EQ(candidates(gone), std::vector<std::string>{"plain-a"});
  EXPECT_NE(stage(gone, "session").find("cannot serve"), std::string::npos);
}

TEST_F(ExplainChoices, PreflightsAndCopiesAreStages) {
  const std::vector<std::string> preflight = {"origin:https://shop.test",
                                              "access-control-request-method:PUT"};
  const Node said = explain("OPTIONS", "many", "/pages", preflight);
  EXPECT_EQ(said.find_path({"outcome", "status"})->number, 204);
  const std::string cors = stage(said, "CORS");
  EXPECT_NE(cors.find("HTTPRoute default/many rule pages|a preflight, which no backend sees: the "
                      "origin https://shop.test is allowed"),
            std::string::npos)
      << cors;
  EXPECT_NE(cors.find("access-control-max-age=60@HTTPRoute"), std::string::npos) << cors;
  EXPECT_EQ(mesh.call("web", head_of("OPTIONS", "many", "/pages", preflight), "many", 80).status,
            204);
  const std::string other =
      stage(foretold("PUT", "many", "/pages", {"origin:https://a.test", "x-user:a"}, 1), "CORS");
  EXPECT_NE(other.find("the origin https://a.test is not allowed"), std::string::npos) << other;

  const uint64_t v1 = mesh.instance("cart-v1").record.requests;
  const uint64_t v2 = mesh.instance("cart-v2").record.requests;
  const std::string copies = stage(foretold("GET", "many", "/copied", {}, 3), "mirrors");
  EXPECT_NE(copies.find("|copy=to cart-v1.default:80 of 100 % of the requests@HTTPRoute"),
            std::string::npos)
      << copies;
  EXPECT_NE(copies.find("|copy=to cart-v2.default:80 of 0 % of what goes to many.default:80@"),
            std::string::npos)
      << copies;
  mesh.world().run_for(Duration::seconds(1));
  EXPECT_EQ(mesh.instance("cart-v1").record.requests, v1 + 8);
  EXPECT_EQ(mesh.instance("cart-v2").record.requests, v2);
}

TEST_F(ExplainChoices, AServicesConstraintIsTheOriginOfTheBudget) {
  const CallResult applied = mesh.apply(R"(
apiVersion: weft.dev/v1
kind: BackendPolicy
metadata: {name: plain}
spec:
  targetRefs: [{kind: Service, name: plain}]
  retries: {attempts: 4}
)");
  ASSERT_EQ(applied.status, 200) << applied.body;
  mesh.world().run_for(Duration::seconds(1));
  const std::string retries = stage(foretold("GET", "plain", "/", {}, 2), "retries");
  EXPECT_NE(retries.find("|attempts=4@BackendPolicy default/plain"), std::string::npos) << retries;
  EXPECT_NE(retries.find("|budget.percent=33@XBackendTrafficPolicy default/plain"),
            std::string::npos)
      << retries;
  EXPECT_NE(retries.find("|budget.interval=60s@XBackendTrafficPolicy default/plain"),
            std::string::npos)
      << retries;
}

TEST_F(Explain, TheCallForQuestionsStaysOpenHoweverLongNobodyAsks) {
  for (int i = 0; i < 5; ++i) {
    mesh.world().run_for(Duration::minutes(61));
    const Instant start = mesh.world().now();
    EXPECT_EQ(candidates(explain("GET", "plain", "/x")).size(), 2u);
    EXPECT_LT(mesh.world().now() - start, Duration::millis(500)) << "nobody had to connect anew";
  }
}

TEST_F(Explain, SaysWhatRulesThatRankBeforeLack) {
  const std::string route = stage(explain("GET", "cart", "/items/1"), "route");
  EXPECT_NE(route.find("HTTPRoute default/cart rule items|matches"), std::string::npos) << route;
  EXPECT_NE(route.find("not HTTPRoute default/cart rule canary: it needs the header x-canary: 1"),
            std::string::npos)
      << route;
  const std::string canary = stage(explain("GET", "cart", "/items/1", {"x-canary:1"}), "route");
  EXPECT_NE(canary.find("|timeout=2s@HTTPRoute default/cart rule canary"), std::string::npos)
      << canary;
  EXPECT_NE(canary.find("|timeout of a try=none@default"), std::string::npos) << canary;
}

TEST_F(Explain, AnInstanceThatIsNotReadyIsLeftOut) {
  mesh.close_app("plain-b");
  mesh.world().run_for(Duration::seconds(10));
  const Node said = explain("GET", "plain", "/");
  EXPECT_EQ(candidates(said), std::vector<std::string>{"plain-a"});
  std::map<std::string, std::string> states;
  for (const Node& one : said.find("endpoints")->items) {
    states[std::string(one.text_of("workload"))] = one.text_of("state");
  }
  EXPECT_EQ(states[mesh.instance("plain-a").registered.instance], "ready");
  EXPECT_EQ(states[mesh.instance("plain-b").registered.instance], "not ready");

  mesh.close_app("plain-a");
  mesh.world().run_for(Duration::seconds(10));
  wire::RequestHead head;
  head.method = "GET";
  head.target = "/";
  head.fields.add("Host", "plain");
  EXPECT_EQ(explain("GET", "plain", "/").find_path({"outcome", "status"})->number, 503);
  EXPECT_EQ(mesh.call("web", head, "plain", 80).status, 503);
}

TEST_F(Explain, PoliciesAreShownWithTheOriginOfEachValue) {
  const CallResult applied = mesh.apply(R"(
apiVersion: weft.dev/v1
kind: BackendPolicy
metadata: {name: careful}
spec:
  targetRefs: [{kind: Service, name: cart-v2}]
  loadBalancing: {algorithm: RoundRobin}
  retries: {attempts: 4, conditions: [ServerError]}
---
apiVersion: weft.dev/v1
kind: BackendPolicy
metadata: {name: canary}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: cart, sectionName: canary}]
  loadBalancing: {algorithm: LeastRequest}
---
apiVersion: weft.dev/v1
kind: FaultPolicy
metadata: {name: broken}
spec:
  targetRefs: [{kind: Service, name: plain}]
  duration: 10m
  match: {headers: [{name: x-experiment, value: "1"}]}
  abort: {percentage: 100, httpStatus: 418}
)");
  ASSERT_EQ(applied.status, 200) << applied.body;
  mesh.world().run_for(Duration::seconds(1));

  const Node canary = explain("GET", "cart", "/items", {"x-canary:1"});
  EXPECT_NE(stage(canary, "balancing")
                .find("BackendPolicy default/canary|for cart-v2.default:80|algorithm=LeastRequest@"
                      "BackendPolicy default/canary"),
            std::string::npos)
      << stage(canary, "balancing");
  const std::string retries = stage(canary, "retries");
  EXPECT_NE(retries.find("|attempts=4@BackendPolicy default/careful"), std::string::npos)
      << retries;
  const Node query = explain("GET", "cart", "/find?q=shoes");
  EXPECT_NE(stage(query, "balancing").find("algorithm=RoundRobin@BackendPolicy default/careful"),
            std::string::npos)
      << stage(query, "balancing");
  EXPECT_NE(stage(query, "slow start").find("(default)"), std::string::npos);

  EXPECT_NE(stage(explain("GET", "plain", "/"), "fault").find("does not concern"),
            std::string::npos);
  const std::string fault = stage(explain("GET", "plain", "/", {"x-experiment:1"}), "fault");
  EXPECT_NE(fault.find("FaultPolicy default/broken|concerns it"), std::string::npos) << fault;
  EXPECT_NE(fault.find("|abort=status 418 for 100 %@FaultPolicy default/broken"), std::string::npos)
      << fault;
  wire::RequestHead head;
  head.method = "GET";
  head.target = "/";
  head.fields.add("Host", "plain");
  EXPECT_EQ(mesh.call("web", head, "plain", 80).status, 200);
  head.fields.add("x-experiment", "1");
  EXPECT_EQ(mesh.call("web", head, "plain", 80).status, 418);
}

TEST_F(Explain, ConnectionsAreForetoldToo) {
  const Node db = ask(R"({"kind":"connection","from":"web","host":"db","port":5432})");
  EXPECT_EQ(candidates(db), std::vector<std::string>{"db"});
  EXPECT_EQ(mesh.converse("web", "db", 5432, "x\n").body, "db x");

  const Node named = ask(
      R"({"kind":"connection","from":"web","host":"front","port":443,"tls":true,"serverName":"a.test"})");
  EXPECT_EQ(outcome(named, "route"), "default/by-name/0");
  EXPECT_EQ(candidates(named), std::vector<std::string>{"db"});

  const Node other = ask(
      R"({"kind":"connection","from":"web","host":"front","port":443,"tls":true,"serverName":"b.test"})");
  EXPECT_EQ(
      outcome(other, "says"),
      "the app's TLS gets an alert and the connection is closed: no route has the server name "
      "b.test");
  const Node bare = ask(R"({"kind":"connection","from":"web","host":"front","port":443})");
  EXPECT_EQ(outcome(bare, "says"),
            "the connection is reset: not TLS, which the routes of this port ask for");
  EXPECT_EQ(mesh.converse("web", "front", 443, "x\n").error, "reset");

  const Node closed = ask(R"({"kind":"connection","from":"web","host":"db","port":81})");
  EXPECT_EQ(outcome(closed, "says"),
            "the connection is refused: service db.default declares no port 81");
  EXPECT_EQ(mesh.converse("web", "db", 81, "x\n").error, "reset");

  const Node http = ask(R"({"kind":"connection","from":"web","host":"cart","port":80})");
  EXPECT_EQ(http.find_path({"outcome", "status"})->number, 400);
  EXPECT_EQ(mesh.converse("web", "cart", 80, "\x01\x02\n").body, "HTTP/1.1 400 Bad Request");
}

TEST_F(Explain, ANameThatIsNoneIsSaidToBeNone) {
  const Node said = explain("GET", "nobody.default.svc.mesh", "/");
  EXPECT_EQ(outcome(said, "says"), "the app gets no address: there is no such name (NXDOMAIN)");
  EXPECT_EQ(mesh.world().run(mesh.resolve("web", "nobody.default.svc.mesh")), "NXDOMAIN");
}

TEST_F(Explain, AServiceIsShownWithItsRulesAndInstances) {
  const Node said = ask(R"({"kind":"service","host":"cart","from":"web"})");
  const std::string routes = stage(said, "route");
  for (const char* rule : {"canary", "items", "old", "moved", "broken", "query"}) {
    EXPECT_NE(routes.find("HTTPRoute default/cart rule " + std::string(rule)), std::string::npos);
  }
  ASSERT_EQ(said.find("endpoints")->items.size(), 1u);
  EXPECT_EQ(said.find("endpoints")->items[0].text_of("state"), "ready");
}

TEST_F(Explain, WhoCannotBeAskedIsNamed) {
  const auto error = [&](const std::string& from, const std::string& ns) {
    const CallResult reply = post(R"({"kind":"service","host":"cart","from":")" + from +
                                  R"(","namespace":")" + ns + "\"}");
    return std::to_string(reply.status) + " " + reply.body;
  };
  EXPECT_NE(error("webb", "default")
                .find("404 {\"error\":\"there is no instance or service 'webb' in "
                      "the namespace 'default': did you mean web?"),
            std::string::npos)
      << error("webb", "default");
  EXPECT_NE(error("", "empty").find("404 {\"error\":\"no instance of the namespace empty runs"),
            std::string::npos)
      << error("", "empty");
  const std::string id = mesh.instance("web").registered.instance;
  EXPECT_EQ(error(id, "default").substr(0, 3), "200");
  mesh.kill_sidecar("web");
  mesh.world().run_for(Duration::seconds(2));
  EXPECT_NE(
      error(id, "default")
          .find("503 {\"error\":\"the sidecar of " + id + " is not connected to this server now"),
      std::string::npos)
      << error(id, "default");
  mesh.restart_sidecar("web");
  mesh.world().run_for(Duration::seconds(5));
  EXPECT_EQ(error("web", "default").substr(0, 3), "200");
  EXPECT_EQ(post("{").status, 400);
  EXPECT_EQ(post(R"({"kind":"service"})").status, 400);
}

}  // namespace
}  // namespace weft::scenarios
