// The Gateway API's mesh tests, and its gateway tests with a Service as parent, through real sidecars: each
// case in the suite's strict score (everything it states) and in its upstream score (what the upstream
// comparer looks at). A case counts as passed when it held three times in a row within 30 s.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "scenarios/gateway_case.h"

namespace weft::scenarios {
namespace {

using nlohmann::json;

const std::filesystem::path& suite() {
  static const std::filesystem::path kDir = std::filesystem::path(WEFT_SUITES_DIR) / "gateway-api";
  return kDir;
}

struct Score {
  int total = 0, strict = 0;
  int upstream_total = 0, upstream = 0;
  void add(const Score& other) {
    total += other.total;
    strict += other.strict;
    upstream_total += other.upstream_total;
    upstream += other.upstream;
  }
};

bool is_strict(const json& c, const std::string& field) {
  for (const json& one : c["strict"]) {
    const std::string name = one;
    if (name == "*" || field == name || field.starts_with(name + ".")) return true;
  }
  return false;
}

// Identities of one namespace may call each other, those of another may not and see no name of theirs
// (docs/design/discovery.md): a route does not open a namespace.
bool is_of_another_namespace(const json& c) { return c["id"] == "MeshConsumerRoute/01"; }

Score play_case(CaseMesh& mesh, const json& c) {
  const json headers = c.value("backend_sets_response_headers", json::object());
  const Instant end = mesh.mesh().world().now() + Duration::seconds(30);
  std::vector<Difference> wrong;
  for (int held = 0; held < 3 && mesh.mesh().world().now() < end;) {
    wrong = differences(c["expect"], mesh.play(c["client"], c["request"], headers, 1).at(0), mesh);
    held = wrong.empty() ? held + 1 : 0;
    if (!wrong.empty()) mesh.mesh().world().run_for(Duration::seconds(5));
  }
  const bool added = is_strict(c, "*");
  Score score{.total = 1, .strict = wrong.empty(), .upstream_total = !added, .upstream = !added};
  for (const Difference& difference : wrong) {
    ADD_FAILURE() << c["id"].get<std::string>() << ": " << difference.what;
    if (!is_strict(c, difference.field)) score.upstream = 0;
  }
  return score;
}

Score play_distribution(CaseMesh& mesh, const json& test) {
  const json& distribution = test["distribution"];
  const size_t requests = distribution["requests"], at_once = distribution["concurrency"];
  std::map<std::string, int> counts;
  int failed = 0;
  for (size_t made = 0; made < requests; made += at_once) {
    for (const PlayedRequest& played :
         mesh.play(distribution["client"], distribution["request"], json::object(), at_once)) {
      const bool good = played.answer.status == 200 && played.reached.size() == 1 &&
                        played.answer.grpc_status <= 0;
      good ? ++counts[played.reached[0].workload] : ++failed;
    }
  }
  std::string wrong = failed > 0 ? std::to_string(failed) + " failed" : "";
  for (const auto& [workload, weight] : distribution["weights"].items()) {
    const double share = counts[workload] / static_cast<double>(requests);
    const bool off = weight == 0 ? counts[workload] > 0
                                 : std::abs(share - weight.get<double>()) >
                                       distribution["tolerance_abs"].get<double>();
    if (off) wrong += " " + workload + " " + std::to_string(share);
    counts.erase(workload);
  }
  if (!counts.empty()) wrong += " somebody else got some";
  EXPECT_EQ(wrong, "") << test["id"];
  return {1, wrong.empty(), 1, wrong.empty()};
}

int play_status(CaseMesh& mesh, const json& test, int& total) {
  int good = 0;
  for (const json& one : test["route_status"]) {
    for (const json& condition : one["conditions"]) {
      ++total;
      const std::string type = condition["type"];
      const std::string wanted =
          condition["status"].get<std::string>() + " " + condition["reason"].get<std::string>();
      const std::string got = mesh.condition(one["route"], one["parent"], type);
      EXPECT_EQ(got, wanted) << test["id"] << " " << type;
      good += got == wanted;
    }
  }
  return good;
}

void play_group(const std::string& group, int tests, const char* name) {
  if (!std::filesystem::exists(suite() / "cases.json")) {
    std::printf("suite gateway-cases: not run, %s is missing\n", suite().c_str());
    GTEST_SKIP() << "no external test data";
  }
  std::ifstream in(suite() / "cases.json");
  const json all = json::parse(in);
  Score score;
  int seen = 0, conditions = 0, conditions_good = 0, out = 0;
  for (const json& test : all["tests"]) {
    if (test["group"] != group) continue;
    ++seen;
    ServiceDoor door;
    CaseMesh mesh(suite(), test, group == "gateway" ? &door : nullptr);
    EXPECT_EQ(mesh.problem(), "") << test["id"];
    for (const json& c : test["cases"]) {
      if (!is_of_another_namespace(c)) {
        score.add(play_case(mesh, c));
        continue;
      }
      ++out;
      const auto played = mesh.play(c["client"], c["request"], json::object(), 1);
      EXPECT_EQ(played.at(0).answer.status, 0) << c["id"];
      std::printf("  counted out, closed by design: %s\n", c["id"].get<std::string>().c_str());
    }
    if (test.contains("distribution")) score.add(play_distribution(mesh, test));
    conditions_good += play_status(mesh, test, conditions);
    EXPECT_EQ(mesh.mesh().plaintext_segments(), 0u) << test["id"];
  }
  EXPECT_EQ(seen, tests);
  std::printf(
      "suite gateway-cases: %d of %d, %d counted out (%s; upstream score %d of %d; route "
      "conditions %d of %d)\n",
      score.strict, score.total, out, name, score.upstream, score.upstream_total, conditions_good,
      conditions);
}

TEST(GatewayCases, OfTheMeshGroupHold) { play_group("mesh", 23, "mesh"); }
TEST(GatewayCases, OfTheGatewayGroupHoldOnServiceParents) {
  play_group("gateway", 16, "gateway group on Service parents");
}

}  // namespace
}  // namespace weft::scenarios
