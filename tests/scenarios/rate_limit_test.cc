// Rate limits where requests arrive, over real sidecars: what the caller reads, what the app never sees.
#include "scenarios/policy_mesh.h"

namespace weft::scenarios {
namespace {

class RateLimiting : public PolicyMesh {
 protected:
  static model::RateLimit two_a_minute() {
    model::RateLimit out;
    out.policy = "default/cart-limits";
    out.service = "cart.default";
    out.requests = 2;
    out.per = Duration::minutes(1);
    return out;
  }
  // All requests go to one instance.
  RateLimiting() {
    mesh.stop("two");
    mesh.stop("three");
    world().run_for(Duration::seconds(2));
  }
};

TEST_F(RateLimiting, TellsWhatIsLeftAndWhenToComeAgain) {
  limit({"one"}, {two_a_minute()});
  const std::string first = ask(get());
  EXPECT_TRUE(first.starts_with("HTTP/1.1 200 ")) << first;
  EXPECT_EQ(field(first, "RateLimit-Policy"), "\"cart-limits\";q=2;w=60");
  EXPECT_EQ(field(first, "RateLimit"), "\"cart-limits\";r=1;t=30");
  EXPECT_EQ(field(first, "Retry-After"), "");
  EXPECT_EQ(field(ask(get()), "RateLimit"), "\"cart-limits\";r=0;t=60");

  drain(inbound_log);
  const uint64_t before = seen_by_apps();
  const std::string refused = ask(get());
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 429 ")) << refused;
  EXPECT_EQ(field(refused, "Retry-After"), "30");
  EXPECT_EQ(field(refused, "RateLimit"), "\"cart-limits\";r=0;t=30");
  const std::string grpc = ask(get("content-type: application/grpc\r\n"));
  EXPECT_TRUE(grpc.starts_with("HTTP/1.1 200 ")) << grpc;
  EXPECT_EQ(field(grpc, "grpc-status"), "8");
  EXPECT_NE(field(grpc, "grpc-retry-pushback-ms"), "");
  EXPECT_EQ(seen_by_apps(), before);

  const std::string lines = drain(inbound_log);
  EXPECT_NE(lines.find(R"("status":429,"flags":"RL")"), std::string::npos) << lines;
  EXPECT_NE(lines.find(R"("policy":"default/cart-limits")"), std::string::npos) << lines;
  EXPECT_NE(
      metrics("one").find(R"(weft_rate_limited_requests_total{policy="default/cart-limits"} 2)"),
      std::string::npos);
  world().run_for(Duration::seconds(30));
  EXPECT_TRUE(ask(get()).starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(ask(get()).starts_with("HTTP/1.1 429 "));
}

TEST_F(RateLimiting, KnowsTheRuleThatTheCallersSidecarFollowedAndNoApp) {
  model::RateLimit limited = two_a_minute();
  limited.service = "";
  limited.route = "default/cart";
  limited.rule = "pay";
  limited.requests = 0;
  limit({"one"}, {limited});
  change(kCart, [](model::Service& service) {
    model::RouteRule rule;
    rule.route = "default/cart";
    rule.rule = "all";
    rule.backends.push_back({.service = kCart, .port = 80});
    service.ports[0].routed = true;
    service.ports[0].rules = {rule, rule};
    service.ports[0].rules[0].rule = "pay";
    service.ports[0].rules[0].match.path.value = "/pay";
  });
  EXPECT_TRUE(ask("GET /pay HTTP/1.1\r\nHost: cart\r\n\r\n").starts_with("HTTP/1.1 429 "));
  EXPECT_TRUE(ask(get()).starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(ask(get("weft-route: default/cart/pay\r\n")).starts_with("HTTP/1.1 200 "));
}

TEST_F(RateLimiting, TellsCallersApartByTheirCertificates) {
  mesh.add({.name = "job", .services = {}, .behaviour = {}});
  model::RateLimit each = two_a_minute();
  each.by = {{model::RequestKey::kSourceIdentity, ""}};
  limit({"one"}, {each});
  wire::RequestHead head;
  head.method = "GET";
  head.target = "/";
  head.authority = "cart";
  head.fields.add("Host", "cart");
  for (const char* caller : {"client", "job"}) {
    for (int status : {200, 200, 429}) {
      EXPECT_EQ(mesh.call(caller, head, "cart", 80).status, status) << caller;
    }
  }
}

TEST_F(RateLimiting, StrangersAtAPublishedDoorAreTheirAddresses) {
  model::RateLimit each = two_a_minute();
  each.by = {{model::RequestKey::kSourceIdentity, ""}};
  limit({"one"}, {each});
  Instance& one = mesh.instance("one");
  auto door = one.side->thread("worker").network.listen(
      {one.side->ip(), 9000},
      [&one](io::StreamPtr stream) { one.worker->inbound.accept_plain(std::move(stream), 8080); });
  ASSERT_TRUE(door);
  for (const char* stranger : {"here", "there"}) {
    for (const char* status : {"200", "200", "429"}) {
      auto stream = world().run(
          world().node(stranger).network().connect({one.side->ip(), 9000}, Duration::seconds(5)));
      ASSERT_TRUE(stream);
      RawPeer peer(std::move(*stream));
      peer.write(get("weft-route: default/cart/0\r\n"));
      world().run_until([&] { return has_whole_answer(peer.in); }, Duration::seconds(5));
      EXPECT_TRUE(peer.in.starts_with(std::string("HTTP/1.1 ") + status)) << peer.in;
    }
  }
}

TEST_F(RateLimiting, CountsOpaqueConnections) {
  model::RateLimit few = two_a_minute();
  few.service = "db.default";
  limit({"db"}, {few});
  EXPECT_NE(mesh.converse("client", "db", 5432, "hello\n").body, "");
  EXPECT_NE(mesh.converse("client", "db", 5432, "hello\n").body, "");
  drain(inbound_log);
  EXPECT_EQ(mesh.converse("client", "db", 5432, "hello\n").body, "");
  EXPECT_NE(drain(inbound_log).find(R"("flags":"RL")"), std::string::npos);
}

}  // namespace
}  // namespace weft::scenarios
