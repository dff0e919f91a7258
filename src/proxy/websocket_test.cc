#include "proxy/websocket.h"

#include <gtest/gtest.h>

namespace weft::proxy {
namespace {

wire::RequestHead extended_connect() {
  wire::RequestHead head;
  head.method = "CONNECT";
  head.protocol = "websocket";
  head.target = "/chat?room=1";
  head.authority = "chat.example";
  head.version = wire::Version::kHttp2;
  head.length = {wire::BodyLength::kTunnel, 0};
  head.fields.add("sec-websocket-protocol", "shop.v1");
  head.fields.add("sec-websocket-version", "13");
  return head;
}

TEST(WebSocket, TheKeyOfTheStandardIsAcceptedWithItsAnswer) {
  // RFC 6455 section 1.3.
  EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WebSocket, AnExtendedConnectBecomesAnUpgradeWithAKeyOfItsOwn) {
  SeededRandom random(1);
  wire::RequestHead head = extended_connect();
  const std::string accept = upgrade_from_connect(head, random);
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.target, "/chat?room=1");
  EXPECT_EQ(head.protocol, "");
  EXPECT_EQ(head.version, wire::Version::kHttp11);
  EXPECT_EQ(head.length.kind, wire::BodyLength::kNone);
  EXPECT_EQ(head.fields.get("connection"), "Upgrade");
  EXPECT_EQ(head.fields.get("upgrade"), "websocket");
  EXPECT_EQ(head.fields.get("sec-websocket-protocol"), "shop.v1");
  EXPECT_EQ(head.fields.get("sec-websocket-version"), "13");
  const std::string key(*head.fields.get("sec-websocket-key"));
  EXPECT_EQ(key.size(), 24u);
  EXPECT_TRUE(key.ends_with("==")) << key;
  EXPECT_EQ(accept, websocket_accept(key));
  wire::RequestHead second = extended_connect();
  upgrade_from_connect(second, random);
  EXPECT_NE(second.fields.get("sec-websocket-key"), key);
}

TEST(WebSocket, OnlyA101WithTheRightAcceptOpensATunnel) {
  struct {
    int status;
    const char* accept;
    bool good;
    int becomes;
  } cases[] = {{101, "right", true, 200}, {101, "wrong", false, 0}, {101, "", false, 0},
               {200, "right", false, 0},  {403, "", true, 403},     {302, "", true, 302}};
  for (const auto& c : cases) {
    wire::ResponseHead head;
    head.status = c.status;
    head.fields.add("Connection", "Upgrade");
    head.fields.add("Upgrade", "websocket");
    if (*c.accept) head.fields.add("Sec-WebSocket-Accept", c.accept);
    head.fields.add("Sec-WebSocket-Protocol", "shop.v1");
    EXPECT_EQ(answer_to_connect(head, "right"), c.good) << c.status << c.accept;
    if (!c.good) continue;
    EXPECT_EQ(head.status, c.becomes);
    if (c.becomes != 200) continue;
    EXPECT_FALSE(head.fields.has("upgrade") || head.fields.has("connection"));
    EXPECT_FALSE(head.fields.has("sec-websocket-accept"));
    EXPECT_EQ(head.fields.get("sec-websocket-protocol"), "shop.v1");
  }
}

TEST(WebSocket, AnUpgradeBecomesAnExtendedConnectAndItsAnswerA101) {
  wire::RequestHead head;
  head.method = "GET";
  head.target = "/chat";
  head.authority = "chat.example";
  head.fields.add("Host", "chat.example");
  head.fields.add("Connection", "Upgrade");
  head.fields.add("Upgrade", "WebSocket");
  head.fields.add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  ASSERT_TRUE(is_websocket(head));
  const std::string accept = connect_from_upgrade(head);
  EXPECT_EQ(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_TRUE(is_websocket(head));
  EXPECT_EQ(head.method, "CONNECT");
  EXPECT_EQ(head.protocol, "websocket");
  EXPECT_EQ(head.target, "/chat");
  EXPECT_EQ(head.length.kind, wire::BodyLength::kTunnel);
  EXPECT_FALSE(head.fields.has("sec-websocket-key") || head.fields.has("upgrade") ||
               head.fields.has("connection"));

  wire::ResponseHead answer;
  answer.status = 200;
  answer_to_upgrade(answer, accept);
  EXPECT_EQ(answer.status, 101);
  EXPECT_EQ(answer.fields.get("connection"), "Upgrade");
  EXPECT_EQ(answer.fields.get("upgrade"), "websocket");
  EXPECT_EQ(answer.fields.get("sec-websocket-accept"), accept);
  wire::ResponseHead no;
  no.status = 403;
  answer_to_upgrade(no, accept);
  EXPECT_EQ(no.status, 403);
  EXPECT_TRUE(no.fields.empty());
}

TEST(WebSocket, AnUpgradeWithoutAProperKeyIsNone) {
  for (const char* key : {"", "short", "dGhlIHNhbXBsZSBub25jZQ==x"}) {
    wire::RequestHead head;
    head.method = "GET";
    head.fields.add("Upgrade", "websocket");
    if (*key) head.fields.add("Sec-WebSocket-Key", key);
    EXPECT_EQ(connect_from_upgrade(head), "") << key;
  }
}

}  // namespace
}  // namespace weft::proxy
