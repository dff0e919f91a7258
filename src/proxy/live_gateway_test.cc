#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy/gateway_decision.h"
#include "proxy/live_gateway.h"
#include "proxy/route_decision.h"

namespace weft::proxy {
namespace {

model::GatewayListener listener(const std::string& name, uint16_t port, const std::string& host) {
  model::GatewayListener out;
  out.name = name;
  out.hostname = host;
  out.port.port = port;
  out.port.routed = true;
  model::RouteRule rule;
  rule.route = "default/" + name;
  rule.rule = "0";
  // The Gateway's own name is a Service's too.
  rule.backends.push_back({.service = {"default", "edge"}, .port = 80});
  out.port.rules.push_back(rule);
  return out;
}

std::shared_ptr<const LiveGateway> live(std::vector<model::GatewayListener> listeners) {
  auto made = LiveGateway::compile({{"default", "edge"}, std::move(listeners)});
  EXPECT_TRUE(made) << made.error().message();
  return made ? *made : nullptr;
}

std::string name_of_listener(const LiveListener* listener) {
  return listener ? listener->name : "none";
}

TEST(LiveGateway, TheClosestHostnameOfThePortTakesTheRequest) {
  const auto gateway = live({listener("any", 80, ""), listener("wide", 80, "*.test"),
                             listener("narrow", 80, "*.b.test"), listener("one", 80, "a.b.test"),
                             listener("other", 81, "a.b.test")});
  EXPECT_EQ(name_of_listener(gateway->find(80, "a.b.test")), "one");
  EXPECT_EQ(name_of_listener(gateway->find(80, "c.b.test")), "narrow");
  EXPECT_EQ(name_of_listener(gateway->find(80, "b.test")), "wide");
  EXPECT_EQ(name_of_listener(gateway->find(80, "test")), "any");
  EXPECT_EQ(name_of_listener(gateway->find(80, "")), "any");
  EXPECT_EQ(name_of_listener(gateway->find(81, "c.b.test")), "none");
  EXPECT_EQ(name_of_listener(gateway->any(82)), "none");
  EXPECT_THAT(gateway->ports(), testing::ElementsAre(80, 81));
  EXPECT_THAT(gateway->dependencies(), testing::ElementsAre(model::ServiceName{"default", "edge"}));
}

TEST(LiveGateway, HttpsWithoutACertificateIsRefused) {
  model::GatewayListener https = listener("https", 443, "");
  https.protocol = model::GatewayListener::kHttps;
  EXPECT_FALSE(LiveGateway::compile({{"default", "edge"}, {https}}));
  https.certificates.push_back({"no", "certificate"});
  EXPECT_FALSE(LiveGateway::compile({{"default", "edge"}, {https}}));
}

TEST(NamedListener, IsTheClosestAndPassesTlsOnOnlyByARoute) {
  model::GatewayListener through = listener("through", 443, "*.pass.test");
  through.protocol = model::GatewayListener::kTls;
  through.port.rules.clear();
  model::TcpRule rule;
  rule.hostnames = {"db.pass.test"};
  through.port.tcp_rules.push_back(rule);
  model::GatewayListener ends = listener("ends", 443, "a.test");
  Snapshot snapshot;
  const auto find = [&](wire::ClientHello::Kind kind, const std::string& name) {
    const NamedListener found = named_listener(snapshot, 443, {kind, name}, "default");
    EXPECT_EQ(found.rule != nullptr, found.serves() && found.listener->name == "through");
    return name_of_listener(found.listener) + (found.serves() ? "" : ", refused");
  };
  using wire::ClientHello;
  EXPECT_EQ(find(ClientHello::kHello, "a.test"), "none, refused") << "there is no Gateway";
  snapshot.gateway = live({through, ends});
  EXPECT_EQ(find(ClientHello::kHello, "A.test"), "ends");
  EXPECT_EQ(find(ClientHello::kHello, "DB.pass.test"), "through");
  EXPECT_EQ(find(ClientHello::kHello, "x.pass.test"), "through, refused");
  EXPECT_EQ(find(ClientHello::kHello, "b.test"), "none, refused");
  EXPECT_EQ(find(ClientHello::kHello, ""), "none, refused");
  EXPECT_EQ(find(ClientHello::kNotTls, "a.test"), "none, refused");
  EXPECT_EQ(gateway_destination(snapshot, 443).name(), "edge.default");
}

TEST(RouteOfAGateway, IsOfTheListenerThatTheConnectionIsFor) {
  Snapshot snapshot;
  snapshot.gateway = live({listener("a", 443, "a.test"), listener("b", 443, "b.test")});
  Destination to;
  to.kind = Destination::kGateway;
  to.service = {"default", "edge"};
  to.port = 443;
  to.listener = "a";
  to.tls = true;
  wire::RequestHead head;
  head.method = "GET";
  head.target = "/";
  const auto ask = [&](const std::string& authority) {
    head.authority = authority;
    RuleChoice choice = choose_rule(snapshot, to, head, false, "default");
    return choice.refused ? choice.refused->status : 0;
  };
  EXPECT_EQ(ask("A.test:443"), 0);
  EXPECT_EQ(ask("b.test"), 421);
  EXPECT_EQ(ask("c.test"), 404);
  to.listener = "";
  EXPECT_EQ(ask("b.test"), 0);

  // GEP-726: a port that nobody names is the listener's, unless a scheme is named.
  model::RouteRule rule;
  rule.redirect = model::Redirect{};
  rule.redirect->hostname = "c.test";
  head.authority = "a.test";
  EXPECT_EQ(redirect_by(rule, to, head).location, "https://c.test/");
  to.port = 8443;
  EXPECT_EQ(redirect_by(rule, to, head).location, "https://c.test:8443/");
  rule.redirect->scheme = "http";
  EXPECT_EQ(redirect_by(rule, to, head).location, "http://c.test/");
}

}  // namespace
}  // namespace weft::proxy
