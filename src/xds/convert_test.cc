#include "xds/convert.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "resources.pb.h"

namespace weft::xds {
namespace {

using testing::HasSubstr;

model::Service full_service() {
  model::Service service;
  service.name = {"default", "cart"};
  service.vip4 = *IpAddress::parse("240.240.0.9");
  service.vip6 = *IpAddress::parse("fd12:3456:789a:1::9");
  model::RouteRule rule;
  rule.route = "default/split";
  rule.rule = "0";
  rule.match.path = {model::PathMatch::kExact, "/a"};
  rule.match.method = "GET";
  rule.match.headers = {{model::StringMatch::kRegex, "x-user", "a.*"}};
  rule.match.query = {{model::StringMatch::kExact, "q", "1"}};
  rule.request_headers.set = {{"x-a", "1"}};
  rule.request_headers.add = {{"x-b", "2"}};
  rule.response_headers.remove = {"server"};
  model::Backend backend;
  backend.service = {"default", "cart-v2"};
  backend.port = 80;
  backend.weight = 10;
  backend.response_headers.set = {{"x-from", "v2"}};
  rule.backends = {backend};
  rule.request_timeout = Duration::seconds(3);
  rule.backend_timeout = Duration::millis(500);
  rule.retry = model::RetryPolicy{{500, 503}, 2, Duration::millis(10)};
  rule.consumer_namespace = "shop";
  model::TcpRule by_name{.route = "shop/names",
                         .rule = "tls",
                         .hostnames = {"a.example.com", "*.example.com"},
                         .backends = {backend},
                         .consumer_namespace = "shop"};
  service.ports = {{80, "http", model::Protocol::kHttp, true, {rule}, {}},
                   {90, "", model::Protocol::kTcp, false, {}, {by_name}}};
  return service;
}

TEST(Convert, AServiceComesBackWhole) {
  auto back = decode_service(encode_service(full_service()));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(back->name.to_string(), "cart.default");
  EXPECT_EQ(back->vip4.to_string(), "240.240.0.9");
  EXPECT_EQ(back->vip6.to_string(), "fd12:3456:789a:1::9");
  ASSERT_EQ(back->ports.size(), 2u);
  EXPECT_EQ(back->ports[1].protocol, model::Protocol::kTcp);
  const auto& port = back->ports[0];
  EXPECT_EQ(port.port, 80);
  EXPECT_EQ(port.name, "http");
  EXPECT_EQ(port.protocol, model::Protocol::kHttp);
  EXPECT_TRUE(port.routed);
  ASSERT_EQ(port.rules.size(), 1u);
  const auto& rule = port.rules[0];
  EXPECT_EQ(rule.route, "default/split");
  EXPECT_EQ(rule.match.path.kind, model::PathMatch::kExact);
  EXPECT_EQ(rule.match.path.value, "/a");
  EXPECT_EQ(rule.match.method, "GET");
  EXPECT_EQ(rule.match.headers.at(0).kind, model::StringMatch::kRegex);
  EXPECT_EQ(rule.match.headers.at(0).value, "a.*");
  EXPECT_EQ(rule.match.query.at(0).name, "q");
  EXPECT_EQ(rule.request_headers.set.at(0).name, "x-a");
  EXPECT_EQ(rule.request_headers.add.at(0).value, "2");
  EXPECT_EQ(rule.response_headers.remove.at(0), "server");
  EXPECT_EQ(rule.backends.at(0).service.to_string(), "cart-v2.default");
  EXPECT_EQ(rule.backends.at(0).port, 80);
  EXPECT_EQ(rule.backends.at(0).weight, 10u);
  EXPECT_EQ(rule.backends.at(0).response_headers.set.at(0).value, "v2");
  EXPECT_EQ(rule.request_timeout, Duration::seconds(3));
  EXPECT_EQ(rule.backend_timeout, Duration::millis(500));
  ASSERT_TRUE(rule.retry);
  EXPECT_EQ(rule.retry->codes, (std::vector<int>{500, 503}));
  EXPECT_EQ(rule.retry->attempts, 2u);
  EXPECT_EQ(rule.retry->backoff, Duration::millis(10));
  EXPECT_EQ(rule.consumer_namespace, "shop");
  const auto& by_name = back->ports[1].tcp_rules.at(0);
  EXPECT_EQ(by_name.route, "shop/names");
  EXPECT_EQ(by_name.rule, "tls");
  EXPECT_EQ(by_name.hostnames, (std::vector<std::string>{"a.example.com", "*.example.com"}));
  EXPECT_EQ(by_name.backends.at(0).service.to_string(), "cart-v2.default");
  EXPECT_EQ(by_name.backends.at(0).weight, 10u);
  EXPECT_EQ(by_name.consumer_namespace, "shop");
}

TEST(Convert, OnlyServicesWithRulesForOpaqueConnectionsNeedTheSecondLevel) {
  auto service = full_service();
  EXPECT_FALSE(decode_service(encode_service(service), 1));
  service.ports[1].tcp_rules.clear();
  EXPECT_TRUE(decode_service(encode_service(service), 1));
}

TEST(Convert, HostsRedirectsAndRewritesComeBackAndNeedTheThirdLevel) {
  model::RouteRule rule;
  rule.match.host = "*.shop.example";
  rule.match.grpc = true;
  rule.redirect = model::Redirect{.scheme = "https",
                                  .hostname = "new.example",
                                  .path = {model::PathRewrite::kFull, "/x"},
                                  .port = 8443,
                                  .status = 308};
  rule.rewrite = {"old.example", {model::PathRewrite::kPrefix, "/y"}};
  model::Service service;
  service.name = {"default", "cart"};
  service.ports = {{.port = 80, .name = "", .routed = true, .rules = {rule}}};
  EXPECT_FALSE(decode_service(encode_service(service), 2));
  auto decoded = decode_service(encode_service(service), 3);
  ASSERT_TRUE(decoded) << decoded.error().message();
  const model::RouteRule& back = decoded->ports.at(0).rules.at(0);
  EXPECT_EQ(back.match.host, "*.shop.example");
  EXPECT_TRUE(back.match.grpc);
  ASSERT_TRUE(back.redirect);
  EXPECT_EQ(back.redirect->scheme, "https");
  EXPECT_EQ(back.redirect->hostname, "new.example");
  EXPECT_EQ(back.redirect->path.kind, model::PathRewrite::kFull);
  EXPECT_EQ(back.redirect->path.value, "/x");
  EXPECT_EQ(back.redirect->port, 8443);
  EXPECT_EQ(back.redirect->status, 308);
  EXPECT_EQ(back.rewrite.hostname, "old.example");
  EXPECT_EQ(back.rewrite.path.kind, model::PathRewrite::kPrefix);
  EXPECT_EQ(back.rewrite.path.value, "/y");
}

// A rule with everything that needs the fourth level.
model::RouteRule deciding_rule() {
  const model::Mirror mirror{
      .service = {"shop", "cart-next"}, .port = 81, .share = 12'500, .invalid = false};
  model::Backend backend;
  backend.service = {"default", "cart"};
  backend.port = 80;
  backend.rewrite = {"cart.example", {model::PathRewrite::kPrefix, "/v2"}};
  backend.mirrors = {mirror};
  model::RouteRule rule;
  rule.backends = {backend};
  rule.mirrors = {mirror, {.service = {"default", "gone"}, .port = 0, .share = 0, .invalid = true}};
  rule.cors = model::Cors{.allow_origins = {"https://*.example", "http://a.test:8080"},
                          .allow_methods = {"GET", "PUT"},
                          .allow_headers = {"X-A"},
                          .expose_headers = {"X-B", "X-C"},
                          .allow_credentials = true,
                          .max_age = Duration::hours(1)};
  rule.persistence = model::SessionPersistence{.header = true,
                                               .name = "X-Session",
                                               .path = "/shop",
                                               .absolute_timeout = Duration::hours(2),
                                               .idle_timeout = Duration::seconds(90),
                                               .permanent = true};
  return rule;
}

model::Service service_of(model::RouteRule rule) {
  model::Service service;
  service.name = {"default", "cart"};
  service.ports = {{.port = 80, .name = "", .routed = true, .rules = {std::move(rule)}}};
  return service;
}

TEST(Convert, MirrorsComeBackOfARuleAndOfABackend) {
  auto decoded = decode_service(encode_service(service_of(deciding_rule())));
  ASSERT_TRUE(decoded) << decoded.error().message();
  const model::RouteRule& back = decoded->ports.at(0).rules.at(0);
  ASSERT_EQ(back.mirrors.size(), 2u);
  EXPECT_EQ(back.mirrors[0].service.to_string(), "cart-next.shop");
  EXPECT_EQ(back.mirrors[0].port, 81);
  EXPECT_EQ(back.mirrors[0].share, 12'500u);
  EXPECT_FALSE(back.mirrors[0].invalid);
  EXPECT_TRUE(back.mirrors[1].invalid);
  EXPECT_EQ(back.mirrors[1].share, 0u);
  ASSERT_EQ(back.backends.at(0).mirrors.size(), 1u);
  EXPECT_EQ(back.backends[0].mirrors[0].service.to_string(), "cart-next.shop");
  EXPECT_EQ(back.backends[0].rewrite.hostname, "cart.example");
  EXPECT_EQ(back.backends[0].rewrite.path.kind, model::PathRewrite::kPrefix);
  EXPECT_EQ(back.backends[0].rewrite.path.value, "/v2");
}

TEST(Convert, CorsAndSessionPersistenceComeBackWhole) {
  auto decoded = decode_service(encode_service(service_of(deciding_rule())));
  ASSERT_TRUE(decoded) << decoded.error().message();
  const model::RouteRule& back = decoded->ports.at(0).rules.at(0);
  using Texts = std::vector<std::string>;
  ASSERT_TRUE(back.cors);
  EXPECT_EQ(back.cors->allow_origins, (Texts{"https://*.example", "http://a.test:8080"}));
  EXPECT_EQ(back.cors->allow_methods, (Texts{"GET", "PUT"}));
  EXPECT_EQ(back.cors->allow_headers, (Texts{"X-A"}));
  EXPECT_EQ(back.cors->expose_headers, (Texts{"X-B", "X-C"}));
  EXPECT_TRUE(back.cors->allow_credentials);
  EXPECT_EQ(back.cors->max_age, Duration::hours(1));
  ASSERT_TRUE(back.persistence);
  EXPECT_TRUE(back.persistence->header);
  EXPECT_EQ(back.persistence->name, "X-Session");
  EXPECT_EQ(back.persistence->path, "/shop");
  EXPECT_EQ(back.persistence->absolute_timeout, Duration::hours(2));
  EXPECT_EQ(back.persistence->idle_timeout, Duration::seconds(90));
  EXPECT_TRUE(back.persistence->permanent);
}

TEST(Convert, WhatAnOlderProxyWouldLeaveUndoneNeedsTheFourthLevel) {
  const std::function<void(model::RouteRule&)> rows[] = {
      [](auto& rule) { rule.mirrors.resize(1), rule.mirrors[0].service = {"default", "a"}; },
      [](auto& rule) { rule.cors.emplace(); },
      [](auto& rule) { rule.persistence.emplace().name = "a"; },
      [](auto& rule) { rule.backends.at(0).rewrite.hostname = "a"; },
      [](auto& rule) { rule.backends.at(0).mirrors = deciding_rule().mirrors; },
  };
  model::RouteRule plain;
  plain.backends = {{.service = {"default", "a"}, .port = 1}};
  EXPECT_TRUE(decode_service(encode_service(service_of(plain)), 3));
  for (size_t i = 0; i < std::size(rows); ++i) {
    model::RouteRule rule = plain;
    rows[i](rule);
    if (!rule.mirrors.empty()) rule.mirrors[0].port = 1;
    EXPECT_FALSE(decode_service(encode_service(service_of(rule)), 3)) << i;
    EXPECT_TRUE(decode_service(encode_service(service_of(rule)), 4)) << i;
  }
}

TEST(Convert, RefusesMirrorsCorsAndSessionsThatAreOutOfBounds) {
  using Rule = v1::RouteRule;
  const std::pair<const char*, std::function<void(Rule&)>> rows[] = {
      {"mirror port", [](Rule& r) { r.mutable_mirrors(0)->set_port(0); }},
      {"mirror name", [](Rule& r) { r.mutable_mirrors(0)->set_service("x"); }},
      {"share", [](Rule& r) { r.mutable_mirrors(0)->set_share(1'000'001); }},
      {"backend's share",
       [](Rule& r) { r.mutable_backends(0)->mutable_mirrors(0)->set_share(1'000'001); }},
      {"backend's rewrite",
       [](Rule& r) { r.mutable_backends(0)->mutable_rewrite()->set_hostname("a\nb"); }},
      {"many mirrors",
       [](Rule& r) {
         for (int i = 0; i < 16; ++i) *r.add_mirrors() = r.mirrors(0);
       }},
      {"many origins",
       [](Rule& r) {
         for (int i = 0; i < 64; ++i) r.mutable_cors()->add_allow_origins("a");
       }},
      {"newline in a header", [](Rule& r) { r.mutable_cors()->add_expose_headers("a\r\nb"); }},
      {"negative age", [](Rule& r) { r.mutable_cors()->set_max_age_ns(-1); }},
      {"no session name", [](Rule& r) { r.mutable_persistence()->clear_name(); }},
      {"session path", [](Rule& r) { r.mutable_persistence()->set_path("/\n"); }},
      {"session timeout", [](Rule& r) { r.mutable_persistence()->set_absolute_timeout_ns(-1); }},
  };
  for (const auto& [what, spoil] : rows) {
    v1::Service message;
    ASSERT_TRUE(message.ParseFromString(encode_service(service_of(deciding_rule()))));
    spoil(*message.mutable_ports(0)->mutable_rules(0));
    auto result = decode_service(message.SerializeAsString());
    ASSERT_FALSE(result) << what;
    EXPECT_EQ(result.error().kind(), ErrorKind::kInvalid) << what;
  }
}

model::Endpoint endpoint() {
  model::Endpoint out;
  out.workload = "cart-7f3a9c";
  out.address = *SocketAddress::parse("192.0.2.1:20001");
  out.identity = *model::SpiffeId::parse("spiffe://weft.local/ns/default/sa/cart");
  out.mesh4 = *IpAddress::parse("240.241.0.7");
  out.mesh6 = *IpAddress::parse("fd12:3456:789a:2::7");
  out.target_ports = {{80, 8080}};
  out.labels = {{"app", "cart"}};
  out.ready = false;
  out.stale = true;
  return out;
}

TEST(Convert, EndpointsNamesAndWorkloadAddressesComeBackWhole) {
  auto set = decode_endpoints(encode_endpoints({{"default", "cart"}, {endpoint()}}));
  ASSERT_TRUE(set) << set.error().message();
  EXPECT_EQ(set->service.to_string(), "cart.default");
  const auto& e = set->endpoints.at(0);
  EXPECT_EQ(e.workload, "cart-7f3a9c");
  EXPECT_EQ(e.address.to_string(), "192.0.2.1:20001");
  EXPECT_EQ(e.identity.uri(), "spiffe://weft.local/ns/default/sa/cart");
  EXPECT_EQ(e.mesh4.to_string(), "240.241.0.7");
  EXPECT_EQ(e.mesh6.to_string(), "fd12:3456:789a:2::7");
  EXPECT_EQ(e.target_ports.at(80), 8080);
  EXPECT_EQ(e.labels.at("app"), "cart");
  EXPECT_FALSE(e.ready);
  EXPECT_TRUE(e.stale);

  auto name = decode_name(encode_name({{"default", "db"}, {}, {}, true, {80, 443}}));
  ASSERT_TRUE(name) << name.error().message();
  EXPECT_TRUE(name->headless);
  EXPECT_EQ(name->ports, (std::vector<uint16_t>{80, 443}));
  EXPECT_TRUE(name->vip4.is_unspecified());
  EXPECT_TRUE(name->vip6.is_unspecified());

  auto address = decode_workload_address(
      encode_workload_address({endpoint(), {{8080, model::Protocol::kGrpc}}}));
  ASSERT_TRUE(address) << address.error().message();
  EXPECT_EQ(address->ports.at(8080), model::Protocol::kGrpc);
  EXPECT_EQ(address->endpoint.workload, "cart-7f3a9c");
}

TEST(Convert, AProxyThatIsTooOldSaysWhichLevelItNeeds) {
  v1::Service message;
  message.ParseFromString(encode_service(full_service()));
  message.set_min_proxy(9);
  auto result = decode_service(message.SerializeAsString(), 2);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind(), ErrorKind::kUnsupported);
  EXPECT_THAT(result.error().message(), HasSubstr("needs proxy level 9, this proxy has level 2"));
}

struct BadService {
  const char* what;
  std::function<void(v1::Service&)> spoil;
};

TEST(Convert, RefusesServicesThatAreOutOfBounds) {
  auto rule = [](v1::Service& s) { return s.mutable_ports(0)->mutable_rules(0); };
  auto by_name = [](v1::Service& s) { return s.mutable_ports(1)->mutable_tcp_rules(0); };
  const BadService rows[] = {
      {"name", [](v1::Service& s) { s.set_service("Not A Name"); }},
      {"short name", [](v1::Service& s) { s.set_service("cart"); }},
      {"vip of 3 bytes", [](v1::Service& s) { s.set_vip4("abc"); }},
      {"v6 in vip4", [](v1::Service& s) { s.set_vip4(std::string(16, 'x')); }},
      {"port 0", [](v1::Service& s) { s.mutable_ports(0)->set_port(0); }},
      {"port 70000", [](v1::Service& s) { s.mutable_ports(0)->set_port(70000); }},
      {"port twice", [](v1::Service& s) { s.mutable_ports(1)->set_port(80); }},
      {"protocol", [](v1::Service& s) { s.mutable_ports(0)->set_protocol(v1::Protocol(99)); }},
      {"too many ports",
       [](v1::Service& s) {
         for (int i = 0; i < 300; ++i) s.add_ports()->set_port(1000 + static_cast<uint32_t>(i));
       }},
      {"long regex",
       [&](v1::Service& s) {
         rule(s)->mutable_match()->mutable_headers(0)->set_value(std::string(1025, 'a'));
       }},
      {"path without slash",
       [&](v1::Service& s) { rule(s)->mutable_match()->mutable_path()->set_value("a"); }},
      {"newline in header",
       [&](v1::Service& s) {
         rule(s)->mutable_request_headers()->mutable_set(0)->set_value("a\r\nb");
       }},
      {"empty header name",
       [&](v1::Service& s) { rule(s)->mutable_request_headers()->mutable_set(0)->set_name(""); }},
      {"backend name", [&](v1::Service& s) { rule(s)->mutable_backends(0)->set_service(""); }},
      {"backend port", [&](v1::Service& s) { rule(s)->mutable_backends(0)->set_port(0); }},
      {"negative timeout", [&](v1::Service& s) { rule(s)->set_request_timeout_ns(-1); }},
      {"retry code", [&](v1::Service& s) { rule(s)->mutable_retry()->set_codes(0, 200); }},
      {"attempts", [&](v1::Service& s) { rule(s)->mutable_retry()->set_attempts(1000); }},
      {"consumer", [&](v1::Service& s) { rule(s)->set_consumer_namespace("A B"); }},
      {"upper case host name", [&](v1::Service& s) { by_name(s)->set_hostnames(0, "A.example"); }},
      {"wildcard inside", [&](v1::Service& s) { by_name(s)->set_hostnames(0, "a.*.example"); }},
      {"wildcard alone", [&](v1::Service& s) { by_name(s)->set_hostnames(0, "*"); }},
      {"too many host names",
       [&](v1::Service& s) {
         for (int i = 0; i < 1024; ++i) by_name(s)->add_hostnames("a");
       }},
      {"backend of a TCP rule",
       [&](v1::Service& s) { by_name(s)->mutable_backends(0)->set_port(0); }},
      {"consumer of a TCP rule", [&](v1::Service& s) { by_name(s)->set_consumer_namespace("-"); }},
  };
  for (const auto& row : rows) {
    v1::Service message;
    ASSERT_TRUE(message.ParseFromString(encode_service(full_service())));
    row.spoil(message);
    auto result = decode_service(message.SerializeAsString());
    EXPECT_FALSE(result) << row.what;
    if (!result) EXPECT_EQ(result.error().kind(), ErrorKind::kInvalid) << row.what;
  }
}

struct BadEndpoint {
  const char* what;
  std::function<void(v1::Endpoint&)> spoil;
};

TEST(Convert, RefusesEndpointsThatAreOutOfBounds) {
  const BadEndpoint rows[] = {
      {"no workload", [](v1::Endpoint& e) { e.clear_workload(); }},
      {"no address", [](v1::Endpoint& e) { e.clear_ip(); }},
      {"port", [](v1::Endpoint& e) { e.set_port(65536); }},
      {"identity", [](v1::Endpoint& e) { e.set_identity("https://weft.local/x"); }},
      {"no identity", [](v1::Endpoint& e) { e.clear_identity(); }},
      {"target port", [](v1::Endpoint& e) { (*e.mutable_target_ports())[80] = 0; }},
      {"mesh address", [](v1::Endpoint& e) { e.set_mesh6("1234"); }},
  };
  for (const auto& row : rows) {
    v1::Endpoints message;
    ASSERT_TRUE(message.ParseFromString(encode_endpoints({{"default", "cart"}, {endpoint()}})));
    row.spoil(*message.mutable_endpoints(0));
    EXPECT_FALSE(decode_endpoints(message.SerializeAsString())) << row.what;
  }
}

model::EndpointSet outside_set() {
  model::Endpoint out = endpoint();
  out.outside = true;
  out.identity = {};
  const auto tls = std::make_shared<const model::OutsideTls>(
      model::OutsideTls{.origin = "BackendTLSPolicy default/bank",
                        .problem = "",
                        .server_name = "api.bank.example",
                        .authorities = "PEM",
                        .authorities_origin = "ConfigMap bank-ca",
                        .names = {{false, "bank.example"}, {true, "spiffe://a/b"}}});
  return {
      .service = {"default", "cart"},
      .endpoints = {out},
      .policy = nullptr,
      .outside_tls = {{80, tls}, {443, tls}, {8080, std::make_shared<model::OutsideTls>(*tls)}}};
}

TEST(Convert, EndpointsOutsideComeBackWholeAndNoOlderProxyTakesThem) {
  const std::string bytes = encode_endpoints(outside_set());
  const auto back = decode_endpoints(bytes);
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_TRUE(back->endpoints.at(0).outside);
  ASSERT_EQ(back->outside_tls.size(), 3u);
  for (const auto& [port, tls] : outside_set().outside_tls) {
    EXPECT_EQ(*back->outside_tls.at(port), *tls) << port;
  }
  EXPECT_FALSE(decode_endpoints(bytes, 4));
  EXPECT_TRUE(decode_endpoints(encode_endpoints({{"default", "cart"}, {endpoint()}}), 1));
}

TEST(Convert, RefusesEndpointsOutsideThatContradictThemselves) {
  struct Row {
    const char* what;
    std::function<void(v1::Endpoints&)> spoil;
  };
  const Row rows[] = {
      {"identity", [](auto& e) { e.mutable_endpoints(0)->set_identity("spiffe://a/b"); }},
      {"port twice", [](auto& e) { e.mutable_outside_tls(0)->add_ports(443); }},
      {"no server name", [](auto& e) { e.mutable_outside_tls(0)->clear_server_name(); }},
      {"an empty name", [](auto& e) { e.mutable_outside_tls(0)->add_names(); }},
  };
  for (const Row& row : rows) {
    v1::Endpoints message;
    ASSERT_TRUE(message.ParseFromString(encode_endpoints(outside_set())));
    row.spoil(message);
    EXPECT_FALSE(decode_endpoints(message.SerializeAsString())) << row.what;
  }
}

TEST(Convert, EqualValuesGiveEqualBytes) {
  auto many = endpoint();
  for (uint16_t i = 1; i < 100; ++i) many.target_ports[i] = i;
  EXPECT_EQ(encode_endpoints({{"default", "cart"}, {many}}),
            encode_endpoints({{"default", "cart"}, {many}}));
}

TEST(Convert, RefusesBytesThatAreNoMessageOrTooMany) {
  EXPECT_FALSE(decode_name("\xff\xff\xff"));
  EXPECT_FALSE(decode_name(std::string(1024 * 1024 + 1, '\0')));
}

}  // namespace
}  // namespace weft::xds
