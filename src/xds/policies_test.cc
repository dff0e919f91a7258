// Policies on the wire: whatever the model can say comes back as it was, and what is out of bounds is
// refused by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/random.h"
#include "policies.pb.h"
#include "resources.pb.h"
#include "xds/convert.h"

namespace weft::xds {
namespace {

using testing::HasSubstr;

// Values within the bounds of decode_policies.cc, from a seed.
class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(seed) {}

  uint32_t number(uint32_t low, uint32_t high) {
    return low + static_cast<uint32_t>(random_.next() % (uint64_t{high} - low + 1));
  }
  bool coin() { return (random_.next() & 1) != 0; }
  Duration span(Duration low = Duration::millis(100)) {
    return Duration::nanos(low.ns + static_cast<int64_t>(random_.next() % 3'600'000'000'000));
  }
  std::string word() {
    std::string out;
    for (uint32_t i = number(1, 8); i > 0; --i) out += static_cast<char>(number('a', 'z'));
    return out;
  }
  template <typename T>
  std::vector<T> list(const std::function<T()>& one) {
    std::vector<T> out;
    for (uint32_t i = number(0, 3); i > 0; --i) out.push_back(one());
    return out;
  }
  model::RequestKey key() {
    const auto kind = static_cast<model::RequestKey::Kind>(number(0, 4));
    return {kind, word(), kind == model::RequestKey::kCookie ? span() : Duration{}};
  }
  std::vector<model::RequestKey> keys() {
    return list<model::RequestKey>([this] { return key(); });
  }

  void make(model::LoadBalancing& out) {
    out = {static_cast<model::LoadBalancing::Algorithm>(number(0, 5)), keys(),
           coin() ? 0 : number(100, 10'000)};
  }
  void make(model::SlowStart& out) { out = {span(), number(1, 400) / 8.0, number(0, 100)}; }
  void make(model::Locality& out) {
    out = {coin(), list<std::string>([this] { return word(); }), number(100, 10'000),
           number(0, 100)};
  }
  void make(model::CircuitBreaker& out) {
    out = {number(0, 1'000'000'000), number(0, 9), number(0, 9), number(0, 9)};
  }
  void make(model::ConnectionPool& out) { out = {span(), span(), number(0, 9)}; }
  void make(model::OutlierDetection& out) {
    out = {number(0, 9), number(0, 9), span(), span(), span(), number(0, 100), {}, {}};
    if (coin()) out.success_rate = {number(0, 9), number(0, 9), number(0, 100'000)};
    if (coin()) out.failure_percentage = {number(1, 100), number(0, 9), number(0, 9)};
  }
  void make(model::HealthCheck& out) {
    out.kind = static_cast<model::HealthCheck::Kind>(number(0, 2));
    out.service_port = static_cast<uint16_t>(number(0, 65535));
    out.path = "/" + word();
    out.host = word();
    out.statuses = list<uint16_t>([this] { return static_cast<uint16_t>(number(100, 599)); });
    out.grpc_service = word();
    out.interval = span();
    out.timeout = span();
    out.jitter_percent = number(0, 100);
    out.unhealthy_threshold = number(1, 1000);
    out.healthy_threshold = number(1, 1000);
  }
  void make(model::Retries& out) {
    out.attempts = number(0, 100);
    out.conditions = static_cast<uint8_t>(number(0, 63));
    out.statuses = list<int>([this] { return static_cast<int>(number(400, 599)); });
    out.grpc_statuses = list<int>([this] { return static_cast<int>(number(1, 16)); });
    out.any_method = coin();
    out.per_try_timeout = span(Duration{});
    out.base_backoff = span(Duration{});
    out.max_backoff = span(Duration{});
    out.honour_retry_after = coin();
    out.longest_retry_after = span(Duration{});
    out.budget_percent = number(0, 100);
    out.budget_min_per_second = number(0, 9);
  }
  void make(model::RetryConstraint& out) {
    out = {number(0, 100), span(), number(0, 1'000'000'000), span()};
  }
  void make(model::SessionPersistence& out) {
    out = {coin(), word(), "/" + word(), span(Duration{}), span(Duration{}), coin()};
  }
  template <typename T>
  model::Said<T> said() {
    model::Said<T> out;
    make(out.value);
    out.origin = "BackendPolicy default/" + word();
    return out;
  }
  template <typename T>
  void maybe(std::optional<model::Said<T>>& out) {
    if (coin()) out = said<T>();
  }
  model::BackendPolicy policy() {
    model::BackendPolicy out;
    maybe(out.load_balancing);
    maybe(out.slow_start);
    maybe(out.locality);
    maybe(out.circuit_breaker);
    maybe(out.connection_pool);
    maybe(out.outlier_detection);
    maybe(out.health_check);
    maybe(out.retries);
    maybe(out.retry_constraint);
    maybe(out.session_persistence);
    return out;
  }
  model::Fault fault() {
    model::Fault out;
    out.policy = "default/" + word();
    out.expires = {static_cast<int64_t>(random_.next() >> 2)};
    out.headers = list<model::StringMatch>([this] {
      return model::StringMatch{coin() ? model::StringMatch::kRegex : model::StringMatch::kExact,
                                word(), word()};
    });
    out.callers = list<std::string>([this] { return "spiffe://weft.local/ns/" + word() + "*"; });
    out.delay_share = number(0, model::Fault::kAll);
    out.delay = span(Duration{});
    out.abort_share = number(0, model::Fault::kAll);
    out.abort_http_status = coin() ? 0 : static_cast<int>(number(200, 599));
    out.abort_grpc_status = static_cast<int>(number(0, 17)) - 1;
    out.abort_reset = coin();
    return out;
  }
  model::RateLimit limit() {
    model::RateLimit out;
    out.policy = "default/" + word();
    out.service = word();
    out.route = word();
    out.rule = word();
    out.requests = number(0, 1'000'000'000);
    out.per = span();
    out.burst = number(0, 9);
    out.by = keys();
    out.overrides = list<model::RateLimit::Override>([this] {
      return model::RateLimit::Override{"spiffe://a/" + word(), number(0, 9), number(0, 9)};
    });
    return out;
  }
  model::Inbound inbound() {
    model::Inbound out;
    out.instance = word();
    out.rate_limits = list<model::RateLimit>([this] { return limit(); });
    out.checks = list<model::Inbound::Check>([this] {
      return model::Inbound::Check{static_cast<uint16_t>(number(1, 65535)), word(),
                                   said<model::HealthCheck>()};
    });
    return out;
  }

 private:
  SeededRandom random_;
};

model::BackendPolicyPtr shared(model::BackendPolicy policy) {
  return std::make_shared<const model::BackendPolicy>(std::move(policy));
}
model::FaultPtr shared(model::Fault fault) {
  return std::make_shared<const model::Fault>(std::move(fault));
}

// Port 80 with rules, port 90 with rules for opaque connections; all still without policies.
model::Service service_with_rules(size_t rules) {
  model::Service out;
  out.name = {"default", "cart"};
  out.ports = {{.port = 80, .name = "", .routed = true, .rules = {}},
               {.port = 90, .name = "", .rules = {}}};
  for (size_t i = 0; i < rules; ++i) {
    out.ports[0].rules.emplace_back().rule = std::to_string(i);
    out.ports[1].tcp_rules.emplace_back().rule = std::to_string(i);
  }
  return out;
}

TEST(Policies, WhateverAServiceSaysComesBackOnItsRules) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Draw draw(seed);
    model::Service service = service_with_rules(4);
    const model::BackendPolicyPtr some[] = {nullptr, shared(draw.policy()), shared(draw.policy())};
    const model::FaultPtr faults[] = {nullptr, shared(draw.fault()), shared(draw.fault())};
    service.fault = faults[draw.number(0, 2)];
    for (size_t i = 0; i < 4; ++i) {
      service.ports[0].rules[i].policy = some[draw.number(0, 2)];
      service.ports[0].rules[i].fault = faults[draw.number(0, 2)];
      service.ports[0].rules[i].route_fault = faults[draw.number(0, 2)];
      service.ports[1].tcp_rules[i].fault = faults[draw.number(0, 2)];
      service.ports[1].tcp_rules[i].route_fault = faults[draw.number(0, 2)];
      service.ports[1].tcp_rules[i].policy = some[draw.number(0, 2)];
    }
    const auto back = decode_service(encode_service(service));
    ASSERT_TRUE(back) << seed << ": " << back.error().message();
    const auto same = [&](const auto& a, const auto& b) {
      EXPECT_EQ(a == nullptr, b == nullptr) << seed;
      if (a && b) EXPECT_EQ(*a, *b) << seed;
    };
    same(back->fault, service.fault);
    for (size_t i = 0; i < 4; ++i) {
      same(back->ports[0].rules[i].policy, service.ports[0].rules[i].policy);
      same(back->ports[0].rules[i].fault, service.ports[0].rules[i].fault);
      same(back->ports[0].rules[i].route_fault, service.ports[0].rules[i].route_fault);
      same(back->ports[1].tcp_rules[i].fault, service.ports[1].tcp_rules[i].fault);
      same(back->ports[1].tcp_rules[i].route_fault, service.ports[1].tcp_rules[i].route_fault);
      same(back->ports[1].tcp_rules[i].policy, service.ports[1].tcp_rules[i].policy);
    }
  }
}

TEST(Policies, OfAServiceComeBackWithItsEndpoints) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Draw draw(seed);
    model::EndpointSet set{.service = {"default", "cart"}, .endpoints = {}};
    set.policy = shared(draw.policy());
    const auto back = decode_endpoints(encode_endpoints(set));
    ASSERT_TRUE(back) << seed << ": " << back.error().message();
    ASSERT_TRUE(back->policy) << seed;
    EXPECT_EQ(*back->policy, *set.policy) << seed;
  }
}

TEST(Policies, WhatIsAskedOfAnInstanceComesBack) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Draw draw(seed);
    const model::Inbound inbound = draw.inbound();
    const auto back = decode_inbound(encode_inbound(inbound));
    ASSERT_TRUE(back) << seed << ": " << back.error().message();
    EXPECT_EQ(*back, inbound) << seed;
  }
}

TEST(Policies, NeedTheFourthLevelAndNothingElseDoes) {
  Draw draw(7);
  model::Service service = service_with_rules(1);
  service.ports[1].tcp_rules.clear();
  EXPECT_TRUE(decode_service(encode_service(service), 1));
  service.ports[0].rules[0].policy = shared(draw.policy());
  EXPECT_FALSE(decode_service(encode_service(service), 3));
  EXPECT_TRUE(decode_service(encode_service(service), 4));
  model::EndpointSet set{.service = {"default", "cart"}, .endpoints = {}};
  EXPECT_TRUE(decode_endpoints(encode_endpoints(set), 1));
  set.policy = shared(draw.policy());
  EXPECT_FALSE(decode_endpoints(encode_endpoints(set), 3));
  EXPECT_FALSE(decode_inbound(encode_inbound(draw.inbound()), 3));
}

TEST(Policies, AreWrittenOnceHoweverManyRulesHaveThem) {
  Draw draw(3);
  model::BackendPolicy policy = draw.policy();
  policy.retries = draw.said<model::Retries>();
  model::Service service = service_with_rules(1000);
  const size_t bare = encode_service(service).size();
  for (model::RouteRule& rule : service.ports[0].rules) rule.policy = shared(policy);
  const std::string equal = encode_service(service);
  EXPECT_LT(equal.size(), bare + 1000 * 4 + 2000);
  const model::BackendPolicyPtr one = shared(policy);
  for (model::RouteRule& rule : service.ports[0].rules) rule.policy = one;
  EXPECT_EQ(encode_service(service), equal) << "equal content has equal bytes";
  const auto back = decode_service(equal);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->ports[0].rules[0].policy, back->ports[0].rules[999].policy);
}

// Each row spoils one thing of a valid message.
template <typename Message>
using Spoil = std::pair<const char*, std::function<void(Message&)>>;

TEST(Policies, OutOfBoundsAreRefusedByTheNameOfTheField) {
  using P = v1::BackendPolicy;
  const Spoil<P> rows[] = {
      {"load_balancing.algorithm",
       [](P& p) {
         p.mutable_load_balancing()->set_algorithm(static_cast<v1::LoadBalancing::Algorithm>(9));
       }},
      {"load_balancing.bounded_load_percent",
       [](P& p) { p.mutable_load_balancing()->set_bounded_load_percent(99); }},
      {"load_balancing.hash_by: empty name",
       [](P& p) { p.mutable_load_balancing()->add_hash_by(); }},
      {"load_balancing.hash_by: 17 entries",
       [](P& p) {
         for (int i = 0; i < 17; ++i) p.mutable_load_balancing()->add_hash_by()->set_name("a");
       }},
      {"load_balancing.hash_by: 9",
       [](P& p) {
         p.mutable_load_balancing()->add_hash_by()->set_kind(static_cast<v1::RequestKey::Kind>(9));
       }},
      {"slow_start.aggression", [](P& p) { p.mutable_slow_start()->set_aggression(0.0 / 0.0); }},
      {"slow_start.aggression", [](P& p) { p.mutable_slow_start()->set_aggression(0); }},
      {"slow_start.window", [](P& p) { p.mutable_slow_start()->set_window_ns(-1); }},
      {"locality.overprovisioning_percent",
       [](P& p) { p.mutable_locality()->set_overprovisioning_percent(99); }},
      {"locality.panic_percent", [](P& p) { p.mutable_locality()->set_panic_percent(101); }},
      {"locality.failover", [](P& p) { p.mutable_locality()->add_failover("a\nb"); }},
      {"circuit_breaker.max_retries",
       [](P& p) { p.mutable_circuit_breaker()->set_max_retries(1'000'000'001); }},
      {"connection_pool.connect_timeout",
       [](P& p) { p.mutable_connection_pool()->set_connect_timeout_ns(0); }},
      {"connection_pool.idle_timeout",
       [](P& p) { p.mutable_connection_pool()->set_idle_timeout_ns(INT64_MAX); }},
      {"outlier_detection.interval",
       [](P& p) { p.mutable_outlier_detection()->set_interval_ns(0); }},
      {"outlier_detection.max_ejection_percent",
       [](P& p) { p.mutable_outlier_detection()->set_max_ejection_percent(101); }},
      {"outlier_detection.failure_percentage.threshold",
       [](P& p) { p.mutable_outlier_detection()->mutable_failure_percentage()->set_threshold(0); }},
      {"health_check.path", [](P& p) { p.mutable_health_check()->set_path("healthz"); }},
      {"health_check.path", [](P& p) { p.mutable_health_check()->set_path("/a HTTP/1.1"); }},
      {"health_check.interval", [](P& p) { p.mutable_health_check()->set_interval_ns(1); }},
      {"health_check.statuses", [](P& p) { p.mutable_health_check()->add_statuses(600); }},
      {"health_check.unhealthy_threshold",
       [](P& p) { p.mutable_health_check()->set_unhealthy_threshold(0); }},
      {"retries.attempts", [](P& p) { p.mutable_retries()->set_attempts(101); }},
      {"retries.conditions", [](P& p) { p.mutable_retries()->set_conditions(64); }},
      {"retries.statuses", [](P& p) { p.mutable_retries()->add_statuses(200); }},
      {"retries.grpc_statuses", [](P& p) { p.mutable_retries()->add_grpc_statuses(17); }},
      {"retries.budget_percent", [](P& p) { p.mutable_retries()->set_budget_percent(101); }},
      {"retry_constraint.percent", [](P& p) { p.mutable_retry_constraint()->set_percent(101); }},
      {"retry_constraint.interval", [](P& p) { p.mutable_retry_constraint()->set_interval_ns(0); }},
      {"retry_constraint.interval",
       [](P& p) { p.mutable_retry_constraint()->set_min_interval_ns(-1); }},
      {"persistence.name", [](P& p) { p.mutable_session_persistence()->set_name(""); }},
      {"origin", [](P& p) { p.mutable_retries()->set_origin(std::string(2000, 'a')); }},
  };
  for (const auto& [field, spoil] : rows) {
    model::BackendPolicy policy;
    policy.load_balancing.emplace();
    policy.slow_start.emplace();
    policy.locality.emplace();
    policy.circuit_breaker.emplace();
    policy.connection_pool.emplace();
    policy.outlier_detection.emplace();
    policy.health_check.emplace();
    policy.retries.emplace();
    policy.retry_constraint.emplace();
    policy.session_persistence.emplace().value.name = "s";
    model::EndpointSet set{.service = {"default", "cart"}, .endpoints = {}};
    set.policy = shared(policy);
    v1::Endpoints message;
    ASSERT_TRUE(message.ParseFromString(encode_endpoints(set)));
    ASSERT_TRUE(decode_endpoints(message.SerializeAsString()));
    spoil(*message.mutable_policy());
    const auto decoded = decode_endpoints(message.SerializeAsString());
    ASSERT_FALSE(decoded) << field;
    EXPECT_EQ(decoded.error().kind(), ErrorKind::kInvalid);
    EXPECT_THAT(decoded.error().message(), HasSubstr(field));
  }
}

TEST(Policies, FaultsThatAnOlderProxyWouldNotActOutNeedTheFifthLevel) {
  const model::FaultPtr fault = shared(model::Fault{});
  const auto needs_fifth = [](const model::Service& service) {
    return !decode_service(encode_service(service), 4) &&
           decode_service(encode_service(service), 5);
  };
  model::Service service = service_with_rules(1);
  service.fault = service.ports[0].rules[0].fault = fault;
  EXPECT_FALSE(needs_fifth(service));
  service.ports[0].rules[0].route_fault = fault;
  EXPECT_TRUE(needs_fifth(service));
  service = service_with_rules(1);
  service.ports[1].tcp_rules[0].fault = fault;
  EXPECT_TRUE(needs_fifth(service));
}

TEST(Policies, FaultsAndPlacesOutOfBoundsAreRefused) {
  using S = v1::Service;
  const Spoil<S> rows[] = {
      {"rule.policy: 3 of a table of 1",
       [](S& s) { s.mutable_ports(0)->mutable_rules(0)->set_policy(3); }},
      {"rule.policy: 3 of a table of 1",
       [](S& s) { s.mutable_ports(1)->mutable_tcp_rules(0)->set_policy(3); }},
      {"rule.fault: 2 of a table of 1",
       [](S& s) { s.mutable_ports(0)->mutable_rules(0)->set_fault(2); }},
      {"rule.fault: 2 of a table of 1",
       [](S& s) { s.mutable_ports(1)->mutable_tcp_rules(0)->set_fault(2); }},
      {"rule.route_fault: 2 of a table of 1",
       [](S& s) { s.mutable_ports(0)->mutable_rules(0)->set_route_fault(2); }},
      {"fault: 4294967295 of a table of 1", [](S& s) { s.set_fault(UINT32_MAX); }},
      {"fault.delay_share", [](S& s) { s.mutable_faults(0)->set_delay_share(1'000'001); }},
      {"fault.delay", [](S& s) { s.mutable_faults(0)->set_delay_ns(-1); }},
      {"fault.abort_share", [](S& s) { s.mutable_faults(0)->set_abort_share(1'000'001); }},
      {"fault.abort_http_status", [](S& s) { s.mutable_faults(0)->set_abort_http_status(199); }},
      {"fault.abort_grpc_status", [](S& s) { s.mutable_faults(0)->set_abort_grpc_status(18); }},
      {"fault.headers: empty name", [](S& s) { s.mutable_faults(0)->add_headers(); }},
      {"fault.callers", [](S& s) { s.mutable_faults(0)->add_callers("a\nb"); }},
  };
  for (const auto& [field, spoil] : rows) {
    model::Service service = service_with_rules(1);
    service.ports[0].rules[0].policy = shared(model::BackendPolicy{});
    service.fault = shared(model::Fault{});
    v1::Service message;
    ASSERT_TRUE(message.ParseFromString(encode_service(service)));
    ASSERT_TRUE(decode_service(message.SerializeAsString()));
    spoil(message);
    const auto decoded = decode_service(message.SerializeAsString());
    ASSERT_FALSE(decoded) << field;
    EXPECT_THAT(decoded.error().message(), HasSubstr(field));
  }
}

TEST(Policies, LimitsAndChecksOutOfBoundsAreRefused) {
  using I = v1::Inbound;
  const Spoil<I> rows[] = {
      {"instance", [](I& i) { i.clear_instance(); }},
      {"rate_limit.per", [](I& i) { i.mutable_rate_limits(0)->set_per_ns(0); }},
      {"rate_limit.requests", [](I& i) { i.mutable_rate_limits(0)->set_requests(1'000'000'001); }},
      {"rate_limit.by", [](I& i) { i.mutable_rate_limits(0)->add_by(); }},
      {"rate_limit.overrides.burst",
       [](I& i) { i.mutable_rate_limits(0)->add_overrides()->set_burst(UINT32_MAX); }},
      {"rate_limit: contains a control character",
       [](I& i) { i.mutable_rate_limits(0)->set_route("a\nb"); }},
      {"check.app_port", [](I& i) { i.mutable_checks(0)->set_app_port(0); }},
      {"health_check.path", [](I& i) { i.mutable_checks(0)->clear_check(); }},
  };
  for (const auto& [field, spoil] : rows) {
    model::Inbound inbound{.instance = "cart-1", .rate_limits = {}, .checks = {}};
    inbound.rate_limits.emplace_back();
    inbound.checks.push_back({8080, "cart.default", {}});
    v1::Inbound message;
    ASSERT_TRUE(message.ParseFromString(encode_inbound(inbound)));
    ASSERT_TRUE(decode_inbound(message.SerializeAsString()));
    spoil(message);
    const auto decoded = decode_inbound(message.SerializeAsString());
    ASSERT_FALSE(decoded) << field;
    EXPECT_THAT(decoded.error().message(), HasSubstr(field));
  }
}

}  // namespace
}  // namespace weft::xds
