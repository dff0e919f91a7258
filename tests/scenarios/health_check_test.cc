// Active health checks of kinds GRPC and TCP, from the object that asks for them to the callers who leave an instance
// out: applied at the control plane, made by the instance's own sidecar, seen by everybody as readiness.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "control/yaml.h"
#include "http/grpc.h"
#include "scenarios/mesh.h"

namespace weft::scenarios {
namespace {

using control::Node;

class HealthChecks : public testing::Test {
 protected:
  // What an app says to grpc.health.v1, and when it was asked.
  struct Health {
    std::map<std::string, char> status;  // by service, "" = all of it; none: NOT_FOUND
    Duration delay{};
    std::vector<Instant> asked;
  };
  static constexpr char kServing = 1, kNotServing = 2;

  HealthChecks() : mesh(31) {
    mesh.add({.name = "client", .services = {}, .behaviour = {}});
    for (const std::string name : {"one", "two", "three"}) {
      health[name].status[""] = kServing;
      mesh.add({.name = name,
                .services = {{"cart", 80, 8080, model::Protocol::kHttp, false}},
                .behaviour = {.script = [this, name](const wire::RequestHead& head) {
                  return answer(name, head);
                }}});
    }
    for (const char* name : {"db-one", "db-two"}) {
      mesh.add({.name = name,
                .services = {{"db", 5432, 5432, model::Protocol::kTcp, true}},
                .behaviour = {.says = name},
                .listed = true});
    }
  }

  AppAnswer answer(const std::string& name, const wire::RequestHead& head) {
    if (head.target != "/grpc.health.v1.Health/Check") return {.says = name};
    Health& own = health[name];
    own.asked.push_back(mesh.world().now());
    // The message in its frame: nothing, or field 1 with the name of a service.
    const std::string& content = mesh.instance(name).record.content;
    const auto status = own.status.find(content.size() > 7 ? content.substr(7) : "");
    AppAnswer out{.delay = own.delay};
    out.fields.add("content-type", "application/grpc");
    if (status == own.status.end()) {
      out.trailers.add("grpc-status", "5");
      return out;
    }
    out.says = http::grpc_frame(std::string{'\x08', status->second});
    out.trailers.add("grpc-status", "0");
    return out;
  }

  void check(const std::string& service, const std::string& how) {
    const CallResult applied =
        mesh.apply("apiVersion: weft.dev/v1\nkind: BackendPolicy\nmetadata: {name: " + service +
                   "}\nspec:\n  targetRefs: [{kind: Service, name: " + service +
                   "}]\n  healthCheck: {" + how + "}\n");
    ASSERT_EQ(applied.status, 200) << applied.body;
    mesh.world().run_for(Duration::seconds(1));
  }
  // Who answers 24 calls.
  std::set<std::string> callees() {
    std::set<std::string> all;
    for (int i = 0; i < 24; ++i) {
      wire::RequestHead head;
      head.method = "GET";
      head.target = "/";
      head.fields.add("Host", "cart");
      const CallResult result = mesh.call("client", head, "cart", 80);
      all.insert(result.status == 200 ? result.body : std::to_string(result.status));
    }
    return all;
  }
  std::set<std::string> databases() {
    std::set<std::string> all;
    for (int i = 0; i < 16; ++i) {
      const CallResult result = mesh.converse("client", "db", 5432, "hello\n");
      all.insert(result.status == 200 ? result.body : result.error);
    }
    return all;
  }
  static Node parsed(const CallResult& reply) {
    EXPECT_EQ(reply.status, 200) << reply.body << reply.error;
    control::Problems problems;
    auto documents = control::read_yaml("reply", reply.body, problems);
    EXPECT_TRUE(problems.empty());
    return documents.empty() ? Node::map() : documents.front();
  }
  // "serving", or why not: what `weft status` shows of an instance.
  std::string status_of(const std::string& name) {
    const Node status = parsed(mesh.read("/v1/status"));
    const Node* instances = status.find("instances");
    if (!instances) return "no instances";
    for (const Node& one : instances->items) {
      if (one.text_of("name") != mesh.instance(name).registered.instance) continue;
      const std::string why(one.text_of("why"));
      return std::string(one.text_of("state")) + (why.empty() ? "" : ": " + why);
    }
    return "unknown";
  }
  // What `weft explain` says of an instance.
  std::string explained(const std::string& name, const std::string& kind) {
    const Node said = parsed(mesh.api("POST", "/v1/explain", kind));
    for (const Node& one : said.find("endpoints")->items) {
      if (one.text_of("workload") == mesh.instance(name).registered.instance)
        return std::string(one.text_of("state"));
    }
    return "unknown";
  }
  std::string explained_request(const std::string& name) {
    return explained(name, R"({"kind": "request", "from": "client", "port": 80, "method": "GET",
        "host": "cart", "authority": "cart", "target": "/", "fields": []})");
  }
  std::string explained_connection(const std::string& name) {
    return explained(name, R"({"kind": "connection", "from": "client", "port": 5432,
        "host": "db"})");
  }
  // How long until the control plane says that the instance serves, or does not.
  Duration until(const std::string& name, bool serves) {
    const Instant start = mesh.world().now();
    while (mesh.world().now() - start < Duration::minutes(2)) {
      if ((status_of(name) == "serving") == serves) return mesh.world().now() - start;
      mesh.world().run_for(Duration::millis(50));
    }
    ADD_FAILURE() << name << " is " << status_of(name);
    return {};
  }

  std::map<std::string, Health> health;
  Mesh mesh;
};

const std::set<std::string> kAll{"one", "two", "three"};

TEST_F(HealthChecks, WhoDoesNotServeByGrpcIsLeftOutAtTheThresholdAndComesBackAtTheOther) {
  check("cart",
        "type: GRPC, interval: 2s, timeout: 500ms, jitterPercent: 0, unhealthyThreshold: 3, "
        "healthyThreshold: 2");
  mesh.world().run_for(Duration::seconds(5));
  EXPECT_EQ(callees(), kAll);
  EXPECT_EQ(mesh.instance("two").record.target, "/");
  ASSERT_FALSE(health["two"].asked.empty());

  health["two"].status[""] = kNotServing;
  const size_t before = health["two"].asked.size();
  const Duration out = until("two", false);
  EXPECT_GE(out, Duration::seconds(4)) << "three in a row";
  EXPECT_LE(out, Duration::millis(6'300));
  EXPECT_EQ(health["two"].asked.size() - before, 3u);
  const std::string why =
      "the health check says that it does not serve (health check of BackendPolicy default/cart)";
  EXPECT_EQ(status_of("two"), "not ready: " + why);
  mesh.world().run_for(Duration::millis(500));
  EXPECT_EQ(explained_request("two"), "not ready");
  EXPECT_EQ(explained_request("one"), "ready");
  EXPECT_EQ(callees(), (std::set<std::string>{"one", "three"}));

  health["two"].status[""] = kServing;
  const Duration back = until("two", true);
  EXPECT_GE(back, Duration::seconds(2)) << "two in a row";
  EXPECT_LE(back, Duration::millis(4'300));
  mesh.world().run_for(Duration::millis(500));
  EXPECT_EQ(explained_request("two"), "ready");
  EXPECT_EQ(callees(), kAll);
}

TEST_F(HealthChecks, FewerFailuresThanTheThresholdTakeNobodyOut) {
  check("cart",
        "type: GRPC, interval: 2s, timeout: 500ms, jitterPercent: 0, unhealthyThreshold: 3");
  mesh.world().run_for(Duration::seconds(5));
  for (int i = 0; i < 4; ++i) {
    const size_t before = health["two"].asked.size();
    health["two"].status[""] = kNotServing;
    ASSERT_TRUE(mesh.world().run_until([&] { return health["two"].asked.size() == before + 2; },
                                       Duration::seconds(10)));
    health["two"].status[""] = kServing;
    ASSERT_TRUE(mesh.world().run_until([&] { return health["two"].asked.size() == before + 3; },
                                       Duration::seconds(10)));
    EXPECT_EQ(status_of("two"), "serving");
  }
  EXPECT_EQ(mesh.log_text().find("port is not ready"), std::string::npos);
}

TEST_F(HealthChecks, GrpcAsksForTheServiceThatThePolicyNames) {
  for (const std::string name : {"one", "three"}) health[name].status["shop.Cart"] = kServing;
  health["two"].status["shop.Cart"] = kNotServing;  // though the server as a whole serves
  check("cart",
        "type: GRPC, grpcService: shop.Cart, interval: 1s, timeout: 500ms, unhealthyThreshold: 2");
  mesh.world().run_for(Duration::seconds(4));
  EXPECT_EQ(callees(), (std::set<std::string>{"one", "three"}));
  // Whoever does not know the service is as little healthy, and says it in another way.
  health["one"].status.erase("shop.Cart");
  health["two"].status["shop.Cart"] = kServing;
  mesh.world().run_for(Duration::seconds(4));
  EXPECT_EQ(callees(), (std::set<std::string>{"two", "three"}));
  EXPECT_NE(status_of("one").find("gRPC status 5 (NOT_FOUND)"), std::string::npos)
      << status_of("one");
}

TEST_F(HealthChecks, AnAppThatAnswersTooLateIsLeftOutThoughItsPortIsOpen) {
  check("cart", "type: GRPC, interval: 1s, timeout: 300ms, unhealthyThreshold: 2");
  mesh.world().run_for(Duration::seconds(3));
  health["three"].delay = Duration::millis(300);
  mesh.world().run_for(Duration::seconds(5));
  EXPECT_EQ(status_of("three").substr(0, 9), "not ready") << "the way takes time as well";
  health["three"].delay = Duration::millis(250);
  EXPECT_LE(until("three", true), Duration::seconds(3));
  health["three"].delay = Duration::seconds(20);
  until("three", false);
  EXPECT_NE(status_of("three").find("no answer in time"), std::string::npos) << status_of("three");
  mesh.world().run_for(Duration::millis(500));
  EXPECT_EQ(callees(), (std::set<std::string>{"one", "two"}));
  health["three"].delay = {};
  EXPECT_LE(until("three", true), Duration::seconds(3));
}

TEST_F(HealthChecks, ChecksAreApartByTheIntervalAndUpToItsJitterOfEveryInstance) {
  check("cart", "type: GRPC, interval: 2s, timeout: 500ms, jitterPercent: 25");
  mesh.world().run_for(Duration::minutes(10));
  for (auto& [name, one] : health) {
    ASSERT_GT(one.asked.size(), 200u) << name;
    Duration shortest = Duration::hours(1), longest{};
    for (size_t i = 1; i < one.asked.size(); ++i) {
      const Duration apart = one.asked[i] - one.asked[i - 1];
      shortest = std::min(shortest, apart);
      longest = std::max(longest, apart);
    }
    // The check's own time (a connection, a request) comes on top, and varies by less than a few milliseconds.
    EXPECT_GE(shortest, Duration::millis(1'995)) << name;
    EXPECT_LE(longest, Duration::millis(2'510)) << name;
    EXPECT_LT(shortest, Duration::millis(2'050)) << name;
    EXPECT_GT(longest, Duration::millis(2'450)) << name;
  }
  EXPECT_NE(health["one"].asked.back(), health["two"].asked.back()) << "they do not fall together";
}

TEST_F(HealthChecks, ATcpCheckFindsAPortThatIsOpenAndAcceptsNobody) {
  check("db",
        "type: TCP, interval: 1s, timeout: 200ms, jitterPercent: 0, unhealthyThreshold: 3, "
        "healthyThreshold: 2");
  mesh.world().run_for(Duration::seconds(3));
  EXPECT_EQ(databases(), (std::set<std::string>{"db-one hello", "db-two hello"}));
  // As with a full accept queue: nothing comes of a connect, but the kernel says that it listens.
  Instance& hung = mesh.instance("db-two");
  mesh.world().partition(*hung.side, *hung.app);
  const Duration out = until("db-two", false);
  EXPECT_GE(out, Duration::millis(2'200));
  EXPECT_LE(out, Duration::millis(4'100));
  EXPECT_EQ(
      status_of("db-two"),
      "not ready: the probe got no answer in time (health check of BackendPolicy default/db)");
  mesh.world().run_for(Duration::millis(500));
  EXPECT_EQ(explained_connection("db-two"), "not ready");
  EXPECT_EQ(databases(), std::set<std::string>{"db-one hello"});
  mesh.world().heal(*hung.side, *hung.app);
  const Duration back = until("db-two", true);
  EXPECT_GE(back, Duration::seconds(1)) << "two in a row";
  EXPECT_LE(back, Duration::millis(2'400));
  mesh.world().run_for(Duration::millis(500));
  EXPECT_EQ(databases(), (std::set<std::string>{"db-one hello", "db-two hello"}));
}

TEST_F(HealthChecks, AClosedPortIsLeftOutWithoutWaitingForTheThreshold) {
  check("db", "type: TCP, interval: 1s, timeout: 200ms, unhealthyThreshold: 10");
  mesh.world().run_for(Duration::seconds(3));
  mesh.close_app("db-one");
  EXPECT_LE(until("db-one", false), Duration::millis(1'300)) << "a refused check is sign enough";
  EXPECT_EQ(status_of("db-one"), "not ready: nothing accepts on port 5432");
  mesh.world().run_for(Duration::millis(500));
  EXPECT_EQ(databases(), std::set<std::string>{"db-two hello"});
  mesh.open_app("db-one");
  EXPECT_LE(until("db-one", true), Duration::millis(300)) << "and it is looked for often";
  mesh.world().run_for(Duration::millis(500));
  EXPECT_EQ(databases(), (std::set<std::string>{"db-one hello", "db-two hello"}));
}

TEST_F(HealthChecks, APolicyThatIsEditedLetsNobodyInBeforeItsCheckHasAResult) {
  const std::string how = "type: GRPC, timeout: 900ms, unhealthyThreshold: 2, interval: ";
  check("cart", how + "1s");
  health["two"].delay = Duration::seconds(20);
  until("two", false);
  const size_t logged = mesh.log_text().size();
  check("cart", how + "2s");  // the first of its checks ends 900 ms later
  EXPECT_EQ(mesh.log_text().find("port is ready", logged), std::string::npos);
  EXPECT_EQ(status_of("two").substr(0, 9), "not ready");
  EXPECT_EQ(callees(), (std::set<std::string>{"one", "three"}));
  health["two"].delay = {};
  check("cart", how + "3s");
  EXPECT_EQ(status_of("two"), "serving") << "and its first result counts";
}

TEST_F(HealthChecks, ACheckThatIsDeletedKeepsNobodyOut) {
  health["one"].status[""] = kNotServing;
  check("cart", "type: GRPC, interval: 1s, timeout: 500ms, unhealthyThreshold: 1");
  until("one", false);
  const CallResult gone = mesh.api("DELETE", "/v1/objects/BackendPolicy/default/cart", "");
  EXPECT_EQ(gone.status, 200) << gone.body;
  EXPECT_LE(until("one", true), Duration::seconds(1));
  mesh.world().run_for(Duration::seconds(1));
  const size_t asked = health["one"].asked.size();
  mesh.world().run_for(Duration::seconds(10));
  EXPECT_EQ(health["one"].asked.size(), asked) << "nobody asks any more";
  EXPECT_EQ(callees(), kAll);
}

}  // namespace
}  // namespace weft::scenarios
