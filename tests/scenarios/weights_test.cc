// Shares of traffic through real sidecars: within the bounds that a fair draw would leave but once in a thousand
// million runs, also when weights change under way, and none at all for weight zero.
#include <gtest/gtest.h>

#include <map>

#include "scenarios/mesh.h"
#include "steer/binomial_test_support.h"

namespace weft::scenarios {
namespace {

constexpr double kFalseAlarm = 1e-9;

using Weights = std::map<std::string, uint32_t>;

class WeightsScenario : public testing::Test {
 protected:
  WeightsScenario() : mesh(17) {
    mesh.add({.name = "client", .services = {}, .behaviour = {}});
    for (const char* name : {"front", "a", "b", "c"}) {
      mesh.add({.name = name,
                .services = {{name, 80, 8080, model::Protocol::kHttp, false}},
                .behaviour = {.says = name}});
    }
  }
  void split(const Weights& weights) {
    std::string refs;
    for (const auto& [name, weight] : weights)
      refs += (refs.empty() ? "{name: " : ", {name: ") + name +
              ", port: 80, weight: " + std::to_string(weight) + "}";
    const CallResult applied = mesh.apply(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
        "metadata: {name: split}\nspec:\n"
        "  parentRefs: [{group: \"\", kind: Service, name: front}]\n"
        "  rules: [{backendRefs: [" +
        refs + "]}]\n");
    ASSERT_EQ(applied.status, 200) << applied.body;
    mesh.world().run_for(Duration::seconds(1));
  }
  void expect_shares(const Weights& weights, uint64_t requests) {
    std::map<std::string, uint64_t> counts;
    double sum = 0;
    for (const auto& [name, weight] : weights) sum += weight;
    for (uint64_t i = 0; i < requests; ++i) {
      wire::RequestHead head;
      head.method = "GET";
      head.target = "/";
      head.authority = "front";
      const CallResult result = mesh.call("client", std::move(head), "front", 80);
      ASSERT_EQ(result.status, 200) << result.error;
      ++counts[result.body];
    }
    uint64_t all = 0;
    for (const auto& [name, weight] : weights) {
      const uint64_t count = counts[name];
      all += count;
      if (weight == 0) {
        EXPECT_EQ(count, 0u) << name;
        continue;
      }
      const steer::Bounds bounds = steer::binomial_bounds(requests, weight / sum, kFalseAlarm);
      EXPECT_GE(count, bounds.least) << name;
      EXPECT_LE(count, bounds.most) << name;
    }
    EXPECT_EQ(all, requests) << "nobody else answers";
  }
  Mesh mesh;
};

TEST_F(WeightsScenario, OneTwoSevenThenSevenTwoOneThenOneOfThemNothing) {
  const Weights first{{"a", 1}, {"b", 2}, {"c", 7}};
  split(first);
  expect_shares(first, 1000);
  const Weights second{{"a", 7}, {"b", 2}, {"c", 1}};
  split(second);
  expect_shares(second, 500);
  const Weights third{{"a", 3}, {"b", 0}, {"c", 1}};
  split(third);
  expect_shares(third, 500);
}

}  // namespace
}  // namespace weft::scenarios
