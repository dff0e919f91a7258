// The API over a real Unix socket, as the CLI speaks to it, and the status page as a browser would.
#include "control/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>
#include <unistd.h>

#include <filesystem>

#include "control/kinds_test_support.h"
#include "control/status_page.h"
#include "control/status_rows.h"
#include "control/yaml.h"
#include "http/simple_client.h"
#include "io/epoll_loop.h"
#include "io/socket_network.h"
#include "sim/disk.h"
#include "sim/sqlite_vfs.h"

namespace weft::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr int kUid = 4711;

class ApiTest : public testing::Test {
 protected:
  ApiTest() : vfs_(disk_, "api-test"), network_(loop_) {
    auto store = Store::open({.path = "/weft.db", .vfs = vfs_.name()});
    store_ = std::move(*store);
    catalog_ = std::make_unique<ObjectCatalog>(
        *store_, compiler_, loop_, random_,
        VirtualRanges{[](uint32_t n) { return IpAddress::v4(0xf0f00000 + n); },
                      [](uint32_t n) { return IpAddress::v4(n); }});
    plane_.catalog = catalog_.get();
    plane_.store = store_.get();
    plane_.condition_times = &times_;
    plane_.status = [this] { return view_; };
    plane_.served = [](const Carriers&) { return Served{2, 3, ""}; };
    plane_.create_token = [](const TokenRequest& request) -> Result<NewToken> {
      return NewToken{.id = "t1", .token = "weft1." + request.ns + "." + request.service};
    };
    plane_.remove_workload = [](const std::string& ns, const std::string& id) -> Result<void> {
      if (id == "alive-1") return fail(ErrorKind::kConflict, "alive-1 is there");
      if (ns + "/" + id != "shop/cart-1") return fail(ErrorKind::kNotFound, "no workload " + id);
      return {};
    };
    plane_.audit = [this](std::string_view action, const std::string& object, int uid) {
      audit_.push_back(std::string(action) + " " + object + " by " + std::to_string(uid));
    };
    plane_.metrics = [] { return std::string("weft_up 1\n"); };
    view_.trust_domain = "mesh-1";
    std::string dir = testing::TempDir() + "weft-api-XXXXXX";
    dir_ = mkdtemp(dir.data());
    socket_ = dir_ + "/s";
    serve_with(make_api_handler(plane_, {.allowed_uids = {kUid}}), kUid);
  }
  ~ApiTest() override {
    listener_.reset();
    connections_.clear();
    std::filesystem::remove_all(dir_);
  }

  void serve_with(http::Handler handler, int uid) {
    listener_.reset();
    auto listener = network_.listen_unix(socket_, [this, handler, uid](io::StreamPtr stream) {
      http::ConnectionInfo info;
      info.peer_uid = uid;
      connections_.push_back(http::serve(loop_, std::move(stream), http::ServerProtocol::kHttp1,
                                         info, {}, handler, [] {}));
    });
    ASSERT_TRUE(listener) << listener.error().message();
    listener_ = std::move(*listener);
  }

  static io::Task<void> fetch(ApiTest* test, wire::RequestHead head, std::string body, bool* done) {
    auto response = co_await http::fetch(test->loop_, test->network_, test->socket_,
                                         std::move(head), std::move(body), Duration::seconds(10));
    if (response) {
      test->status_ = response->status;
      test->text_ = response->body;
    } else {
      test->text_ = response.error().message();
    }
    *done = true;
  }

  int ask(std::string method, std::string target, std::string body = "",
          std::string host = "localhost") {
    wire::RequestHead head;
    head.method = std::move(method);
    head.target = std::move(target);
    head.authority = std::move(host);
    bool done = false;
    status_ = 0;
    io::TaskScope scope;
    scope.spawn(fetch(this, std::move(head), std::move(body), &done));
    EXPECT_TRUE(loop_.run_for_test([&] { return done; }, Duration::seconds(20)));
    return status_;
  }
  int apply(const std::string& yaml, const std::string& query = "") {
    Node request = Node::map();
    Node file = Node::map();
    file.add("file", "f.yaml");
    file.add("text", yaml);
    request.add("files", Node::list()).items.push_back(std::move(file));
    return ask("POST", "/v1/apply" + query, to_json(request));
  }

  sim::SimDisk disk_;
  sim::SqliteVfs vfs_;
  io::EpollLoop loop_;
  io::SocketNetwork network_;
  SeededRandom random_{3};
  std::unique_ptr<Store> store_;
  Compiler compiler_;
  std::unique_ptr<ObjectCatalog> catalog_;
  ConditionTimes times_{loop_};
  ControlPlane plane_;
  StatusView view_;
  std::vector<std::string> audit_;
  std::string dir_, socket_;
  std::unique_ptr<io::Listener> listener_;
  std::vector<std::unique_ptr<http::ServerConnection>> connections_;
  int status_ = 0;
  std::string text_;
};

constexpr const char* kCart =
    "apiVersion: v1\nkind: Service\nmetadata: {name: cart}\nspec: {ports: [{port: 80}]}\n";

TEST_F(ApiTest, AppliesListsShowsAndDeletes) {
  EXPECT_EQ(apply(kCart), 200) << text_;
  EXPECT_THAT(
      text_,
      HasSubstr(R"({"kind":"Service","namespace":"default","name":"cart","action":"created"})"));
  EXPECT_EQ(ask("GET", "/v1/objects"), 200);
  EXPECT_THAT(text_, HasSubstr(R"("name":"cart")"));
  EXPECT_EQ(ask("GET", "/v1/objects/svc/default/cart"), 200);
  EXPECT_THAT(text_, HasSubstr(R"("addresses":["240.240.0.1")"));
  EXPECT_THAT(text_, HasSubstr(R"("served":{"current":2,"users":3})"));
  EXPECT_THAT(text_, HasSubstr(R"("generation":1)"));
  EXPECT_EQ(ask("GET", "/v1/objects/routes"), 200);
  EXPECT_THAT(text_, HasSubstr(R"("items":[]})"));
  EXPECT_EQ(ask("DELETE", "/v1/objects/service/default/cart"), 200);
  EXPECT_EQ(ask("DELETE", "/v1/objects/service/default/cart"), 404);
  EXPECT_THAT(text_, HasSubstr("there is no Service/default/cart"));
}

TEST_F(ApiTest, WhatItShowsCanBeAppliedAgain) {
  ASSERT_EQ(apply(kCart), 200);
  ASSERT_EQ(ask("GET", "/v1/objects/service/default/cart"), 200);
  EXPECT_EQ(apply(text_), 200);
  EXPECT_THAT(text_, HasSubstr(R"("action":"unchanged")"));
}

TEST_F(ApiTest, ARouteHasItsStatusInTheShapeOfTheGatewayApi) {
  ASSERT_EQ(apply(kCart), 200);
  ASSERT_EQ(apply("apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
                  "metadata: {name: r}\nspec:\n"
                  "  parentRefs: [{group: '', kind: Service, name: cart, port: 80}]\n"
                  "  rules: [{backendRefs: [{name: nobody, port: 80}]}]\n"),
            200)
      << text_;
  ASSERT_EQ(ask("GET", "/v1/objects/httproute/default/r"), 200);
  // Times are the clock's.
  std::string shown = text_;
  RE2::GlobalReplace(&shown, R"("lastTransitionTime":"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ")", "TIME");
  EXPECT_THAT(
      shown,
      HasSubstr(
          R"("status":{"parents":[{"parentRef":{"group":"","kind":"Service","namespace":"default",)"
          R"("name":"cart","port":80},"controllerName":"weft.dev/control-plane","conditions":[)"
          R"({"type":"Accepted","status":"True","reason":"Accepted","message":"",)"
          R"("observedGeneration":1,TIME},{"type":"ResolvedRefs","status":"False",)"
          R"("reason":"BackendNotFound",)"));
  EXPECT_THAT(shown,
              HasSubstr(R"({"type":"weft.dev/Served","status":"False","reason":"Pending",)"
                        R"("message":"served by 2 of 3 sidecars","observedGeneration":1,TIME}]}],)"
                        R"("served":{"current":2,"users":3}})"));
  EXPECT_EQ(apply(text_), 200);
  EXPECT_THAT(text_, HasSubstr(R"("action":"unchanged")")) << "the status is not applied";
  ASSERT_EQ(ask("GET", "/v1/objects/service/default/cart"), 200);
  EXPECT_THAT(text_, HasSubstr(R"("type":"weft.dev/Served")"));
}

TEST(Served, SaysInOneConditionHowFarAChangeHasCome) {
  const Object route = decode_one(
      "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: cart}, spec: "
      "{parentRefs: [{kind: Service, group: '', name: cart}]}}");
  const Object service = decode_one(
      "{apiVersion: v1, kind: Service, metadata: {name: cart}, spec: {ports: [{port: 80}]}}");
  const struct {
    const Object& of;
    Served served;
    bool ok;
    const char *reason, *message;
  } kCases[] = {
      {route, {0, 0}, true, "NoUser", "no sidecar uses it now"},
      {route, {2, 2}, true, "Served", "served by 2 of 2 sidecars"},
      {route, {1, 2}, false, "Pending", "served by 1 of 2 sidecars"},
      {route,
       {1, 2, "web-1: too old"},
       false,
       "Refused",
       "served by 1 of 2 sidecars; refused, the version before stays in use: web-1: too old"},
      // Where it says whose rule it was, the others only wait for it.
      {route,
       {1, 2, "web-1: route default/cart rule 0: a reason"},
       false,
       "Refused",
       "served by 1 of 2 sidecars; refused, the version before stays in use: web-1: route "
       "default/cart rule 0: a reason"},
      {route,
       {1, 2, "web-1: route default/cart-2 rule 0: a reason"},
       false,
       "HeldBack",
       "served by 1 of 2 sidecars; what comes with it is refused, the version before stays in use: "
       "web-1: route default/cart-2 rule 0: a reason"},
      {service,
       {0, 2, "web-1, web-2: route default/cart rule 0: a reason"},
       false,
       "Refused",
       "served by 0 of 2 sidecars; refused, the version before stays in use: web-1, web-2: route "
       "default/cart rule 0: a reason"},
      {route,
       {0, 0, "1048577 bytes, at most 1048576 allowed", true},
       false,
       "NotSent",
       "no sidecar uses it now; every proxy would refuse it, the version before stays in use: "
       "1048577 bytes, at most 1048576 allowed"},
  };
  for (const auto& c : kCases) {
    const Condition condition = served_condition(c.of, c.served);
    EXPECT_EQ(condition.ok, c.ok) << c.message;
    EXPECT_EQ(condition.reason, c.reason);
    EXPECT_EQ(condition.message, c.message);
  }
}

TEST_F(ApiTest, APolicySaysWhatEachTargetSaysAndATargetNamesItsPolicies) {
  EXPECT_EQ(apply(kCart), 200);
  EXPECT_EQ(apply("apiVersion: weft.dev/v1\nkind: FaultPolicy\nmetadata: {name: slow}\nspec:\n"
                  "  targetRefs: [{kind: Service, name: cart}, {kind: HTTPRoute, name: no}]\n"
                  "  duration: 15m\n  delay: {percentage: 12.5, duration: 1s}\n"),
            200);
  EXPECT_THAT(text_, HasSubstr("TargetNotFound: there is no HTTPRoute default/no"));
  EXPECT_EQ(ask("GET", "/v1/objects/fault/default/slow"), 200);
  EXPECT_THAT(text_, HasSubstr(R"("percentage":12.5)"));
  EXPECT_THAT(text_, HasSubstr(R"("ancestors":[{"ancestorRef":{"group":"","kind":"Service",)"
                               R"("namespace":"default","name":"cart"},"controllerName":)"
                               R"("weft.dev/control-plane","conditions":[{"type":"Accepted",)"
                               R"("status":"True","reason":"Accepted")"));
  EXPECT_THAT(text_, HasSubstr(R"("status":"False","reason":"TargetNotFound")"));
  EXPECT_THAT(text_, HasSubstr(R"("expires":")"));
  EXPECT_EQ(ask("GET", "/v1/objects/svc/default/cart"), 200);
  EXPECT_THAT(text_, HasSubstr(R"("policies":["FaultPolicy default/slow"])"));
  EXPECT_EQ(ask("GET", "/v1/status"), 200);
  EXPECT_THAT(text_, HasSubstr(R"("policies":["FaultPolicy default/slow"])"));
  EXPECT_THAT(text_, HasSubstr(R"({"kind":"FaultPolicy","name":"slow","namespace":"default","of":)"
                               R"(["Service cart.default","HTTPRoute no.default"],"served":)"
                               R"({"current":2,"users":3},"state":"TargetNotFound","why":)"
                               R"("HTTPRoute no.default: there is no HTTPRoute default/no",)"
                               R"("expires":)"));
  EXPECT_THAT(text_, HasSubstr("FaultPolicy default/slow breaks calls of Service cart.default on "
                               "purpose until "));
  EXPECT_EQ(ask("DELETE", "/v1/objects/faults/default/slow"), 200);
  EXPECT_EQ(ask("GET", "/v1/objects/svc/default/cart"), 200);
  EXPECT_THAT(text_, testing::Not(HasSubstr("policies")));
}

TEST_F(ApiTest, AnswersEverythingWrongAndAppliesNothing) {
  EXPECT_EQ(apply("kind: A\n---\nkind: B\n"), 422);
  EXPECT_THAT(text_, HasSubstr("f.yaml:1:7: kind: Weft knows no kind 'A'"));
  EXPECT_THAT(text_, HasSubstr("f.yaml:3:7: kind: Weft knows no kind 'B'"));
  EXPECT_EQ(ask("POST", "/v1/apply", "nonsense"), 400);
  EXPECT_EQ(apply(kCart, "?dry-run=true"), 200);
  EXPECT_EQ(ask("GET", "/v1/objects"), 200);
  EXPECT_THAT(text_, HasSubstr(R"("items":[]})"));
}

TEST_F(ApiTest, ShowsServicesThatWorkloadsMadeAsObjects) {
  Instance instance;
  instance.id = "web-1";
  instance.ns = "default";
  instance.claims = {{"web", 80, 8080, model::Protocol::kHttp}};
  compiler_.put_instance(instance);
  ASSERT_TRUE(catalog_->settle());
  EXPECT_EQ(ask("GET", "/v1/objects/services"), 200);
  EXPECT_THAT(
      text_,
      HasSubstr(
          R"("metadata":{"name":"web","namespace":"default"},"spec":{"ports":[{"name":"p80","port":80,"appProtocol":"http"}]})"));
  EXPECT_EQ(ask("DELETE", "/v1/objects/service/default/web"), 409);
  EXPECT_THAT(text_, HasSubstr("still has instances"));
}

TEST_F(ApiTest, OnlyAnswersWhoIsAllowed) {
  serve_with(make_api_handler(plane_, {.allowed_uids = {kUid}}), kUid + 1);
  EXPECT_EQ(ask("GET", "/v1/status"), 403);
  EXPECT_THAT(text_, HasSubstr("user id 4712 may not administer this mesh"));
  serve_with(make_api_handler(plane_, {.allowed_uids = {kUid}}), -1);
  EXPECT_EQ(ask("GET", "/v1/status"), 403) << "no credentials, no answer";
}

TEST_F(ApiTest, MakesAndRevokesTokens) {
  EXPECT_EQ(ask("POST", "/v1/tokens", R"({"namespace":"shop","service":"web","ttl_seconds":60})"),
            200);
  EXPECT_THAT(text_, HasSubstr(R"("token":"weft1.shop.web")"));
  EXPECT_EQ(ask("POST", "/v1/tokens", R"({"service":"No Such"})"), 400);
  EXPECT_EQ(ask("POST", "/v1/tokens", R"({"ttl_seconds":0})"), 400);
  EXPECT_EQ(ask("POST", "/v1/tokens", R"({"ttl_seconds":604801})"), 400) << "7 days and a second";
  EXPECT_EQ(ask("DELETE", "/v1/tokens/none"), 404);
  ASSERT_TRUE(
      store_->add_token({.id = "t9", .secret_sha256 = std::string(32, 'a'), .expires = {1}}));
  EXPECT_EQ(ask("GET", "/v1/tokens"), 200);
  EXPECT_THAT(text_, HasSubstr(R"("id":"t9")"));
  EXPECT_THAT(text_, Not(HasSubstr("aaaa"))) << "not even the hash is shown";
  EXPECT_EQ(ask("DELETE", "/v1/tokens/t9"), 200);
}

TEST_F(ApiTest, TakesAStaleWorkloadAway) {
  EXPECT_EQ(ask("DELETE", "/v1/workloads/shop/cart-1"), 200);
  EXPECT_THAT(text_, HasSubstr(R"("namespace":"shop","name":"cart-1","action":"deleted")"));
  EXPECT_EQ(ask("DELETE", "/v1/workloads/shop/alive-1"), 409);
  EXPECT_EQ(ask("DELETE", "/v1/workloads/default/cart-1"), 404);
  EXPECT_EQ(ask("DELETE", "/v1/workloads/cart-1"), 404);
  EXPECT_THAT(audit_, ElementsAre("deleted Workload/shop/cart-1 by 4711"));
}

TEST_F(ApiTest, EveryChangeThatWasMadeIsTold) {
  apply(kCart);
  apply(kCart);
  apply("kind: A\n");
  apply("apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n",
        "?dry-run=true");
  ask("DELETE", "/v1/objects/service/default/cart");
  ask("DELETE", "/v1/objects/service/default/cart");
  ask("POST", "/v1/tokens", "{}");
  EXPECT_THAT(audit_,
              ElementsAre("created Service/default/cart by 4711",
                          "deleted Service/default/cart by 4711", "created Token/t1 by 4711"));
}

TEST_F(ApiTest, HasStatusMetricsAndNothingElse) {
  EXPECT_EQ(ask("GET", "/v1/status"), 200);
  EXPECT_THAT(text_, HasSubstr(R"("trustDomain":"mesh-1")"));
  EXPECT_EQ(ask("GET", "/metrics"), 200);
  EXPECT_EQ(text_, "weft_up 1\n");
  for (const char* path : {"/", "/v1", "/v2/status", "/v1/status/x", "/v1/objects/pod"}) {
    EXPECT_EQ(ask("GET", path), 404) << path;
  }
}

TEST_F(ApiTest, TheStatusPageIsReadOnlyAndForLoopbackNamesOnly) {
  serve_with(make_status_page_handler(plane_), -1);
  for (const char* host : {"localhost:8080", "127.0.0.1", "[::1]:8080", "LOCALHOST"}) {
    EXPECT_EQ(ask("GET", "/", "", host), 200) << host;
  }
  EXPECT_THAT(text_, HasSubstr("trust domain mesh-1"));
  for (const char* host : {"evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]"}) {
    EXPECT_EQ(ask("GET", "/", "", host), 403) << host;
  }
  EXPECT_EQ(ask("POST", "/"), 405);
  EXPECT_EQ(ask("GET", "/v1/objects"), 404);
  EXPECT_EQ(ask("GET", "/metrics"), 200);
}

TEST(StatusPage, EscapesWhateverCameFromOutside) {
  StatusView view;
  view.trust_domain = "<em>&\"'";
  view.warnings = {"<script>alert(1)</script>"};
  view.instances.push_back(
      {.id = "<i>", .identity = "\"><x", .state = "serving", .why = "<w>", .notes = {"<n>"}});
  view.edges.push_back(
      {.source = "<s>", .destination = "<d>", .service = "<v>", .protocol = "<p>"});
  view.certificates.push_back({.what = "<c>", .note = "<o>"});
  Compiler compiler;
  const std::string page =
      render_status_page(view, compiler, [](const Carriers&) { return Served{}; });
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;"));
  EXPECT_THAT(page, HasSubstr("trust domain &lt;em&gt;&amp;&quot;&#39;"));
  for (const char* raw : {"<script>", "<em>", "<i>", "\"><x", "<w>", "<n>", "<s>", "<d>", "<v>",
                          "<p>", "<c>", "<o>"}) {
    EXPECT_THAT(page, Not(HasSubstr(raw))) << raw;
  }
}

}  // namespace
}  // namespace weft::control
