// Opaque connections where routes decide: TLS by its server name, splits by weight, and what becomes of a
// client that none of them fits.
#include <gtest/gtest.h>

#include "proxy/router.h"
#include "scenarios/raw_mesh.h"
#include "telemetry/access_log.h"
#include "wire/proxy_protocol.h"
#include "wire/tls_test_support.h"

namespace weft::scenarios {
namespace {

using wire::client_hello;
using wire::sni;

class RoutedTcp : public testing::Test {
 protected:
  RoutedTcp() : mesh(11) {
    mesh.add({.name = "client", .services = {}, .behaviour = {}});
    for (const char* name : {"front", "a", "b"}) add(name, 443, model::Protocol::kTcp, true);
  }

  void add(const std::string& name, uint16_t port, model::Protocol protocol, bool tcp) {
    mesh.add({.name = name,
              .services = {{name, port, static_cast<uint16_t>(port + 8000), protocol, tcp}},
              .behaviour = {.says = name}});
  }
  void apply(const std::string& kind, const std::string& name, const std::string& spec) {
    const CallResult result = mesh.apply("apiVersion: gateway.networking.k8s.io/v1\nkind: " + kind +
                                         "\nmetadata: {name: " + name + "}\nspec:\n" + spec);
    ASSERT_EQ(result.status, 200) << result.body << result.error;
    world().run_for(Duration::millis(500));
  }
  void by_name() {
    apply("TLSRoute", "exact",
          "  parentRefs: [{kind: Service, name: front}]\n  hostnames: [a.test]\n"
          "  rules: [{backendRefs: [{name: a, port: 443}]}]\n");
    apply(
        "TLSRoute", "wide",
        "  parentRefs: [{kind: Service, name: front, port: 443}]\n"
        "  hostnames: ['*.test', 'b.example']\n  rules: [{backendRefs: [{name: b, port: 443}]}]\n");
  }

  std::unique_ptr<RawPeer> dial(const std::string& service = "front", uint16_t port = 443) {
    const SocketAddress to{*IpAddress::parse(world().run(mesh.resolve("client", service))), port};
    auto stream =
        world().run(mesh.instance("client").app->network().connect(to, Duration::seconds(5)));
    WEFT_ASSERT(stream);
    return std::make_unique<RawPeer>(std::move(*stream));
  }
  // What a peer that said this is answered: the name of the app, "alert N", "reset" or "end". The app repeats
  // what reached it.
  std::string answer(RawPeer& peer, const std::string& said, Duration limit) {
    world().run_until([&] { return !peer.in.empty() || peer.ended; }, limit);
    if (peer.in.starts_with("\x15\x03\x03") && peer.in.size() == 7) {
      return "alert " + std::to_string(static_cast<unsigned char>(peer.in[6]));
    }
    if (peer.in.empty()) return peer.reset ? "reset" : peer.ended ? "end" : "silence";
    const size_t blank = peer.in.find(' ');
    const std::string echoed = peer.in.substr(blank + 1);
    return peer.in.substr(0, blank) + (said.starts_with(echoed) ? "" : " changed");
  }
  std::string ask(const std::string& bytes, const std::string& service = "front",
                  uint16_t port = 443, Duration limit = Duration::seconds(2)) {
    auto peer = dial(service, port);
    peer->write(bytes);
    return answer(*peer, bytes, limit);
  }
  static std::string hello(const std::string& name) { return client_hello(sni(name)) + "\n"; }
  sim::World& world() { return mesh.world(); }

  Mesh mesh;
};

TEST_F(RoutedTcp, TlsGoesByItsServerNameUntouched) {
  EXPECT_EQ(ask(hello("a.test")), "front");  // no route yet
  by_name();
  EXPECT_EQ(ask(hello("a.test")), "a");
  EXPECT_EQ(ask(hello("A.Test")), "a");
  EXPECT_EQ(ask(hello("more.test")), "b");
  EXPECT_EQ(ask(hello("deep.more.test")), "b");
  EXPECT_EQ(ask(hello("b.example")), "b");
  EXPECT_EQ(mesh.plaintext_segments(), 0u);
}

TEST_F(RoutedTcp, AHelloMayComeInPieces) {
  by_name();
  const std::string bytes = wire::in_records(wire::hello_message(sni("a.test")), 7) + "\n";
  auto peer = dial();
  for (const char c : bytes) {
    peer->write(std::string_view(&c, 1));
    world().run_for(Duration::millis(20));
  }
  EXPECT_EQ(answer(*peer, bytes, Duration::seconds(2)), "a");
}

TEST_F(RoutedTcp, WhatFitsNoRouteIsRefusedSaying) {
  by_name();
  EXPECT_EQ(ask(hello("nowhere.example")), "alert 112");
  EXPECT_EQ(ask(hello("test")), "alert 112");
  EXPECT_EQ(ask(client_hello("")), "alert 109");
  EXPECT_EQ(ask(client_hello(sni("a.test") + sni("b.test"))), "alert 50");
  EXPECT_EQ(ask(std::string("\x16\x03\x01\x40\0\x01\x01\0\0", 9)), "alert 50");
  EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"), "reset");
  EXPECT_EQ(ask(std::string("\x80\x2e\x01\x03\x01", 5)), "reset");
}

TEST_F(RoutedTcp, AClientThatDoesNotSayWhereItWantsToIsLetGo) {
  by_name();
  for (const std::string& part : {std::string(), hello("a.test").substr(0, 40)}) {
    auto peer = dial();
    if (!part.empty()) peer->write(part);
    EXPECT_EQ(answer(*peer, part, Duration::millis(9'500)), "silence") << part.size();
    EXPECT_EQ(answer(*peer, part, Duration::seconds(1)), "reset") << part.size();
  }
  auto closing = dial();
  closing->shutdown_write();
  EXPECT_EQ(answer(*closing, "", Duration::seconds(1)), "end");
}

TEST_F(RoutedTcp, ConnectionsAreSharedByWeight) {
  apply("TCPRoute", "split",
        "  parentRefs: [{kind: Service, name: front}]\n  rules: [{backendRefs: [\n"
        "    {name: a, port: 443, weight: 3}, {name: b, port: 443}]}]\n");
  std::map<std::string, int> count;
  for (int i = 0; i < 8; ++i) ++count[ask("PING\n")];
  EXPECT_EQ(count, (std::map<std::string, int>{{"a", 6}, {"b", 2}}));
}

// A route's fault is what its connections suffer, the service's what the others do; a fault that is over makes room
// for the wider one: the rule's for the route's, that for the service's.
TEST_F(RoutedTcp, FaultsOfARuleItsRouteAndItsServiceActTheNarrowestThatIsNotOver) {
  by_name();
  ASSERT_EQ(ask(hello("a.test")), "a");
  const auto fault = [&](const char* policy, int64_t ends) {
    auto made = std::make_shared<model::Fault>();
    made->policy = policy;
    made->expires = world().wall_now() + Duration::seconds(ends);
    return made;
  };
  auto rule = fault("default/rule", 60), route = fault("default/route", 120),
       service = fault("default/service", 3600);
  rule->abort_share = route->delay_share = service->abort_share = model::Fault::kAll;
  rule->abort_reset = service->abort_reset = true;
  route->delay = Duration::seconds(1);
  proxy::WorkerSide& side = *mesh.instance("client").worker;
  telemetry::LineQueue log;
  side.worker.access = &log;
  auto next = std::make_shared<proxy::Snapshot>(*side.worker.snapshot);
  model::Service front = next->services.at({"default", "front"}).model();
  front.fault = service;
  for (model::TcpRule& one : front.ports[0].tcp_rules) {
    if (one.route != "default/exact") continue;
    one.fault = rule;
    one.route_fault = route;
  }
  next->services.at(front.name).compiled = *proxy::CompiledService::compile(front);
  side.use_snapshot(std::move(next));

  EXPECT_EQ(ask(hello("a.test")), "reset");
  std::string lines;
  log.drain(lines);
  EXPECT_NE(lines.find(R"("flags":"FI")"), std::string::npos) << lines;
  EXPECT_NE(lines.find("fault policy default/rule resets this connection"), std::string::npos);
  world().run_for(Duration::seconds(61));  // the rule's is over
  const Instant start = world().now();
  EXPECT_EQ(ask(hello("a.test"), "front", 443, Duration::seconds(5)), "a");
  EXPECT_GE(world().now() - start, Duration::seconds(1));
  EXPECT_LT(world().now() - start, Duration::seconds(2));
  EXPECT_EQ(ask(hello("more.test")), "reset") << "of the other route: the service's";
  world().run_for(Duration::seconds(61));  // the route's is over
  EXPECT_EQ(ask(hello("a.test")), "reset");
  side.worker.access = nullptr;
}

TEST_F(RoutedTcp, ABoundOfTheRouteHoldsForItsConnections) {
  apply("TCPRoute", "one",
        "  parentRefs: [{kind: Service, name: front}]\n"
        "  rules: [{backendRefs: [{name: a, port: 443}]}]\n");
  const CallResult result = mesh.apply(
      "apiVersion: weft.dev/v1\nkind: BackendPolicy\nmetadata: {name: one}\nspec:\n"
      "  targetRefs: [{kind: TCPRoute, name: one}]\n  circuitBreaker: {maxConnections: 1}\n");
  ASSERT_EQ(result.status, 200) << result.body;
  world().run_for(Duration::millis(500));
  auto first = dial();
  first->write("PING\n");
  EXPECT_EQ(answer(*first, "PING\n", Duration::seconds(2)), "a");
  EXPECT_EQ(ask("PING\n"), "reset");
  EXPECT_EQ(ask("PING\n", "a"), "a") << "by its own name the route says nothing";
  first.reset();
  world().run_for(Duration::seconds(1));
  EXPECT_EQ(ask("PING\n"), "a");
}

TEST_F(RoutedTcp, AShareWithoutABackendIsReset) {
  apply("TCPRoute", "split",
        "  parentRefs: [{kind: Service, name: front}]\n  rules: [{backendRefs: [\n"
        "    {name: a, port: 443}, {name: gone, port: 443}, {name: b, port: 443, weight: 0}]}]\n");
  std::map<std::string, int> count;
  for (int i = 0; i < 4; ++i) ++count[ask("PING\n")];
  EXPECT_EQ(count, (std::map<std::string, int>{{"a", 2}, {"reset", 2}}));
}

// Of the kinds attached to one port, the most specific that fits takes a connection.
TEST_F(RoutedTcp, AnUndeclaredPortHasRoutesOfAllKinds) {
  add("open", 9000, model::Protocol::kAuto, false);
  add("web", 80, model::Protocol::kHttp, false);
  const std::string get = "GET / HTTP/1.1\r\nHost: open\r\n\r\n";
  const auto status = [&] {
    auto peer = dial("open", 9000);
    peer->write(get);
    world().run_until([&] { return peer->ended || peer->in.contains("\r\n\r\n"); },
                      Duration::seconds(2));
    world().run_for(Duration::millis(100));
    return peer->in.empty()
               ? "reset"
               : peer->in.substr(9, 3) + " " + peer->in.substr(peer->in.find("\r\n\r\n") + 4);
  };
  EXPECT_EQ(status(), "200 open");
  apply("TLSRoute", "names",
        "  parentRefs: [{kind: Service, name: open}]\n  hostnames: [a.test]\n"
        "  rules: [{backendRefs: [{name: a, port: 443}]}]\n");
  EXPECT_EQ(status(), "reset");
  apply("TCPRoute", "rest",
        "  parentRefs: [{kind: Service, name: open}]\n"
        "  rules: [{backendRefs: [{name: b, port: 443}]}]\n");
  EXPECT_EQ(ask(hello("a.test"), "open", 9000), "a");
  EXPECT_EQ(ask(hello("c.test"), "open", 9000), "alert 112");
  EXPECT_EQ(ask("SSH-2.0-x\n", "open", 9000), "b");
  EXPECT_EQ(ask("GET / HTTP/1.1\n", "open", 9000), "b");
  apply("HTTPRoute", "requests",
        "  parentRefs: [{kind: Service, group: '', name: open}]\n"
        "  rules: [{backendRefs: [{name: web, port: 80}]}]\n");
  EXPECT_EQ(status(), "200 web");
  EXPECT_EQ(ask(hello("a.test"), "open", 9000), "a");
  EXPECT_EQ(ask("SSH-2.0-x\n", "open", 9000), "b");
}

// No way to the service itself can be opened: who speaks late is answered all the same.
TEST_F(RoutedTcp, WithoutAnInstanceAClientOfAnUndeclaredPortMayTakeItsTime) {
  add("web", 80, model::Protocol::kHttp, false);
  ASSERT_EQ(mesh.apply("{apiVersion: v1, kind: Service, metadata: {name: front-door}, "
                       "spec: {ports: [{port: 80}]}}")
                .status,
            200);
  world().run_for(Duration::millis(500));
  const auto status_after = [&](Duration silence) {
    auto peer = dial("front-door", 80);
    world().run_for(silence);
    peer->write("GET / HTTP/1.1\r\nHost: front-door\r\n\r\n");
    world().run_until([&] { return peer->ended || peer->in.contains("\r\n\r\n"); },
                      Duration::seconds(2));
    return peer->in.empty() ? "reset" : peer->in.substr(9, 3);
  };
  EXPECT_EQ(status_after(Duration::millis(50)), "503");
  EXPECT_EQ(status_after(Duration::millis(150)), "reset") << "a server that speaks first is none";
  apply("HTTPRoute", "elsewhere",
        "  parentRefs: [{kind: Service, group: '', name: front-door}]\n"
        "  rules: [{backendRefs: [{name: web, port: 80}]}]\n");
  EXPECT_EQ(status_after(Duration::millis(50)), "200");
  EXPECT_EQ(status_after(Duration::minutes(4)), "200");
  EXPECT_EQ(ask("SSH-2.0-x\n", "front-door", 80), "reset");
}

class ProxyDoor : public RawMesh {
 protected:
  ProxyDoor() {
    start_backend({kOk});
    Instance& instance = mesh.instance("backend");
    auto listening = instance.side->thread("worker").network.listen(
        {instance.side->ip(), kDoor}, [&instance](io::StreamPtr stream) {
          instance.worker->inbound.accept_introduced(std::move(stream), 8080);
        });
    WEFT_ASSERT(listening);
    door = std::move(*listening);
  }
  // The status, or "reset".
  std::string ask(const std::string& bytes, Duration limit = Duration::seconds(2)) {
    auto peer = dial_door();
    peer->write(bytes);
    until([&] { return peer->ended || peer->in.ends_with("ok"); }, limit);
    if (peer->in.empty()) return peer->ended ? "reset" : "silence";
    return peer->in.substr(9, 3);
  }
  std::string told() {
    const auto from = backend->reached().back().message.all("x-forwarded-for");
    return from.empty() ? "nobody" : from[0];
  }
};

TEST_F(ProxyDoor, TheClientIsWhoTheHeaderSays) {
  const SocketAddress client{*IpAddress::parse("192.0.2.77"), 4000};
  const SocketAddress client6{*IpAddress::parse("2001:db8::77"), 4000};
  const std::string itself = world().node("outside").ip().to_string();
  const std::string local = std::string("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);
  EXPECT_EQ(ask("PROXY TCP4 192.0.2.66 192.0.2.1 4000 443\r\n" + kGet), "200");
  EXPECT_EQ(told(), "192.0.2.66");
  EXPECT_EQ(ask(wire::proxy_header_v2(client, client, "") + kGet), "200");
  EXPECT_EQ(told(), "192.0.2.77");
  EXPECT_EQ(ask(wire::proxy_header_v2(client6, client6, "") + kGet), "200");
  EXPECT_EQ(told(), "2001:db8::77");
  EXPECT_EQ(ask("PROXY UNKNOWN\r\n" + kGet), "200");
  EXPECT_EQ(told(), itself);
  EXPECT_EQ(ask(local + kGet), "200");
  EXPECT_EQ(told(), itself);
}

TEST_F(ProxyDoor, WithoutAHeaderNobodyIsServed) {
  EXPECT_EQ(ask(kGet), "reset");
  EXPECT_EQ(ask("PROXY TCP4 192.0.2.66 192.0.2.1 4000\r\n" + kGet), "reset");
  EXPECT_EQ(ask("PROXY TCP4 192.0.2.66 ", Duration::millis(4'500)), "silence");
  EXPECT_EQ(ask("PROXY TCP4 192.0.2.66 ", Duration::millis(5'500)), "reset");
  EXPECT_TRUE(backend->reached().empty());
  const std::string log = mesh.log_text();
  const std::string line = "has no PROXY header";
  EXPECT_EQ(log.find(line), log.rfind(line)) << "said once";
  EXPECT_NE(log.find(line), std::string::npos);
}

TEST_F(ProxyDoor, AHeaderCountsOnlyOnce) {
  EXPECT_EQ(ask("PROXY TCP4 192.0.2.66 192.0.2.1 4000 443\r\nPROXY TCP4 192.0.2.67 192.0.2.1 4000 "
                "443\r\n" +
                kGet),
            "400");
}

class WhereNoHeaderIsAgreedOn : public RawMesh {};

TEST_F(WhereNoHeaderIsAgreedOn, ItIsNoHeader) {
  start_backend({kOk});
  auto peer = dial_door();
  peer->write("PROXY TCP4 192.0.2.66 192.0.2.1 4000 443\r\n" + kGet);
  ASSERT_TRUE(until([&] { return peer->ended; }, Duration::seconds(2)));
  EXPECT_TRUE(backend->reached().empty());
}

}  // namespace
}  // namespace weft::scenarios
