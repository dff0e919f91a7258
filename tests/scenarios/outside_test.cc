// Endpoints outside the mesh (docs/design/outside.md) on the simulated network: what is really spoken to them, whatever
// the app speaks, and what becomes of a caller when they refuse, show the wrong certificate or are removed.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/text.h"
#include "http/grpc.h"
#include "scenarios/mesh.h"
#include "scenarios/outside_server.h"
#include "scenarios/raw_peer.h"
#include "trust/certificate_for_test.h"

namespace weft::scenarios {
namespace {

class Outside : public testing::Test {
 protected:
  Outside() : mesh(37), bank(mesh.world(), "bank"), branch(mesh.world(), "branch") {
    mesh.add({.name = "client", .services = {}, .behaviour = {}});
    mesh.world().observe([this](const sim::Segment& segment) {
      if (segment.to_host != "bank" && segment.to_host != "branch") return;
      std::string& first = first_words_[segment.from.to_string()];
      if (first.size() < 3) first += segment.bytes.substr(0, 3 - first.size());
    });
  }

  // A Service "bank" with these ports ("name: api, port: 80, appProtocol: http"), and where it is served.
  static std::string service(const std::vector<std::string>& ports) {
    std::string all;
    for (const std::string& port : ports) all += (all.empty() ? "{" : ", {") + port + "}";
    return "apiVersion: v1\nkind: Service\nmetadata: {name: bank}\nspec: {ports: [" + all +
           "]}\n---\n";
  }
  static std::string slice(const OutsideServer& server, const std::string& name,
                           const std::string& ports) {
    return "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " + name +
           ", labels: {kubernetes.io/service-name: bank}}\naddressType: IPv4\n"
           "endpoints: [{addresses: [" +
           server.ip().to_string() + "]}]\nports: [" + ports + "]\n---\n";
  }
  // One port 80 of this protocol, served by the bank's port 8080.
  std::string simple(const std::string& protocol) {
    return service({"port: 80, appProtocol: " + protocol}) + slice(bank, "bank", "{port: 8080}");
  }
  static std::string config_map() {
    return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca}\ndata:\n  ca.crt: |\n" +
           trust::yaml_block(OutsideServer::kCertificate, 4) + "---\n";
  }
  static std::string tls(const std::string& hostname, const std::string& section = "") {
    return "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: "
           "tls" +
           section + "}\nspec:\n  targetRefs: [{group: '', kind: Service, name: bank" +
           (section.empty() ? "" : ", sectionName: " + section) +
           "}]\n  validation: {hostname: " + hostname +
           ", caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]}\n---\n";
  }
  void apply(const std::string& yaml) {
    const CallResult applied = mesh.apply(yaml);
    ASSERT_EQ(applied.status, 200) << applied.body;
    world().run_for(Duration::seconds(1));
  }
  CallResult get(const std::string& path = "/", uint16_t port = 80,
                 const std::string& host = "bank") {
    wire::RequestHead head;
    head.method = "GET";
    head.target = path;
    head.fields.add("Host", host);
    return mesh.call("client", head, host, port);
  }
  IpAddress address(const std::string& host = "bank") {
    return *IpAddress::parse(world().run(mesh.resolve("client", host)));
  }
  io::StreamPtr dial(uint16_t port) {
    auto stream = world().run(
        mesh.instance("client").app->network().connect({address(), port}, Duration::seconds(5)));
    WEFT_ASSERT(stream);
    return std::move(*stream);
  }
  // The app's own HTTP/2 connection.
  std::unique_ptr<http::ClientConnection> http2(uint16_t port) {
    return http::connect_http(mesh.instance("client").app->loop(), dial(port),
                              http::ClientProtocol::kHttp2, {}, {}, [] {});
  }
  // What has been spoken first on connections to the servers.
  std::set<std::string> spoken() {
    std::set<std::string> all;
    for (const auto& [from, first] : first_words_) {
      all.insert(first == "PRI"                     ? "h2"
                 : first == "GET" || first == "POS" ? "http/1.1"
                 : first.starts_with('\x16')        ? "tls"
                                                    : first);
    }
    first_words_.clear();
    return all;
  }
  bool until(const std::function<bool()>& done) {
    return world().run_until(done, Duration::seconds(10));
  }
  sim::World& world() { return mesh.world(); }

  Mesh mesh;
  OutsideServer bank, branch;

 private:
  std::map<std::string, std::string> first_words_;
};

using Words = std::set<std::string>;

TEST_F(Outside, WhatThePortDeclaresIsWhatIsSpokenWhateverTheAppSpeaks) {
  bank.http(8080);
  struct Row {
    const char* protocol;
    bool app_http2;
    const char* spoken;
  };
  for (const Row& row : {Row{"http", false, "http/1.1"}, Row{"http", true, "http/1.1"},
                         Row{"kubernetes.io/h2c", false, "h2"},
                         Row{"kubernetes.io/h2c", true, "h2"}, Row{"grpc", true, "h2"}}) {
    SCOPED_TRACE(std::string(row.protocol) + (row.app_http2 ? " over HTTP/2" : " over HTTP/1.1"));
    apply(simple(row.protocol));
    world().run_for(Duration::minutes(3));  // what was open before is idle and gone
    spoken();
    bank.seen.clear();
    if (row.app_http2) {
      auto app = http2(80);
      wire::RequestHead head;
      head.method = "GET";
      head.target = "/x";
      head.scheme = "http";
      head.authority = "bank";
      auto stream = app->open(head, true);
      ASSERT_TRUE(stream);
      auto answer = world().run((*stream)->read_head());
      ASSERT_TRUE(answer) << answer.error().message();
      EXPECT_EQ(answer->status, 200);
    } else {
      EXPECT_EQ(get("/x").status, 200);
    }
    EXPECT_EQ(spoken(), Words{row.spoken});
    ASSERT_EQ(bank.seen.size(), 1u);
    EXPECT_EQ(bank.seen[0].target, "/x");
    EXPECT_EQ(bank.seen[0].authority, "bank");
    EXPECT_TRUE(bank.seen[0].fields.get("traceparent"));
    EXPECT_TRUE(bank.seen[0].fields.get("x-request-id"));
    EXPECT_FALSE(bank.seen[0].fields.get("x-forwarded-client-cert"));
    for (const auto& field : bank.seen[0].fields) {
      EXPECT_FALSE(to_lower(field.name).starts_with("weft-")) << field.name;
    }
  }
}

TEST_F(Outside, OverTlsTheServerChoosesByAlpnAndAPortThatDeclaresHttp2TakesNothingElse) {
  bank.https(8443, {"h2", "http/1.1"});
  bank.https(8444, {"http/1.1"});
  apply(
      service({"name: both, port: 80, appProtocol: http", "name: old, port: 81, appProtocol: http",
               "name: two, port: 82, appProtocol: kubernetes.io/h2c",
               "name: never, port: 83, appProtocol: kubernetes.io/h2c"}) +
      slice(bank, "bank",
            "{name: both, port: 8443}, {name: old, port: 8444}, {name: two, port: 8443}, {name: "
            "never, port: 8444}") +
      config_map() + tls("a.example"));
  EXPECT_EQ(get("/", 80).body, "bank http/2");
  EXPECT_EQ(get("/", 81).body, "bank http/1");
  EXPECT_EQ(get("/", 82).body, "bank http/2");
  const CallResult never = get("/", 83);
  EXPECT_EQ(never.status, 503);
  EXPECT_NE(never.body.find("does not speak the TLS or the protocol"), std::string::npos)
      << never.body;
  EXPECT_EQ(spoken(), Words{"tls"});
  EXPECT_EQ(mesh.plaintext_segments(), 0u);
  for (const OutsideServer::Seen& one : bank.seen) EXPECT_EQ(one.server_name, "a.example");
}

TEST_F(Outside, EachPortHasThePolicyOfItsOwnAndTheServicesIsForTheOthers) {
  bank.https(8443, {"h2"});
  const std::string ports =
      "{name: api, port: 8443}, {name: admin, port: 8443}, {name: other, port: 8443}, {name: "
      "wrong, port: 8443}";
  apply(service({"name: api, port: 80", "name: admin, port: 81", "name: other, port: 82",
                 "name: wrong, port: 83"}) +
        slice(bank, "bank", ports) + config_map() + tls("a.example") + tls("x.b.example", "admin") +
        tls("else.example", "wrong"));
  for (const uint16_t port : {80, 81, 82}) EXPECT_EQ(get("/", port).status, 200) << port;
  ASSERT_EQ(bank.seen.size(), 3u);
  EXPECT_EQ(bank.seen[0].server_name, "a.example");
  EXPECT_EQ(bank.seen[1].server_name, "x.b.example");
  EXPECT_EQ(bank.seen[2].server_name, "a.example");
  const CallResult wrong = get("/", 83);
  EXPECT_EQ(wrong.status, 503);
  EXPECT_NE(wrong.body.find("did not show the identity"), std::string::npos) << wrong.body;
  EXPECT_NE(mesh.log_text().find("the server's certificate is not for else.example"),
            std::string::npos);
  EXPECT_EQ(bank.seen.size(), 3u) << "nothing of the request was sent";
  // The policy of the port goes: the Service's is in force there.
  const CallResult gone = mesh.api("DELETE", "/v1/objects/BackendTLSPolicy/default/tlswrong", "");
  ASSERT_EQ(gone.status, 200) << gone.body;
  world().run_for(Duration::seconds(1));
  EXPECT_EQ(get("/", 83).status, 200);
  EXPECT_EQ(bank.seen.back().server_name, "a.example");
}

TEST_F(Outside, GrpcPassesInPlainAndOverTlsUnaryAndAsAStream) {
  bank.http(8080);
  bank.https(8443, {"h2"});
  apply(service({"name: plain, port: 80, appProtocol: grpc",
                 "name: safe, port: 81, appProtocol: grpc"}) +
        slice(bank, "bank", "{name: plain, port: 8080}, {name: safe, port: 8443}") + config_map() +
        tls("a.example", "safe"));
  for (const uint16_t port : {80, 81}) {
    SCOPED_TRACE(port);
    auto app = http2(port);
    const auto unary = [&](const std::string& message) {
      return world().run(http::grpc_unary(mesh.instance("client").app->loop(), *app,
                                          "/bank.Echo/Say", "bank", message, Duration::seconds(5)));
    };
    auto said = unary("one");
    ASSERT_TRUE(said) << said.error().message();
    EXPECT_EQ(*said, "echo one");
    const auto failed = unary("fail");
    ASSERT_FALSE(failed);
    EXPECT_NE(failed.error().message().find("as asked"), std::string::npos)
        << failed.error().message();

    auto call = http::GrpcCall::open(*app, "/bank.Echo/Talk", "bank");
    ASSERT_TRUE(call);
    for (const char* message : {"a", "b", "c"}) {  // in turn: nothing waits for the call's end
      ASSERT_TRUE(world().run((*call)->write(message)));
      auto back = world().run((*call)->read());
      ASSERT_TRUE(back && *back) << (back ? "ended" : back.error().message());
      EXPECT_EQ(**back, std::string("echo ") + message);
      world().run_for(Duration::minutes(2));
    }
    (*call)->writes_done();
    auto end = world().run((*call)->read());
    ASSERT_TRUE(end) << end.error().message();
    EXPECT_FALSE(end->has_value());
  }
  EXPECT_EQ(spoken(), (Words{"h2", "tls"}));
}

TEST_F(Outside, AWebSocketHasAnHttp1ConnectionOfItsOwnAlsoToAServerOfHttp2) {
  bank.http(8080);
  bank.https(8443, {"h2", "http/1.1"});
  apply(service({"name: plain, port: 80, appProtocol: http",
                 "name: safe, port: 81, appProtocol: http"}) +
        slice(bank, "bank", "{name: plain, port: 8080}, {name: safe, port: 8443}") + config_map() +
        tls("a.example", "safe"));
  EXPECT_EQ(get("/", 81).body, "bank http/2");
  for (const uint16_t port : {80, 81}) {
    SCOPED_TRACE(port);
    RawPeer app(dial(port));
    app.write(
        "GET /chat HTTP/1.1\r\nHost: bank\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    ASSERT_TRUE(until([&] { return app.in.find("\r\n\r\n") != std::string::npos; })) << app.in;
    EXPECT_TRUE(app.in.starts_with("HTTP/1.1 101 ")) << app.in;
    EXPECT_NE(app.in.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos) << app.in;
    EXPECT_EQ(bank.seen.back().version, 1);
    EXPECT_EQ(bank.seen.back().target, "/chat");
    app.in.clear();
    world().run_for(Duration::minutes(10));
    app.write("hello");
    EXPECT_TRUE(until([&] { return app.in == "hello"; })) << app.in;
    app.shutdown_write();
    EXPECT_TRUE(until([&] { return app.ended; }));
    EXPECT_FALSE(app.reset);
  }
}

TEST_F(Outside, AWebSocketOverHttp2IsAnUpgradeForAServerThatTakesItAsNothingElse) {
  bank.http(8080);
  bank.https(8443, {"h2"});
  bank.https(8444, {"http/1.1"});
  apply(
      service({"name: two, port: 80, appProtocol: kubernetes.io/h2c",
               "name: safe, port: 81, appProtocol: http", "name: one, port: 82, appProtocol: http",
               "name: old, port: 83, appProtocol: http"}) +
      slice(bank, "bank",
            "{name: two, port: 8080}, {name: safe, port: 8443}, {name: one, port: 8080}, {name: "
            "old, port: 8444}") +
      config_map() + tls("a.example", "safe") + tls("a.example", "old"));
  for (const uint16_t port : {80, 81, 82, 83}) {
    SCOPED_TRACE(port);
    auto app = http2(port);
    ASSERT_TRUE(world().run(app->takes_extended_connect()));
    wire::RequestHead head;
    head.version = wire::Version::kHttp2;
    head.method = "CONNECT";
    head.protocol = "websocket";
    head.scheme = "http";
    head.authority = "bank";
    head.target = "/chat";
    head.fields.add("sec-websocket-version", "13");
    head.length = {wire::BodyLength::kTunnel, 0};
    auto opened = app->open(head, false);
    ASSERT_TRUE(opened);
    auto answer = world().run((*opened)->read_head());
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(bank.seen.back().version, port < 82 ? 2 : 1);
    EXPECT_EQ(bank.seen.back().target, "/chat");
    ASSERT_TRUE(world().run((*opened)->send_body(Buffer("hello"))));
    std::string in;
    while (in.size() < 5) {
      auto piece = world().run((*opened)->read_body());
      ASSERT_TRUE(piece) << piece.error().message();
      in += piece->data.view();
    }
    EXPECT_EQ(in, "hello");
  }
}

TEST_F(Outside, OpaqueBytesPassInPlainAndWithinTlsAndTheWrongCertificateCutsThem) {
  bank.tcp(5000);
  bank.tls(5001);
  apply(
      service({"name: plain, port: 80, appProtocol: tcp", "name: safe, port: 81, appProtocol: tcp",
               "name: wrong, port: 82, appProtocol: tcp"}) +
      slice(bank, "bank",
            "{name: plain, port: 5000}, {name: safe, port: 5001}, {name: wrong, port: 5001}") +
      config_map() + tls("a.example", "safe") + tls("else.example", "wrong"));
  EXPECT_EQ(mesh.converse("client", "bank", 80, "hi\n").body, "bank hi");
  EXPECT_EQ(mesh.converse("client", "bank", 81, "hi\n").body, "bank hi");
  EXPECT_EQ(bank.handshakes_failed, 0u);
  const CallResult wrong = mesh.converse("client", "bank", 82, "hi\n");
  EXPECT_EQ(wrong.status, 0);
  EXPECT_EQ(wrong.error, "reset");
  EXPECT_TRUE(until([&] { return bank.handshakes_failed > 0; }));
  EXPECT_NE(mesh.log_text().find("not for else.example"), std::string::npos) << mesh.log_text();
}

TEST_F(Outside, AServerThatRefusesIsPassedOverForAnotherAndElseNamedInTheAnswer) {
  branch.http(8080);
  branch.tcp(5000);
  apply(
      service({"name: api, port: 80, appProtocol: http", "name: raw, port: 81, appProtocol: tcp"}) +
      slice(bank, "bank", "{name: api, port: 8080}, {name: raw, port: 5000}") +
      slice(branch, "branch", "{name: api, port: 8080}, {name: raw, port: 5000}"));
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(get().body, "branch http/1");
    EXPECT_EQ(mesh.converse("client", "bank", 81, "hi\n").body, "branch hi");
  }
  branch.close(8080);
  branch.close(5000);
  world().run_for(Duration::seconds(10));  // what was open is idle
  const CallResult refused = get();
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.body.find("refuses connections"), std::string::npos) << refused.body;
  EXPECT_EQ(mesh.converse("client", "bank", 81, "hi\n").error, "reset");
  bank.http(8080);
  world().run_for(Duration::seconds(10));
  EXPECT_EQ(get().body, "bank http/1");
}

TEST_F(Outside, AMirrorMayBeOutside) {
  bank.http(8080);
  mesh.add({.name = "shop",
            .services = {{"shop", 80, 8080, model::Protocol::kHttp, false}},
            .behaviour = {.says = "shop"}});
  apply(simple("http") + R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: shop}]
  rules:
  - filters:
    - {type: RequestMirror, requestMirror: {backendRef: {name: bank, port: 80}}}
    backendRefs: [{name: shop, port: 80}]
)");
  wire::RequestHead head;
  head.method = "POST";
  head.target = "/pay?x";
  head.fields.add("Host", "shop");
  EXPECT_EQ(mesh.call("client", head, "shop", 80, "money").body, "shop");
  ASSERT_TRUE(until([&] { return !bank.seen.empty() && !bank.seen[0].body.empty(); }));
  EXPECT_EQ(bank.seen[0].target, "/pay?x");
  EXPECT_EQ(bank.seen[0].body, "money");
  EXPECT_FALSE(bank.seen[0].fields.get("x-forwarded-client-cert"));
  for (const auto& field : bank.seen[0].fields) {
    EXPECT_FALSE(to_lower(field.name).starts_with("weft-")) << field.name;
  }
  // One that refuses costs the request nothing.
  bank.close(8080);
  world().run_for(Duration::seconds(10));
  const Instant start = world().now();
  EXPECT_EQ(mesh.call("client", head, "shop", 80, "money").body, "shop");
  EXPECT_LT(world().now() - start, Duration::millis(100));
}

TEST_F(Outside, AnEndpointThatIsRemovedGetsNothingNewAndEndsWhatItHas) {
  bank.http(8080);
  bank.tcp(5000);
  branch.http(8080);
  branch.tcp(5000);
  const std::string ports = "{name: api, port: 8080}, {name: raw, port: 5000}";
  apply(
      service({"name: api, port: 80, appProtocol: http", "name: raw, port: 81, appProtocol: tcp"}) +
      slice(bank, "bank", ports));
  bank.delay = Duration::seconds(5);
  RawPeer slow(dial(80));
  slow.write("GET /slow HTTP/1.1\r\nHost: bank\r\n\r\n");
  RawPeer raw(dial(81));
  raw.write("one\n");
  ASSERT_TRUE(until([&] { return !bank.seen.empty() && raw.in == "bank one\n"; }));
  apply(slice(branch, "branch", ports));
  ASSERT_EQ(mesh.api("DELETE", "/v1/objects/EndpointSlice/default/bank", "").status, 200);
  world().run_for(Duration::seconds(1));
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(get().body, "branch http/1");
    EXPECT_EQ(mesh.converse("client", "bank", 81, "hi\n").body, "branch hi");
  }
  EXPECT_EQ(bank.seen.size(), 1u);
  EXPECT_TRUE(until([&] { return slow.in.find("bank http/1") != std::string::npos; })) << slow.in;
  raw.write("two\n");
  EXPECT_TRUE(until([&] { return raw.in == "bank one\nbank two\n"; })) << raw.in;
  // The next request of the same app's connection goes where the service is now.
  slow.in.clear();
  slow.write("GET / HTTP/1.1\r\nHost: bank\r\n\r\n");
  EXPECT_TRUE(until([&] { return slow.in.find("branch http/1") != std::string::npos; })) << slow.in;

  ASSERT_EQ(mesh.api("DELETE", "/v1/objects/EndpointSlice/default/branch", "").status, 200);
  world().run_for(Duration::seconds(1));
  const CallResult nobody = get();
  EXPECT_EQ(nobody.status, 503);
  EXPECT_NE(nobody.body.find("bank.default:80"), std::string::npos) << nobody.body;
}

}  // namespace
}  // namespace weft::scenarios
