// XBackendTrafficPolicies: what a Service's endpoints say by them, and what their status says.
#include "control/compile_policies_test_support.h"

namespace weft::control {
namespace {

using testing::ElementsAre;

TEST_F(PoliciesTest, AnXBackendTrafficPolicyStandsBesideTheBackendPolicyOfItsService) {
  put_policy("BackendPolicy", "b", "kind: Service, name: cart", "retries: {budget: {percent: 50}}");
  EXPECT_EQ(put_traffic("x", "group: '', kind: Service, name: cart",
                        ", retryConstraint: {budget: {percent: 30, interval: 1m}, minRetryRate: "
                        "{count: 7}}, sessionPersistence: {absoluteTimeout: 1h, cookie: {path: /a, "
                        "lifetimeType: Permanent}}"),
            (Affected{{"default", "cart"}}));
  const auto policy = compiled("cart").endpoints.policy;
  ASSERT_TRUE(policy && policy->retries && policy->retry_constraint && policy->session_persistence);
  EXPECT_EQ(policy->retries->value.budget_percent, 50u);
  EXPECT_EQ(policy->retry_constraint->value,
            (model::RetryConstraint{30, Duration::minutes(1), 7, Duration::seconds(1)}));
  EXPECT_EQ(policy->retry_constraint->origin, "XBackendTrafficPolicy default/x");
  const model::SessionPersistence& sessions = policy->session_persistence->value;
  EXPECT_TRUE(sessions.name.starts_with("weft-")) << sessions.name;
  EXPECT_EQ(sessions.path, "/a");
  EXPECT_EQ(sessions.absolute_timeout, Duration::hours(1));
  EXPECT_TRUE(sessions.permanent);
  EXPECT_EQ(rule("items").policy, nullptr) << "it is the Service's";
  EXPECT_THAT(refusals("XBackendTrafficPolicy", "x"), ElementsAre(""));
  EXPECT_THAT(compiler_.policies_on({"Service", "default", "cart"}),
              ElementsAre("BackendPolicy default/b", "XBackendTrafficPolicy default/x"));
  EXPECT_EQ(compiler_.carriers(*object("XBackendTrafficPolicy", "x")),
            (Carriers{{.service = {"default", "cart"}, .callers = "", .in = Carrier::kEndpoints}}));
  // Another Service's cookie has another name.
  put_traffic("y", "group: core, kind: Service, name: cart-v2",
              ", sessionPersistence: {cookie: {}}");
  EXPECT_NE(compiled("cart-v2").endpoints.policy->session_persistence->value.name, sessions.name);
  remove("XBackendTrafficPolicy", "x");
  EXPECT_FALSE(compiled("cart").endpoints.policy->retry_constraint);
}

TEST_F(PoliciesTest, WhatAnXBackendTrafficPolicyLeavesOutHasTheDefaultsOfTheApi) {
  put_traffic("x", "group: '', kind: Service, name: cart", ", retryConstraint: {}");
  EXPECT_EQ(compiled("cart").endpoints.policy->retry_constraint->value, model::RetryConstraint{});
  EXPECT_FALSE(compiled("cart").endpoints.policy->session_persistence);
  put_traffic("x", "group: '', kind: Service, name: cart",
              ", retryConstraint: {minRetryRate: {interval: 5s}}");
  EXPECT_EQ(compiled("cart").endpoints.policy->retry_constraint->value,
            (model::RetryConstraint{20, Duration::seconds(10), 10, Duration::seconds(5)}));
  EXPECT_EQ(object("XBackendTrafficPolicy", "x")->body.find("10s") == std::string::npos, false);
  put_traffic("x", "group: '', kind: Service, name: cart", "");
  EXPECT_EQ(*compiled("cart").endpoints.policy, model::BackendPolicy{});
}

TEST_F(PoliciesTest, AnXBackendTrafficPolicySaysWhereItCannotAct) {
  put_traffic("old", "group: '', kind: Service, name: cart", ", retryConstraint: {}", 1);
  struct Row {
    const char* target;
    const char* spec;
    const char* refusal;
  };
  const Row rows[] = {
      {"group: '', kind: Service, name: cart", ", sessionPersistence: {cookie: {}}",
       "Conflicted: XBackendTrafficPolicy default/old is older and has the same target Service "
       "cart"},
      {"group: multicluster.x-k8s.io, kind: ServiceImport, name: cart", "",
       "UnsupportedValue: kind ServiceImport.multicluster.x-k8s.io: an XBackendTrafficPolicy is "
       "for "
       "Services"},
      {"group: gateway.networking.k8s.io, kind: HTTPRoute, name: split", "",
       "UnsupportedValue: kind HTTPRoute: an XBackendTrafficPolicy is for Services"},
      {"group: other.example, kind: Service, name: cart", ", retryConstraint: {}",
       "UnsupportedValue: kind Service.other.example: an XBackendTrafficPolicy is for Services"},
      {"group: '', kind: Service, name: none", "",
       "TargetNotFound: there is no Service default/none"},
      {"group: '', kind: Service, name: db", ", retryConstraint: {}",
       "UnsupportedValue: retryConstraint: Service db carries opaque connections, which are not "
       "tried again"},
      {"group: '', kind: Service, name: db", ", sessionPersistence: {cookie: {}}",
       "UnsupportedValue: sessionPersistence: Service db carries opaque connections, which have no "
       "cookies and headers"},
      {"group: '', kind: Service, name: cart-v2", ", sessionPersistence: {cookie: {path: 'a;b'}}",
       "UnsupportedValue: spec.sessionPersistence.cookie.path: no cookie can have this path"},
  };
  for (const Row& row : rows) {
    put_traffic("p", row.target, row.spec);
    EXPECT_THAT(refusals("XBackendTrafficPolicy", "p"), ElementsAre(row.refusal)) << row.spec;
  }
  EXPECT_EQ(compiled("cart-v2").endpoints.policy, nullptr);
}

}  // namespace
}  // namespace weft::control
