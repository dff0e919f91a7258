// `weft explain` of what comes from outside: every request is first explained by the Gateway's running proxy and then
// sent, by a client that is not of the mesh: what was foretold is what happens.
#include <map>

#include "scenarios/gateway_explain_scene.h"
#include "wire/tls_test_support.h"

namespace weft::scenarios {
namespace {

constexpr const char* kRules = R"(parentRefs: [{name: edge}], hostnames: [shop.test], rules: [
  {name: items, matches: [{path: {type: PathPrefix, value: /items}}],
   backendRefs: [{name: a, port: 80, weight: 3}, {name: b, port: 80, weight: 1}]},
  {name: old, matches: [{path: {type: PathPrefix, value: /old}}],
   filters: [{type: URLRewrite, urlRewrite: {hostname: new.test, path: {type: ReplacePrefixMatch, replacePrefixMatch: /items}}}],
   backendRefs: [{name: a, port: 80}]},
  {name: moved, matches: [{path: {type: Exact, value: /moved}}],
   filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}]},
  {name: nobody, matches: [{path: {type: PathPrefix, value: /nobody}}], backendRefs: [{name: nobody, port: 80}]}])";

TEST_F(GatewayExplain, ARequestFromOutsideFaresAsForetold) {
  listeners(
      "{name: web, port: 80, protocol: HTTP, hostname: '*.test'}, {name: any, port: 81, protocol: "
      "HTTP}");
  apply("HTTPRoute", "shop", kRules);
  struct Case {
    const char* host;
    const char* target;
    const char* route;
    int status;  // of the gateway; 0: an app answers
    const char* candidates = "";
    const char* location = "";
  };
  const Case cases[] = {
      {"shop.test", "/items/7", "default/shop/items", 0, "a b"},
      {"SHOP.test", "/x/../items", "default/shop/items", 0, "a b"},
      {"shop.test", "/old/7?x=1", "default/shop/old", 0, "a"},
      {"shop.test", "/moved", "default/shop/moved", 301, "", "https://shop.test/moved"},
      {"shop.test", "/nobody", "default/shop/nobody", 500},
      {"shop.test", "/elsewhere", "", 404},
      {"other.test", "/items", "", 404},
      {"shop.example", "/items", "", 404},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.host) + c.target);
    const Node said = ask_http(c.host, c.target);
    EXPECT_EQ(outcome(said, "route"), c.route);
    EXPECT_EQ(status_of(said), c.status);
    EXPECT_EQ(outcome(said, "location"), c.location);
    EXPECT_EQ(candidates(said), c.candidates);
    std::map<std::string, int> served;
    for (int i = 0; i < 8; ++i) {
      const http::FetchResponse answer = send(c.host, c.target);
      ASSERT_EQ(answer.status, c.status == 0 ? 200 : c.status) << answer.body;
      EXPECT_EQ(answer.fields.get("location").value_or(""), c.location);
      if (c.status != 0) {
        EXPECT_EQ(outcome(said, "says") + "\n",
                  "the gateway answers " + std::to_string(c.status) + ": " + answer.body);
        continue;
      }
      const std::string by = answer.body.substr(0, 1);
      ++served[by];
      EXPECT_EQ(mesh.instance(by).record.target, outcome(said, "target"));
      EXPECT_EQ(mesh.instance(by).record.authority, outcome(said, "authority"));
    }
    for (const Node& one : said.find("endpoints")->items) {
      const std::string by =
          mesh.instance("a").registered.instance == one.text_of("workload") ? "a" : "b";
      EXPECT_EQ(one.find("percent")->text, served[by] == 8 ? "100" : served[by] == 6 ? "75" : "25");
    }
  }
  EXPECT_EQ(stage(ask_http("shop.test"), "gateway"),
            "Gateway default/edge|port 80 takes HTTP: the Host tells its listeners apart");
  EXPECT_EQ(
      stage(ask_http("shop.test"), "listener"),
      "Gateway default/edge listener web|HTTP: its hostname *.test covers the host shop.test");
  EXPECT_EQ(stage(ask_http("shop.example"), "listener"),
            "|none has the host shop.example|hostnames at this port: *.test");
  EXPECT_NE(stage(ask_http("other.test", "/items"), "route")
                .find("not HTTPRoute default/shop rule items: it needs the host shop.test"),
            std::string::npos);
}

TEST_F(GatewayExplain, AFaultOfARouteIsForetold) {
  listeners("{name: web, port: 80, protocol: HTTP}");
  route("a", "a.test", "a");
  const CallResult result = mesh.apply(
      "{apiVersion: weft.dev/v1, kind: FaultPolicy, metadata: {name: broken}, spec: {targetRefs: "
      "[{kind: HTTPRoute, name: a}], duration: 1h, abort: {percentage: 100, httpStatus: 418}}}");
  ASSERT_EQ(result.status, 200) << result.body;
  mesh.world().run_for(Duration::millis(500));
  const std::string fault = stage(ask_http("a.test"), "fault");
  EXPECT_NE(fault.find("FaultPolicy default/broken|concerns it"), std::string::npos) << fault;
  EXPECT_NE(fault.find("abort=status 418 for 100 %"), std::string::npos) << fault;
  EXPECT_EQ(send("a.test", "/").status, 418);
}

TEST_F(GatewayExplain, HttpsIsForetoldFromTheServerNameToTheRequestInIt) {
  https();
  struct Case {
    const char* name;
    const char* host;
    const char* listener;
    const char* certificate;
    int status;
    const char* candidates;
  };
  const Case cases[] = {
      {"shop.test", "shop.test", "shop", "shop.test", 0, "a"},
      {"x.blog.test", "x.blog.test", "blog", "*.blog.test", 0, "b"},
      {"shop.test", "x.blog.test", "shop", "shop.test", 421, ""},
      {"shop.test", "none.example", "shop", "shop.test", 404, ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.name) + " " + c.host);
    const Node said = ask_https(c.name, c.host);
    const std::string listener = stage(said, "listener");
    EXPECT_EQ(listener.find("Gateway default/edge listener " + std::string(c.listener) + "|HTTPS"),
              0u)
        << listener;
    EXPECT_NE(listener.find("|certificate=of " + std::string(c.certificate) +
                            ", until 2125-01-01T00:00:00.000Z@"),
              std::string::npos)
        << listener;
    EXPECT_NE(listener.find("|the client's own=not asked for@default"), std::string::npos)
        << listener;
    EXPECT_EQ(status_of(said), c.status);
    EXPECT_EQ(candidates(said), c.candidates);
    EXPECT_EQ(get_by_tls(c.name, c.name, c.host),
              c.status == 0 ? "200 " + std::string(c.candidates) : std::to_string(c.status) + " w");
  }
  EXPECT_EQ(stage(ask_https("shop.test", "x.blog.test"), "host"),
            "Gateway default/edge listener blog|x.blog.test belongs to it, but the connection is "
            "Gateway default/edge listener shop's");
}

TEST_F(GatewayExplain, WhoIsTurnedAwayBeforeARequestIsToldWhy) {
  https();
  const auto says = [](const Node& said) { return outcome(said, "says"); };
  const std::string alert = "the client's TLS gets an alert and the connection is closed: ";
  EXPECT_EQ(says(ask_https("none.test", "none.test")),
            alert + "no route has the server name none.test");
  EXPECT_EQ(say(443, wire::client_hello(wire::sni("none.test"))), "alert 112");
  EXPECT_EQ(says(ask_https("", "192.0.2.1")), alert + "a ClientHello without a server name");
  EXPECT_EQ(say(443, wire::client_hello("")), "alert 109");
  EXPECT_EQ(stage(ask_https("none.test", "none.test"), "listener"),
            "|none has the server name none.test|hostnames at this port: shop.test, *.blog.test, "
            "*.pass.test");
  EXPECT_EQ(says(ask_http("shop.test", "/", 443)),
            "the connection is reset: not TLS, which the routes of this port ask for");
  EXPECT_EQ(say(443, "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"), "reset");

  const Node closed = ask_http("shop.test", "/", 8080);
  EXPECT_EQ(says(closed), "the connection is refused: no listener has port 8080");
  EXPECT_EQ(stage(closed, "gateway"),
            "Gateway default/edge|no listener has port 8080; there is 443, 5432, 5433|asked for is "
            "a listener's port, wherever on the host it is opened");
  EXPECT_EQ(send("shop.test", "/", 8080).status, 0);

  listeners("{name: web, port: 80, protocol: HTTP}");
  EXPECT_EQ(says(ask_https("shop.test", "shop.test", 80)),
            "TLS fails: the port takes HTTP in clear text");
  EXPECT_EQ(say(80, wire::client_hello(wire::sni("shop.test"))), "408");
  EXPECT_EQ(status_of(ask_tcp(80)), 400);
  EXPECT_EQ(say(80, "\x01\x02\n"), "400");
}

TEST_F(GatewayExplain, OpaqueConnectionsFareAsForetold) {
  https();
  const Node by_name = ask_https("db.pass.test", "db.pass.test");
  EXPECT_EQ(stage(by_name, "listener"),
            "Gateway default/edge listener through|TLS, passed on unopened: its hostname "
            "*.pass.test covers the server name db.pass.test");
  EXPECT_EQ(outcome(by_name, "route"), "default/db/0");
  EXPECT_EQ(candidates(by_name), "db");
  EXPECT_EQ(candidates(ask_tcp(443, "DB.pass.test")), "db");
  EXPECT_EQ(say(443, wire::client_hello(wire::sni("db.pass.test")) + "\n"), "db");

  const Node unrouted = ask_tcp(443, "x.pass.test");
  EXPECT_EQ(outcome(unrouted, "says"),
            "the client's TLS gets an alert and the connection is closed: no route has the server "
            "name x.pass.test");
  EXPECT_EQ(say(443, wire::client_hello(wire::sni("x.pass.test"))), "alert 112");

  EXPECT_EQ(outcome(ask_tcp(443, "shop.test"), "says"),
            "TLS ends at the gateway, and each request in it is routed by itself");

  const Node raw = ask_tcp(5432);
  EXPECT_EQ(stage(raw, "listener"), "Gateway default/edge listener raw|TCP");
  EXPECT_EQ(outcome(raw, "route"), "default/raw/0");
  EXPECT_EQ(candidates(raw), "raw");
  EXPECT_EQ(say(5432, "x\n"), "raw");
  EXPECT_EQ(candidates(ask_http("any.test", "/", 5432)), "raw");

  EXPECT_EQ(outcome(ask_tcp(5433), "says"),
            "the connection is reset: no route is attached to this listener");
  EXPECT_EQ(say(5433, "x\n"), "reset");
}

TEST_F(GatewayExplain, WhoIsAskedAndWhatWithoutARequest) {
  EXPECT_EQ(outcome(ask_http("a.test"), "says"), "the connection is refused: nothing is open");
  listeners("{name: web, port: 80, protocol: HTTP}");
  route("a", "a.test", "a");
  const std::string edge = mesh.instance("gateway-edge").registered.instance;
  for (const std::string& from : {std::string("edge"), std::string("gateway-edge"), edge}) {
    const Node said = explained(
        mesh,
        R"({"kind":"request","method":"GET","target":"/","host":"a.test","authority":"a.test",)"
        R"("port":80,"from":")" +
            from + "\"}");
    EXPECT_EQ(said.text_of("instance"), edge) << from;
    EXPECT_EQ(candidates(said), "a") << from;
  }
  // Without a name an app's call is meant.
  const Node call = explained(
      mesh,
      R"({"kind":"request","method":"GET","target":"/","host":"a","authority":"a","port":80})");
  EXPECT_NE(call.text_of("instance"), edge);
  EXPECT_EQ(stage(call, "gateway"), "");

  const Node service = ask(R"("kind": "service", "host": "a")");
  const std::string route = stage(service, "route");
  EXPECT_NE(route.find("HTTPRoute default/a rule 0|asks for the host a.test, a path below / (at "
                       "Gateway default/edge listener web, port 80)"),
            std::string::npos)
      << route;
  EXPECT_EQ(stage(ask(R"("kind": "service", "host": "b")"), "route"), "");

  const Node gateway = ask(R"("kind": "service", "host": "edge")");
  EXPECT_EQ(stage(gateway, "gateway"), "Gateway default/edge|listens at 80");
  EXPECT_EQ(stage(gateway, "listener"),
            "Gateway default/edge listener web|port 80, HTTP, hostname any");
  EXPECT_NE(stage(gateway, "route").find("HTTPRoute default/a rule 0|asks for the host a.test"),
            std::string::npos);
}

TEST_F(GatewayExplain, APortThatIsNotOpenIsNoted) {
  listeners("{name: web, port: 80, protocol: HTTP}, {name: more, port: 81, protocol: HTTP}");
  mesh.instance("gateway-edge").sidecar->listening({{80, "cannot listen on 192.0.2.1:80: in use"}});
  EXPECT_NE(stage(ask_http("a.test"), "gateway").find("|not open: cannot listen on 192.0.2.1:80"),
            std::string::npos);
  EXPECT_EQ(stage(ask_http("a.test", "/", 81), "gateway").find("not open"), std::string::npos);
}

TEST_F(GatewayExplain, WhetherClientsAreAskedForCertificatesIsTold) {
  const CallResult put =
      mesh.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: us}\ndata:\n  ca.crt: |\n" +
                 trust::yaml_block(kBlog, 4));
  ASSERT_EQ(put.status, 200) << put.body;
  secret("shop", kShop, kShopKey);
  for (const auto& [mode, value] :
       {std::pair("", "required: who has none that holds is refused"),
        std::pair(", mode: AllowInsecureFallback",
                  "asked for; who has none that holds is let in as nobody")}) {
    apply("Gateway", "edge",
          "gatewayClassName: weft, tls: {frontend: {default: {validation: {caCertificateRefs: "
          "[{group: '', kind: ConfigMap, name: us}]" +
              std::string(mode) +
              "}}}}, listeners: [{name: shop, port: 443, protocol: HTTPS, tls: {certificateRefs: "
              "[{name: shop}]}}]");
    const std::string listener = stage(ask_https("shop.test", "shop.test"), "listener");
    EXPECT_NE(listener.find("|the client's own=" + std::string(value) + "@Gateway default/edge"),
              std::string::npos)
        << listener;
  }
  // Another name's certificate is all that there is.
  EXPECT_NE(
      stage(ask_https("other.test", "other.test"), "listener")
          .find("HTTPS: without a hostname it takes the server name other.test|no certificate "
                "of the listener has that name, so its first is shown: who checks refuses"),
      std::string::npos);
}

TEST_F(GatewayExplain, TlsToABackendOutsideTheMeshIsTold) {
  const CallResult put =
      mesh.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca}\ndata:\n  ca.crt: |\n" +
                 trust::yaml_block(kBlog, 4) + R"(---
apiVersion: v1
kind: Service
metadata: {name: bank}
spec: {ports: [{port: 80, targetPort: 8443, appProtocol: http}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: bank, labels: {kubernetes.io/service-name: bank}}
addressType: IPv4
ports: [{port: 8443}]
endpoints: [{addresses: [192.0.2.77]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: bank}
spec:
  targetRefs: [{group: "", kind: Service, name: bank}]
  validation: {hostname: x.blog.test, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}
)");
  ASSERT_EQ(put.status, 200) << put.body;
  secret("shop", kShop, kShopKey);
  apply("Gateway", "edge",
        "gatewayClassName: weft, tls: {backend: {clientCertificateRef: {name: shop}}}, listeners: "
        "[{name: web, port: 80, protocol: HTTP}]");
  route("bank", "bank.test", "bank");
  const Node said = ask_http("bank.test");
  const std::string tls = stage(said, "TLS");
  EXPECT_NE(tls.find("BackendTLSPolicy default/bank|TLS 1.2 or 1.3 to endpoints outside the mesh"),
            std::string::npos)
      << tls;
  EXPECT_NE(tls.find("|it must show=x.blog.test@BackendTLSPolicy default/bank"), std::string::npos)
      << tls;
  EXPECT_NE(tls.find("|certificate of ours=the Gateway's, to a server that asks for one@Gateway "
                     "default/edge"),
            std::string::npos)
      << tls;
  EXPECT_EQ(said.find("endpoints")->items.at(0).text_of("address"), "192.0.2.77:8443");
}

TEST_F(GatewayExplain, AProxyThatTakesTheQuestionForAnAppsIsTooOld) {
  apply("Gateway", "old",
        "gatewayClassName: weft, listeners: [{name: web, port: 80, protocol: HTTP}]");
  mesh.add({.name = "gateway-old", .services = {}, .behaviour = {}});  // it serves nothing
  const CallResult reply = mesh.api(
      "POST", "/v1/explain",
      R"({"kind":"request","method":"GET","target":"/","host":"a","authority":"a","port":80,"from":"old"})");
  EXPECT_NE(reply.body.find("is too old to answer for a Gateway: `weft upgrade gateway-old"),
            std::string::npos)
      << reply.status << reply.body;
}

}  // namespace
}  // namespace weft::scenarios
