// Proxies that are only their protocol: register, discovery, reports, restart.
#include <gmock/gmock.h>

#include "control.pb.h"
#include "control/server_test_support.h"

namespace weft::control {

io::Task<Result<v1::ReportResponse>> FakeProxy::report(v1::ReportRequest request) {
  request.set_instance(registered_.instance);
  auto bytes = co_await http::grpc_unary(loop_, *connection_, std::string(xds::kReportPath),
                                         "server", request.SerializeAsString(), kPatience);
  if (!bytes) co_return std::unexpected(bytes.error());
  v1::ReportResponse response;
  response.ParseFromString(*bytes);
  co_return response;
}

v1::ReportRequest ready_report(uint32_t app_port, uint64_t sequence) {
  v1::ReportRequest request;
  request.set_sequence(sequence);
  auto* port = request.add_ports();
  port->set_app_port(app_port);
  port->set_ready(true);
  return request;
}

namespace {

using testing::HasSubstr;

TEST_F(ServerTest, AnInstanceRegistersGetsItsIdentityAndIsFoundByOthers) {
  start();
  auto cart = register_as(socket(), {kCart});
  ASSERT_TRUE(cart) << cart.error().message();
  EXPECT_THAT(cart->instance, testing::MatchesRegex("cart-[0-9a-f]{6}"));
  EXPECT_EQ(cart->svid->id().uri(), "spiffe://weft.local/ns/default/sa/cart");
  EXPECT_EQ(cart->mesh4.to_string(), "240.241.0.1");
  EXPECT_EQ(cart->mesh4_range, "240.240.0.0/15");
  EXPECT_EQ(cart->advertise.to_string(), "127.0.0.1:20001");
  EXPECT_EQ(cart->discovery.front().port, port_);

  auto web = register_as(socket(), {kWeb});
  ASSERT_TRUE(web) << web.error().message();
  FakeProxy proxy(loop_, network_, *web);
  proxy.subscribe(ResourceType::kName, "*");
  proxy.subscribe(ResourceType::kService, "cart.default");
  proxy.subscribe(ResourceType::kEndpoints, "cart.default");
  proxy.subscribe(ResourceType::kWorkloadAddress, cart->mesh4.to_string());
  proxy.connect();
  ASSERT_TRUE(until([&] {
    return proxy.held(ResourceType::kEndpoints, "cart.default") != nullptr &&
           proxy.held(ResourceType::kName, "web.default") != nullptr;
  }));
  auto name = xds::decode_name(*proxy.held(ResourceType::kName, "cart.default"));
  ASSERT_TRUE(name);
  EXPECT_FALSE(name->vip4.is_unspecified());
  auto endpoints = xds::decode_endpoints(*proxy.held(ResourceType::kEndpoints, "cart.default"));
  ASSERT_EQ(endpoints->endpoints.size(), 1u);
  EXPECT_FALSE(endpoints->endpoints[0].ready);
  EXPECT_EQ(endpoints->endpoints[0].workload, cart->instance);
  EXPECT_NE(proxy.held(ResourceType::kWorkloadAddress, cart->mesh4.to_string()), nullptr);

  // It becomes ready, and the news arrives.
  FakeProxy cart_proxy(loop_, network_, *cart);
  cart_proxy.connect();
  ASSERT_TRUE(until([&] { return cart_proxy.connected(); }));
  auto answer = run(cart_proxy.report(ready_report(8080)));
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_TRUE(answer->known());
  EXPECT_EQ(answer->acknowledged(), 1u);
  ASSERT_TRUE(until([&] {
    auto set = xds::decode_endpoints(*proxy.held(ResourceType::kEndpoints, "cart.default"));
    return set->endpoints.size() == 1 && set->endpoints[0].ready;
  }));
}

TEST_F(ServerTest, AProxySeesTheNamesOfItsOwnNamespaceAndNoOther) {
  start();
  auto web = register_as(socket(), {kWeb});
  ASSERT_TRUE(register_as(socket(), {kCart}));
  auto till = register_as(socket(), {{"till", 80, 8080, model::Protocol::kHttp}}, "", "shop");
  ASSERT_TRUE(till) << till.error().message();

  FakeProxy proxy(loop_, network_, *web), other(loop_, network_, *till);
  for (FakeProxy* one : {&proxy, &other}) {
    one->subscribe(ResourceType::kName, "*");
    one->connect();
  }
  ASSERT_TRUE(until([&] {
    return proxy.held(ResourceType::kName, "cart.default") != nullptr &&
           other.held(ResourceType::kName, "till.shop") != nullptr;
  }));
  EXPECT_EQ(proxy.held(ResourceType::kName, "till.shop"), nullptr);
  EXPECT_EQ(other.held(ResourceType::kName, "cart.default"), nullptr);
}

TEST_F(ServerTest, AnAppliedRouteIsServedByTheProxiesThatUseItAndARefusalIsTold) {
  start();
  auto web = register_as(socket(), {kWeb});
  auto cart = register_as(socket(), {kCart});
  FakeProxy proxy(loop_, network_, *web);
  proxy.subscribe(ResourceType::kService, "cart.default");
  proxy.connect();
  ASSERT_TRUE(until([&] { return server_->served(kCartName).current == 1; }));
  EXPECT_EQ(server_->served(kCartName).users, 1u);

  const std::string route = R"(apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: slow, namespace: default}
spec:
  parentRefs: [{kind: Service, group: "", name: cart, port: 80}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /slow}}]
    backendRefs: [{name: cart, port: 80}]
    timeouts: {request: 2s}
)";
  size_t before = proxy.received();
  auto outcome = server_->plane().catalog->apply({{"route.yaml", route}}, false);
  ASSERT_TRUE(outcome) << outcome.error().message();
  EXPECT_THAT(outcome->errors, testing::IsEmpty());
  ASSERT_TRUE(
      until([&] { return proxy.received() > before && server_->served(kCartName).current == 1; }));
  auto service = xds::decode_service(*proxy.held(ResourceType::kService, "cart.default"));
  ASSERT_TRUE(service);
  EXPECT_TRUE(service->ports.at(0).routed);

  // A route is used by who uses any of its parents, each proxy once.
  auto shop = register_as(socket(), {{"shop", 80, 3000, model::Protocol::kHttp}});
  FakeProxy both(loop_, network_, *shop);
  both.subscribe(ResourceType::kService, "cart.default");
  both.subscribe(ResourceType::kService, "web.default");
  both.connect();
  const auto route_served = [&] {
    const Compiler& compiler = server_->plane().catalog->compiler();
    return server_->plane().served(
        compiler.carriers(*compiler.object({"HTTPRoute", "default", "slow"})));
  };
  std::string two = route;
  two.insert(two.find("}]") + 1, ", {kind: Service, name: web}");
  ASSERT_TRUE(server_->plane().catalog->apply({{"route.yaml", two}}, false)->errors.empty());
  ASSERT_TRUE(until([&] { return route_served().current == 2; }));
  EXPECT_EQ(route_served().users, 2u);
  both.disconnect();
  ASSERT_TRUE(until([&] { return route_served().users == 1; }));

  proxy.refuse = "cart.default";
  auto again = server_->plane().catalog->remove({{"HTTPRoute", "default", "slow"}});
  ASSERT_TRUE(again);
  ASSERT_TRUE(until([&] { return !server_->served(kCartName).problem.empty(); }));
  EXPECT_EQ(server_->served(kCartName).current, 0u);
  EXPECT_THAT(server_->served(kCartName).problem, HasSubstr("needs proxy level 2"));
  EXPECT_THAT(server_->status().warnings, testing::Contains(HasSubstr("cannot use cart.default")));
}

TEST_F(ServerTest, ASidecarThatTakesNoQuestionsIsSaidToBeTooOld) {
  start();
  auto web = register_as(socket(), {kWeb});
  FakeProxy old(loop_, network_, *web);
  old.subscribe(ResourceType::kName, "*");
  old.connect();
  ASSERT_TRUE(until([&] { return old.received() > 0; }));
  const auto answer = run(server_->plane().explain(
      R"({"kind": "service", "host": "cart", "from": ")" + web->instance + "\"}"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), ErrorKind::kUnsupported);
  EXPECT_THAT(answer.error().message(),
              HasSubstr("does not answer questions yet: `weft upgrade " + web->instance + "`"));
}

TEST_F(ServerTest, PoliciesReachThoseWhoCarryThemOutAndNobodyElse) {
  start();
  auto web = register_as(socket(), {kWeb});
  auto cart = register_as(socket(), {kCart});
  xds::Registered liar = *web;
  liar.instance = cart->instance;
  FakeProxy own(loop_, network_, *cart), caller(loop_, network_, *web),
      other(loop_, network_, liar);
  for (FakeProxy* one : {&own, &caller, &other}) {
    one->subscribe(ResourceType::kInbound, cart->instance);
    if (one != &own) one->subscribe(ResourceType::kService, "cart.default");
    if (one == &caller) one->subscribe(ResourceType::kEndpoints, "cart.default");
    one->connect();
  }
  auto outcome = server_->plane().catalog->apply(
      {{"f.yaml",
        "{apiVersion: weft.dev/v1, kind: RateLimitPolicy, metadata: {name: l}, spec: {targetRefs: "
        "[{kind: Service, name: cart}], limits: [{requests: 7, overrides: [{caller: default/web, "
        "requests: 1}]}]}}\n---\n"
        "{apiVersion: weft.dev/v1, kind: BackendPolicy, metadata: {name: b}, spec: {targetRefs: "
        "[{kind: Service, name: cart}], retries: {attempts: 4}}}\n---\n"
        "{apiVersion: weft.dev/v1, kind: FaultPolicy, metadata: {name: f}, spec: {targetRefs: "
        "[{kind: Service, name: cart}], duration: 1m, delay: {percentage: 1, duration: 1s}}}\n"}},
      false);
  ASSERT_TRUE(outcome && outcome->errors.empty());
  EXPECT_THAT(outcome->warnings, testing::IsEmpty());
  const auto served = [&](const char* kind, const char* name) {
    const Compiler& compiler = server_->plane().catalog->compiler();
    return server_->plane().served(compiler.carriers(*compiler.object({kind, "default", name})));
  };
  ASSERT_TRUE(until([&] {
    return served("RateLimitPolicy", "l").current == 1 &&
           served("BackendPolicy", "b").current == 1 && served("FaultPolicy", "f").current == 2;
  }));
  EXPECT_EQ(served("BackendPolicy", "b").users, 1u);
  const std::string* told = own.held(ResourceType::kInbound, cart->instance);
  ASSERT_TRUE(told);
  const auto inbound = xds::decode_inbound(*told);
  ASSERT_TRUE(inbound);
  EXPECT_EQ(inbound->rate_limits.at(0).requests, 7u);
  EXPECT_EQ(inbound->rate_limits[0].overrides.at(0).caller,
            "spiffe://weft.local/ns/default/sa/web");
  EXPECT_EQ(caller.held(ResourceType::kInbound, cart->instance), nullptr);
  EXPECT_EQ(other.held(ResourceType::kInbound, cart->instance), nullptr)
      << "an id is not enough: the certificate is another's";
  const auto set = xds::decode_endpoints(*caller.held(ResourceType::kEndpoints, "cart.default"));
  ASSERT_TRUE(set && set->policy && set->policy->retries);
  EXPECT_EQ(set->policy->retries->value.attempts, 4u);
  const auto service = xds::decode_service(*caller.held(ResourceType::kService, "cart.default"));
  ASSERT_TRUE(service && service->fault);
  EXPECT_EQ(service->fault->policy, "default/f");
  ASSERT_TRUE(server_->plane().catalog->remove({{"RateLimitPolicy", "default", "l"}}));
  ASSERT_TRUE(until([&] { return !own.held(ResourceType::kInbound, cart->instance); }));
}

TEST_F(ServerTest, ARestartKeepsEverythingAndSendsNothingAgain) {
  start();
  auto web = register_as(socket(), {kWeb});
  auto cart = register_as(socket(), {kCart});
  FakeProxy cart_proxy(loop_, network_, *cart);
  cart_proxy.connect();
  ASSERT_TRUE(until([&] { return cart_proxy.connected(); }));
  ASSERT_TRUE(run(cart_proxy.report(ready_report(8080))));
  FakeProxy proxy(loop_, network_, *web);
  proxy.subscribe(ResourceType::kName, "*");
  proxy.subscribe(ResourceType::kService, "cart.default");
  proxy.subscribe(ResourceType::kEndpoints, "cart.default");
  proxy.connect();
  ASSERT_TRUE(until([&] {
    return server_->served(kCartName).current == 1 &&
           proxy.held(ResourceType::kEndpoints, "cart.default") != nullptr;
  }));
  size_t before = proxy.received();
  std::string vip = *proxy.held(ResourceType::kName, "cart.default");
  proxy.disconnect();
  cart_proxy.disconnect();

  restart();
  EXPECT_FALSE(server_->made_trust_domain());
  proxy.connect();
  ASSERT_TRUE(until([&] { return server_->served(kCartName).current == 1; }));
  // Something new, to see that the stream works and that nothing old came before it.
  auto more = register_as(socket(), {{"more", 1, 1, model::Protocol::kTcp}});
  ASSERT_TRUE(until([&] { return proxy.held(ResourceType::kName, "more.default") != nullptr; }));
  EXPECT_EQ(proxy.received(), before + 1);
  EXPECT_EQ(*proxy.held(ResourceType::kName, "cart.default"), vip);

  StatusView status = server_->status();
  ASSERT_EQ(status.instances.size(), 3u);
  EXPECT_EQ(status.instances[0].id, cart->instance);
  EXPECT_EQ(status.instances[0].state, "serving");
  // Registering again under the id that is held gives the same place.
  auto again = register_as(socket(), {kCart}, cart->instance);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->instance, cart->instance);
  EXPECT_EQ(again->mesh4, cart->mesh4);
}

TEST_F(ServerTest, WhoLeftIsGoneAsSoonAsItsSidecarHangsUp) {
  start();
  auto cart = register_as(socket(), {kCart});
  auto web = register_as(socket(), {kWeb});
  FakeProxy cart_proxy(loop_, network_, *cart), web_proxy(loop_, network_, *web);
  for (FakeProxy* one : {&cart_proxy, &web_proxy}) {
    one->subscribe(ResourceType::kName, "*");
    one->connect();
  }
  ASSERT_TRUE(until([&] {
    return web_proxy.held(ResourceType::kName, "cart.default") != nullptr &&
           cart_proxy.held(ResourceType::kName, "cart.default") != nullptr;
  }));
  ASSERT_TRUE(run(xds::leave(loop_, network_, socket(), cart->instance, kPatience)));
  ASSERT_EQ(server_->status().instances.size(), 2u);
  EXPECT_EQ(server_->status().instances[0].state, "leaving");

  cart_proxy.disconnect();
  EXPECT_TRUE(until([&] { return server_->status().instances.size() == 1; }));
  // Without having left, a lost connection means nothing.
  web_proxy.disconnect();
  EXPECT_TRUE(until([&] { return server_->status().proxies == 0; }));
  EXPECT_EQ(server_->status().instances.size(), 1u);
}

TEST_F(ServerTest, EdgesShowInStatusOnceEvenIfTheReportComesTwice) {
  start();
  auto web = register_as(socket(), {kWeb});
  FakeProxy proxy(loop_, network_, *web);
  proxy.connect();
  ASSERT_TRUE(until([&] { return proxy.connected(); }));
  auto request = ready_report(3000, 5);
  auto* edge = request.add_edges();
  edge->set_source(web->svid->id().uri());
  edge->set_destination("spiffe://weft.local/ns/default/sa/cart");
  edge->set_service("cart.default");
  edge->set_port(80);
  edge->set_protocol("http");
  edge->set_mtls(true);
  edge->set_requests(10);
  edge->set_errors(1);
  (*edge->mutable_latency())[160] = 10;
  auto* forged = request.add_edges();
  forged->set_source("spiffe://weft.local/ns/default/sa/bank");
  forged->set_requests(1000);
  ASSERT_TRUE(run(proxy.report(request)));
  ASSERT_TRUE(run(proxy.report(request)));
  StatusView status = server_->status();
  ASSERT_EQ(status.edges.size(), 1u);
  EXPECT_EQ(status.edges[0].requests, 10u);
  EXPECT_DOUBLE_EQ(status.edges[0].success_ratio, 0.9);
  EXPECT_TRUE(status.edges[0].mtls);
  EXPECT_THAT(server_->plane().metrics(), HasSubstr("weft_server_instances"));
}

TEST_F(ServerTest, AnInstanceThatLeavesIsNoEndpointAnyMore) {
  start();
  auto web = register_as(socket(), {kWeb});
  auto cart = register_as(socket(), {kCart});
  FakeProxy proxy(loop_, network_, *web);
  proxy.subscribe(ResourceType::kEndpoints, "cart.default");
  proxy.connect();
  ASSERT_TRUE(
      until([&] { return proxy.held(ResourceType::kEndpoints, "cart.default") != nullptr; }));
  ASSERT_TRUE(run(xds::leave(loop_, network_, socket(), cart->instance, kPatience)));
  ASSERT_TRUE(until([&] {
    auto set = xds::decode_endpoints(*proxy.held(ResourceType::kEndpoints, "cart.default"));
    return set && set->endpoints.empty();
  }));
}

TEST_F(ServerTest, GarbageOnTheTlsPortHarmsNobody) {
  start();
  auto stream = run(network_.connect({IpAddress::v4(0x7f000001), port_}, kPatience));
  ASSERT_TRUE(stream);
  (*stream)->write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  Buffer answer;
  EXPECT_TRUE(until([&] {
    auto outcome = (*stream)->read(answer);
    return outcome.kind == io::ReadOutcome::kEof || outcome.kind == io::ReadOutcome::kError;
  }));
  EXPECT_TRUE(register_as(socket(), {kCart}));
}

}  // namespace
}  // namespace weft::control
