// What is said of a caller to who serves it, from inside the mesh and from outside.
#include <gtest/gtest.h>

#include "http/client.h"
#include "scenarios/raw_mesh.h"

namespace weft::scenarios {
namespace {

class WhoCalls : public RawMesh {};

TEST_F(WhoCalls, APublishedDoorSpeaksAsAGatewayAndBelievesNobody) {
  start_backend({kOk});
  auto peer = dial_door();
  peer->write(
      "GET /a HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: 192.0.2.66\r\n"
      "X-Forwarded-Client-Cert: URI=spiffe://evil/x\r\nConnection: x-request-id\r\n"
      "X-Request-Id: forged\r\nweft-source-workload: x\r\n\r\n");
  ASSERT_TRUE(until([&] { return peer->in.ends_with("ok"); }, Duration::seconds(2)));
  const plain::Message& m = backend->reached()[0].message;
  EXPECT_EQ(m.all("x-forwarded-for"),
            std::vector<std::string>{world().node("outside").ip().to_string()});
  EXPECT_EQ(m.all("via"), std::vector<std::string>{"1.1 weft"});
  EXPECT_FALSE(m.has("x-forwarded-client-cert"));
  EXPECT_FALSE(m.has("weft-source-workload"));
  ASSERT_EQ(m.all("x-request-id").size(), 1u);
  EXPECT_EQ(m.all("x-request-id")[0].size(), 36u);
  EXPECT_EQ(m.all("host"), std::vector<std::string>{"shop.test"});

  auto tunnel = dial_door();
  tunnel->write("CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n");
  ASSERT_TRUE(until([&] { return tunnel->ended; }, Duration::seconds(2)));
  EXPECT_TRUE(tunnel->in.starts_with("HTTP/1.1 403 ")) << tunnel->in;
  EXPECT_EQ(backend->reached().size(), 1u);
}

TEST_F(WhoCalls, AnHttp2ClientAtAPublishedDoorIsServedByAnHttp1App) {
  start_backend(
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n"
       "3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"});
  dial_door();
  sim::Node& outside = world().node("outside");
  auto get = [&]() -> io::Task<std::string> {
    auto stream = co_await outside.network().connect({mesh.instance("backend").side->ip(), kDoor},
                                                     Duration::seconds(5));
    if (!stream) co_return "no connection";
    auto connection = http::connect_http(outside.loop(), std::move(*stream),
                                         http::ClientProtocol::kHttp2, {}, {}, [] {});
    wire::RequestHead head;
    head.method = "GET";
    head.target = "/";
    head.authority = "shop.test";
    auto opened = connection->open(head, true);
    if (!opened) co_return opened.error().message();
    auto answer = co_await (*opened)->read_head();
    if (!answer) co_return answer.error().message();
    std::string text = std::to_string(answer->status);
    for (const auto& line : answer->fields) text.append(" ").append(line.name);
    text += " ";
    while (true) {
      auto piece = co_await (*opened)->read_body();
      if (!piece) co_return text + " cut: " + piece.error().message();
      text += piece->data.to_string();
      for (const auto& line : piece->trailers) {
        text.append(" ").append(line.name).append("=").append(line.value);
      }
      if (piece->end) break;
    }
    opened->reset();
    co_return text;
  };
  EXPECT_EQ(world().run(get()), "200 date abc x-t=1");
  const plain::Message& m = backend->reached()[0].message;
  EXPECT_EQ(m.version, "HTTP/1.1");
  EXPECT_EQ(m.all("host"), std::vector<std::string>{"shop.test"});
  EXPECT_EQ(m.all("via"), std::vector<std::string>{"2 weft"});
}

TEST_F(WhoCalls, AnAppIsToldWhoCallsByTheCertificate) {
  start_backend({kOk});
  auto peer = dial();
  peer->write(
      "GET / HTTP/1.1\r\nHost: weft\r\nX-Forwarded-Client-Cert: URI=spiffe://evil/x\r\n"
      "X-Request-Id: mine\r\nX-Forwarded-For: 192.0.2.66\r\n\r\n");
  ASSERT_TRUE(until([&] { return peer->in.ends_with("ok"); }, Duration::seconds(2)));
  const plain::Message& m = backend->reached()[0].message;
  const std::string caller = mesh.instance("client").svid->id().uri();
  const std::string self = mesh.instance("backend").svid->id().uri();
  EXPECT_EQ(m.all("x-forwarded-client-cert"),
            std::vector<std::string>{"By=" + self + ";URI=" + caller});
  EXPECT_EQ(m.all("x-request-id"), std::vector<std::string>{"mine"});
  EXPECT_EQ(m.all("x-forwarded-for"), std::vector<std::string>{"192.0.2.66"});  // its own word
}

}  // namespace
}  // namespace weft::scenarios
