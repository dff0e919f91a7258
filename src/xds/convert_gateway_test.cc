#include <gtest/gtest.h>

#include "xds/convert_gateway.h"

namespace weft::xds {
namespace {

model::Gateway some_gateway() {
  model::GatewayListener https;
  https.protocol = model::GatewayListener::kHttps;
  https.name = "https";
  https.hostname = "*.shop.test";
  https.certificates = {{"chain", "key"}, {"another chain", "another key"}};
  https.port.port = 443;
  https.port.routed = true;
  model::RouteRule rule;
  rule.route = "default/r";
  rule.rule = "0";
  rule.match.host = "a.shop.test";
  rule.backends.push_back({.service = {"default", "cart"}, .port = 80});
  https.port.rules.push_back(rule);
  model::GatewayListener tcp;
  tcp.protocol = model::GatewayListener::kTcp;
  tcp.name = "tcp";
  tcp.port.port = 5432;
  tcp.port.protocol = model::Protocol::kTcp;
  return {{"default", "edge"}, {https, tcp}};
}

TEST(ConvertGateway, WhatGoesInComesOut) {
  auto back = decode_gateway(encode_gateway(some_gateway()));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(model::resource_name(back->name), "default/edge");
  ASSERT_EQ(back->listeners.size(), 2u);
  const model::GatewayListener& https = back->listeners[0];
  EXPECT_EQ(https.protocol, model::GatewayListener::kHttps);
  EXPECT_EQ(https.hostname, "*.shop.test");
  ASSERT_EQ(https.certificates.size(), 2u);
  EXPECT_EQ(https.certificates[1].key_pem, "another key");
  EXPECT_EQ(https.port.port, 443);
  ASSERT_EQ(https.port.rules.size(), 1u);
  EXPECT_EQ(https.port.rules[0].match.host, "a.shop.test");
  EXPECT_EQ(back->listeners[1].protocol, model::GatewayListener::kTcp);
  EXPECT_EQ(encode_gateway(*back), encode_gateway(some_gateway()));
}

TEST(ConvertGateway, WhatOlderProxiesCannotDoNeedsAnotherLevel) {
  model::Gateway gateway = some_gateway();
  EXPECT_TRUE(decode_gateway(encode_gateway(gateway), 4));
  gateway.addresses = {IpAddress::v4(0xc0000207), IpAddress::parse("2001:db8::7").value()};
  gateway.clients = {{443, {"roots", true}}};
  auto back = decode_gateway(encode_gateway(gateway));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(back->addresses, gateway.addresses);
  EXPECT_EQ(back->clients, gateway.clients);
  EXPECT_FALSE(decode_gateway(encode_gateway(gateway), 4));
  gateway.addresses.clear();
  EXPECT_FALSE(decode_gateway(encode_gateway(gateway), 4)) << "who may connect";
  gateway.clients = {{443, {}}};
  EXPECT_FALSE(decode_gateway(encode_gateway(gateway))) << "authorities that are none";
}

TEST(ConvertGateway, WhatIsWrongIsRefusedByName) {
  model::Gateway gateway = some_gateway();
  gateway.name.name = "two.labels";
  EXPECT_FALSE(decode_gateway(encode_gateway(gateway)));
  gateway = some_gateway();
  gateway.listeners[0].name.clear();
  EXPECT_FALSE(decode_gateway(encode_gateway(gateway)));
  gateway = some_gateway();
  gateway.listeners[0].certificates[0].key_pem.assign(300 * 1024, 'k');
  auto refused = decode_gateway(encode_gateway(gateway));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "listener https: a certificate is too long");
  auto old = decode_gateway(encode_gateway(some_gateway()), 3);
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().kind(), ErrorKind::kUnsupported);
  EXPECT_FALSE(decode_gateway("\xff"));
}

}  // namespace
}  // namespace weft::xds
