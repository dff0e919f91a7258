// Every request is first explained by the caller's running sidecar and then sent: what was foretold is what happens.
#include <map>

#include "scenarios/explain_mesh.h"

namespace weft::scenarios {
namespace {

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

TEST_F(Explain, AFaultForAllIsTheOutcomeOneForSomeIsNamedBesideIt) {
  const auto inject = [&](const char* abort) {
    const CallResult applied = mesh.apply(
        std::string("apiVersion: weft.dev/v1\nkind: FaultPolicy\nmetadata: {name: broken}\nspec:\n"
                    "  targetRefs: [{kind: Service, name: plain}]\n  duration: 1h\n  abort: ") +
        abort + "\n");
    ASSERT_EQ(applied.status, 200) << applied.body;
    mesh.world().run_for(Duration::seconds(2));
  };
  inject("{percentage: 100, httpStatus: 418}");
  const Node all = explain("GET", "plain", "/x");
  const CallResult answered = mesh.call("web", head_of("GET", "plain", "/x", {}), "plain", 80);
  EXPECT_EQ(answered.status, 418);
  EXPECT_EQ(outcome(all, "says"), "the sidecar answers 418: " + answered.body);
  EXPECT_TRUE(candidates(all).empty());

  inject("{percentage: 100, reset: true}");
  EXPECT_EQ(outcome(explain("GET", "plain", "/x"), "says"),
            "the request is reset by FaultPolicy default/broken");
  EXPECT_EQ(mesh.call("web", head_of("GET", "plain", "/x", {}), "plain", 80).status, 0);

  inject("{percentage: 12.5, httpStatus: 418}");
  const Node some = explain("GET", "plain", "/x");
  const std::string says = outcome(some, "says");
  EXPECT_TRUE(says.starts_with("the request goes to one of ") &&
              says.ends_with(", as /x of plain; 12.5 % get status 418 from FaultPolicy "
                             "default/broken instead"))
      << says;
  EXPECT_EQ(candidates(some).size(), 2u);
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
