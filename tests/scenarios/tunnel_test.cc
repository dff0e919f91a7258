// Tunnels through a pair of sidecars, whichever version of HTTP either app speaks: WebSockets asked for by an
// Upgrade or by an extended CONNECT (RFC 8441), other protocols, and plain CONNECT.
#include <gtest/gtest.h>

#include <list>

#include "http/client.h"
#include "http/respond.h"
#include "proxy/websocket.h"
#include "scenarios/mesh.h"

namespace weft::scenarios {
namespace {

using http::ClientProtocol;

// What the far app saw of one tunnel.
struct Tunnel {
  wire::RequestHead request;
  std::string got;
  bool ended = false;  // by the caller's end
  bool cut = false;    // by a reset
};

// The far app, HTTP/1.1 and HTTP/2: grants tunnels and echoes what comes; "end!" ends its side, "reset!" cuts
// it, "bye" follows the caller's end. A path says otherwise: /no 403, /lie a wrong key, /ordinary 200 without
// a tunnel, /deaf reads nothing.
class TunnelApp {
 public:
  TunnelApp(sim::Node& node, bool extended_connect) : node_(node) {
    http::ServerLimits limits;
    limits.extended_connect = extended_connect;
    auto listener = node.network().listen({node.ip(), 8080}, [this, limits](io::StreamPtr stream) {
      served_.emplace_back();
      auto slot = std::prev(served_.end());
      *slot = http::serve(
          node_.loop(), std::move(stream), http::ServerProtocol::kDetect, {}, limits,
          [this](http::ServerStreamPtr request) { return answer(std::move(request)); },
          [this, slot] { served_.erase(slot); });
    });
    WEFT_ASSERT(listener);
    listener_ = std::move(*listener);
  }

  std::list<Tunnel> tunnels;

 private:
  io::Task<void> answer(http::ServerStreamPtr stream) {
    const wire::RequestHead& request = stream->request();
    const std::string path = request.target;
    wire::ResponseHead head;
    head.version = request.version;
    if (path == "/no" || path == "/ordinary") {
      (void)co_await http::respond(*stream, path == "/no" ? 403 : 200, "text/plain", "as you like");
      co_return;
    }
    if (auto upgrade = request.fields.get("upgrade")) {
      const std::string key(request.fields.get("sec-websocket-key").value_or(""));
      head.status = 101;
      head.fields.add("Connection", "Upgrade");
      head.fields.add("Upgrade", *upgrade);
      head.fields.add("Sec-WebSocket-Accept",
                      path == "/lie" ? "wrong" : proxy::websocket_accept(key));
    }
    head.length = {wire::BodyLength::kTunnel, 0};
    tunnels.push_back({.request = request, .got = {}});
    Tunnel& tunnel = tunnels.back();
    stream->send_response(head, false);
    if (path == "/deaf") co_await stream->wait_gone();
    bool over = false;
    while (true) {
      auto piece = co_await stream->read_body();
      if (!piece) {
        tunnel.cut = true;
        co_return;
      }
      tunnel.got += piece->data.view();
      if (tunnel.got.ends_with("reset!")) {
        stream->reset();
        co_return;
      }
      if (tunnel.got.ends_with("end!")) {
        stream->finish();
        over = true;
      }
      if (!over && !piece->data.empty()) (void)co_await stream->send_body(std::move(piece->data));
      if (!piece->end) continue;
      tunnel.ended = true;
      if (!over) {
        (void)co_await stream->send_body(Buffer("bye"));
        stream->finish();
      }
      co_return;
    }
  }

  sim::Node& node_;
  std::unique_ptr<io::Listener> listener_;
  std::list<std::unique_ptr<http::ServerConnection>> served_;
};

// The near app's end of one tunnel.
class Caller {
 public:
  ~Caller() { scope_.cancel_all(); }

  void open(http::ClientConnection& connection, const wire::RequestHead& head) {
    scope_.spawn(run(connection, head));
  }
  void send(std::string bytes) { scope_.spawn(do_send(std::move(bytes))); }
  void end() { stream_->finish(); }
  void cut() { stream_->reset(); }

  std::optional<wire::ResponseHead> head;
  std::string in;
  size_t sent = 0;
  bool ended = false;
  bool failed = false;

 private:
  io::Task<void> run(http::ClientConnection& connection, wire::RequestHead request) {
    const bool http2 = request.version == wire::Version::kHttp2;
    if (!request.protocol.empty() && !co_await connection.takes_extended_connect()) co_return;
    auto opened = connection.open(request, !http2);
    if (!opened) co_return;
    stream_ = std::move(*opened);
    auto answer = co_await stream_->read_head();
    if (!answer) {
      failed = true;
      co_return;
    }
    head = std::move(*answer);
    while (true) {
      auto piece = co_await stream_->read_body();
      if (!piece) {
        failed = true;
        co_return;
      }
      in += piece->data.view();
      ended = piece->end;
      if (ended) co_return;
    }
  }
  io::Task<void> do_send(std::string bytes) {
    const size_t size = bytes.size();
    if (co_await stream_->send_body(Buffer(bytes))) sent += size;
  }

  http::ClientStreamPtr stream_;
  io::TaskScope scope_;
};

struct Versions {
  ClientProtocol caller;
  model::Protocol app;
};

class Tunnels : public testing::TestWithParam<Versions> {
 protected:
  Tunnels() : mesh_(11) {
    mesh_.add({.name = "near", .services = {}, .behaviour = {}});
    mesh_.add(
        {.name = "far", .services = {{"chat", 80, 8080, GetParam().app, false}}, .behaviour = {}});
    mesh_.close_app("far");
    start_app(true);
  }

  bool caller_http2() const { return GetParam().caller == ClientProtocol::kHttp2; }
  bool app_http2() const { return GetParam().app == model::Protocol::kH2c; }
  void start_app(bool extended_connect) {
    app_.reset();
    app_.emplace(*mesh_.instance("far").app, extended_connect);
    world().run_for(Duration::seconds(2));  // it becomes ready
  }
  http::ClientConnection& connect() {
    sim::Node& node = *mesh_.instance("near").app;
    const SocketAddress service{*IpAddress::parse(world().run(mesh_.resolve("near", "chat"))), 80};
    auto stream = world().run(node.network().connect(service, Duration::seconds(5)));
    WEFT_ASSERT(stream);
    connections_.push_back(
        http::connect_http(node.loop(), std::move(*stream), GetParam().caller, {}, {}, [] {}));
    return *connections_.back();
  }
  // Asks for `protocol` at `path`.
  std::unique_ptr<Caller> ask(const std::string& path, const std::string& protocol = "websocket") {
    return ask(connect(), path, protocol);
  }
  std::unique_ptr<Caller> ask(http::ClientConnection& connection, const std::string& path,
                              const std::string& protocol = "websocket") {
    wire::RequestHead head;
    head.target = path;
    head.authority = "chat";
    head.fields.add("sec-websocket-version", "13");
    if (caller_http2()) {
      head.version = wire::Version::kHttp2;
      head.method = "CONNECT";
      head.protocol = protocol;
      head.length = {wire::BodyLength::kTunnel, 0};
    } else {
      head.method = "GET";
      head.fields.add("Connection", "Upgrade");
      head.fields.add("Upgrade", protocol);
      head.fields.add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    }
    auto made = std::make_unique<Caller>();
    made->open(connection, head);
    until([&] { return made->head || made->failed; });
    return made;
  }
  std::unique_ptr<Caller> ask_plain_connect() {
    wire::RequestHead head;
    head.method = "CONNECT";
    head.authority = "other:443";
    head.fields.add("host", "other:443");
    head.version = caller_http2() ? wire::Version::kHttp2 : wire::Version::kHttp11;
    if (caller_http2()) head.fields.remove("host");
    head.length = {wire::BodyLength::kTunnel, 0};
    auto made = std::make_unique<Caller>();
    made->open(connect(), head);
    until([&] { return made->head || made->failed; });
    return made;
  }
  int granted() const { return caller_http2() ? 200 : 101; }
  static int status(const Caller& caller) { return caller.head ? caller.head->status : 0; }
  bool until(const std::function<bool()>& done, Duration limit = Duration::seconds(10)) {
    return world().run_until(done, limit);
  }
  sim::World& world() { return mesh_.world(); }

  Mesh mesh_;
  std::optional<TunnelApp> app_;
  std::list<std::unique_ptr<http::ClientConnection>> connections_;
};

INSTANTIATE_TEST_SUITE_P(AllVersions, Tunnels,
                         testing::Values(Versions{ClientProtocol::kHttp1, model::Protocol::kHttp},
                                         Versions{ClientProtocol::kHttp1, model::Protocol::kH2c},
                                         Versions{ClientProtocol::kHttp2, model::Protocol::kHttp},
                                         Versions{ClientProtocol::kHttp2, model::Protocol::kH2c}),
                         [](const auto& info) {
                           return std::string(info.param.caller == ClientProtocol::kHttp1
                                                  ? "Http1"
                                                  : "Http2") +
                                  "To" +
                                  (info.param.app == model::Protocol::kHttp ? "Http1" : "Http2");
                         });

TEST_P(Tunnels, AWebSocketOpensCarriesAndHalfClosesEitherWayFirst) {
  auto first = ask("/room?id=1");
  ASSERT_EQ(status(*first), granted());
  if (!caller_http2()) {
    EXPECT_EQ(first->head->fields.get("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  } else {
    EXPECT_FALSE(first->head->fields.has("sec-websocket-accept"));
  }
  const wire::RequestHead& seen = app_->tunnels.front().request;
  EXPECT_EQ(seen.method, app_http2() ? "CONNECT" : "GET");
  EXPECT_EQ(seen.protocol, app_http2() ? "websocket" : "");
  EXPECT_EQ(seen.target, "/room?id=1");
  EXPECT_EQ(seen.authority, "chat");
  EXPECT_EQ(seen.fields.get("sec-websocket-version"), "13");
  EXPECT_EQ(seen.fields.has("sec-websocket-key"), !app_http2());
  EXPECT_TRUE(seen.fields.get("x-forwarded-client-cert").value_or("").find("near") !=
              std::string_view::npos);
  for (const wire::Fields::Line& line : seen.fields) EXPECT_FALSE(line.name.starts_with("weft-"));

  first->send("hello");
  ASSERT_TRUE(until([&] { return first->in == "hello"; }));
  first->end();
  ASSERT_TRUE(until([&] { return first->ended; }));
  EXPECT_EQ(first->in, "hellobye");
  EXPECT_TRUE(app_->tunnels.front().ended);

  auto second = ask("/room");
  second->send("end!");
  ASSERT_TRUE(until([&] { return second->ended; }));
  second->send("more");
  ASSERT_TRUE(until([&] { return app_->tunnels.back().got == "end!more"; }));
  EXPECT_FALSE(app_->tunnels.back().ended);
  second->end();
  ASSERT_TRUE(until([&] { return app_->tunnels.back().ended; }));
  EXPECT_FALSE(app_->tunnels.back().cut);
}

TEST_P(Tunnels, AResetIsNoEndEitherWay) {
  auto first = ask("/");
  first->send("hello");
  ASSERT_TRUE(until([&] { return first->in == "hello"; }));
  first->cut();
  ASSERT_TRUE(until([&] { return app_->tunnels.front().cut; }));
  EXPECT_FALSE(app_->tunnels.front().ended);

  auto second = ask("/");
  second->send("reset!");
  ASSERT_TRUE(until([&] { return second->failed; }));
  EXPECT_FALSE(second->ended);
}

TEST_P(Tunnels, ItLivesTenHoursSilentOrNot) {
  auto silent = ask("/"), busy = ask("/");
  for (int i = 1; i <= 120; ++i) {
    world().run_for(Duration::minutes(5));
    busy->send("x");
    ASSERT_TRUE(until([&] { return busy->in.size() == static_cast<size_t>(i); })) << i;
    ASSERT_FALSE(silent->ended || silent->failed) << i;
  }
  silent->send("still there");
  ASSERT_TRUE(until([&] { return silent->in == "still there"; }));
}

TEST_P(Tunnels, OneThatIsNotReadHoldsItsWindowAndNobodyElse) {
  http::ClientConnection& connection = connect();
  auto deaf = ask(connection, "/deaf");
  auto well = caller_http2() ? ask(connection, "/") : ask("/");
  for (int i = 0; i < 200; ++i) deaf->send(std::string(64 * 1024, 'x'));
  world().run_for(Duration::seconds(5));
  // Windows, and the wires' at both ends.
  EXPECT_LT(deaf->sent, size_t{2} * 1024 * 1024);
  for (int i = 0; i < 100; ++i) well->send(std::string(64 * 1024, 'y'));
  EXPECT_TRUE(until([&] { return well->in.size() == size_t{6400} * 1024; }, Duration::seconds(30)))
      << well->in.size();
}

TEST_P(Tunnels, WhatIsRefusedIsAnOrdinaryAnswer) {
  auto no = ask("/no");
  EXPECT_EQ(status(*no), 403);
  EXPECT_TRUE(until([&] { return no->in == "as you like"; })) << no->in;
}

TEST_P(Tunnels, NobodyAgreesWhoHasNotUnderstood) {
  // Between equals it is the caller's business.
  if (caller_http2() == app_http2()) return;
  if (caller_http2()) {
    EXPECT_EQ(status(*ask("/lie")), 502);
    EXPECT_EQ(status(*ask("/ordinary")), 502);
  } else {
    start_app(false);
    EXPECT_EQ(status(*ask("/")), 501);
  }
}

TEST_P(Tunnels, OtherProtocolsPassBetweenEqualsOnly) {
  auto asked = ask("/", "capsules");
  if (caller_http2() != app_http2()) {
    EXPECT_EQ(status(*asked), 501);
    EXPECT_TRUE(app_->tunnels.empty());
    return;
  }
  ASSERT_EQ(status(*asked), granted());
  if (app_http2()) {
    EXPECT_EQ(app_->tunnels.front().request.protocol, "capsules");
  } else {
    EXPECT_EQ(app_->tunnels.front().request.fields.get("upgrade"), "capsules");
  }
  asked->send("hello");
  EXPECT_TRUE(until([&] { return asked->in == "hello"; }));
}

TEST_P(Tunnels, PlainConnectPassesWhereARouteNamesIt) {
  EXPECT_EQ(status(*ask_plain_connect()), 403);
  EXPECT_TRUE(app_->tunnels.empty());
  ASSERT_EQ(mesh_
                .apply("apiVersion: gateway.networking.k8s.io/v1\n"
                       "kind: HTTPRoute\n"
                       "metadata: {name: tunnel}\n"
                       "spec:\n"
                       "  parentRefs: [{group: \"\", kind: Service, name: chat, port: 80}]\n"
                       "  rules:\n"
                       "  - matches: [{method: CONNECT}]\n"
                       "    backendRefs: [{name: chat, port: 80}]\n"
                       "  - matches: [{method: GET}]\n"
                       "    backendRefs: [{name: chat, port: 80}]\n")
                .status,
            200);
  world().run_for(Duration::seconds(2));
  auto opened = ask_plain_connect();
  ASSERT_EQ(status(*opened), 200);
  EXPECT_EQ(app_->tunnels.front().request.method, "CONNECT");
  EXPECT_EQ(app_->tunnels.front().request.authority, "other:443");
  opened->send("hello");
  ASSERT_TRUE(until([&] { return opened->in == "hello"; }));
  opened->end();
  ASSERT_TRUE(until([&] { return opened->ended; }));
  EXPECT_EQ(opened->in, "hellobye");
  // A WebSocket is a GET to routes, however it was asked for.
  EXPECT_EQ(status(*ask("/")), granted());
  EXPECT_EQ(app_->tunnels.back().request.target, "/");
}

TEST_P(Tunnels, AServerThatTellsNothingOfItselfIsNotWaitedForLong) {
  if (!app_http2() || !caller_http2()) return;
  start_app(false);
  EXPECT_EQ(status(*ask("/")), 501);
  EXPECT_EQ(status(*ask("/", "capsules")), 501);
  EXPECT_TRUE(app_->tunnels.empty());
}

}  // namespace
}  // namespace weft::scenarios
