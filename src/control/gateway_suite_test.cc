// The Gateway API's own files (kubernetes-sigs/gateway-api): its examples are accepted, its invalid examples
// refused with a message that names the field, and the routes of its mesh tests get the status they should.
// Files are read as they are. What needs a kind that Weft does not read is counted out and printed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "control/compile.h"
#include "control/kinds.h"
#include "control/yaml.h"

namespace weft::control {
namespace {

namespace fs = std::filesystem;

const fs::path& suite() {
  static const fs::path kDir = fs::path(WEFT_SUITES_DIR) / "gateway-api";
  return kDir;
}

std::string content(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The kind that Weft does not read, if that is what the problem is about; else "".
std::string unknown_kind(const Problem& problem) {
  const std::string_view kUnknown = "Weft knows no kind ";
  return problem.what.starts_with(kUnknown) ? problem.what.substr(kUnknown.size()) : "";
}

std::string first_unknown(const Problems& problems) {
  for (const Problem& problem : problems) {
    if (std::string kind = unknown_kind(problem); !kind.empty()) return kind;
  }
  return "";
}

// The field that is wrong, read off each file by hand.
const std::map<std::string, std::string>& wrong_fields() {
  static const std::map<std::string, std::string> kFields = {
      {"duplicate-header-match", "spec.rules[0].matches[0].headers[1].name"},
      {"duplicate-query-match", "spec.rules[0].matches[0].queryParams[1].name"},
      {"httproute-portless-backend", "spec.rules[0].backendRefs[0].port"},
      {"httproute-portless-service", "spec.rules[0].backendRefs[0].port"},
      {"invalid-backend-group", "spec.rules[0].backendRefs[0].group"},
      {"invalid-backend-kind", "spec.rules[0].backendRefs[0].kind"},
      {"invalid-backend-port", "spec.rules[0].backendRefs[0].port"},
      {"invalid-filter-duplicate-header",
       "spec.rules[0].filters[0].requestHeaderModifier.remove[1]"},
      {"invalid-filter-duplicate", "spec.rules[0].filters[1]"},
      {"invalid-filter-empty", "spec.rules[0].filters[0].requestHeaderModifier"},
      {"invalid-filter-wrong-field", "spec.rules[0].filters[0].requestHeaderModifier"},
      {"invalid-header-name", "spec.rules[0].matches[0].headers[0].name"},
      {"invalid-header-value", "spec.rules[0].filters[0].responseHeaderModifier.add[0].value"},
      {"invalid-method", "spec.rules[0].matches[0].method"},
      {"invalid-path-alphanum-specialchars-mix", "spec.rules[0].matches[0].path.value"},
      {"invalid-path-specialchars", "spec.rules[0].matches[0].path.value"},
      {"invalid-hostname", "spec.hostnames[0]"},
      {"no-hostname", "spec.hostnames"},
      {"invalid-httpredirect-hostname", "spec.rules[0].filters[0].requestRedirect.hostname"},
      {"invalid-request-redirect-with-backendref", "spec.rules[0].backendRefs"},
      {"invalid-filter-externalauth-empty", "spec.rules[0].filters[0].externalAuth"},
      {"invalid-filter-externalauth-bad-http-path",
       "spec.rules[0].filters[0].externalAuth.http.path"},
      {"invalid-filter-externalauth-no-protocol", "spec.rules[0].filters[0].externalAuth.protocol"},
      {"invalid-listener-port", "spec.listeners[0].port"},
      {"invalid-listener-name", "spec.listeners[0].name"},
      {"hostname-tcp", "spec.listeners[0].hostname"},
      {"hostname-udp", "spec.listeners[0].hostname"},
      {"tlsconfig-tcp", "spec.listeners[0].tls"},
      {"invalid-tls-mode", "spec.listeners[0].tls.mode"},
      {"duplicate-listeners", "spec.listeners[1].name"},
      {"invalid-addresses", "spec.addresses[0].value"},
      {"missing-from", "spec.from"},
      {"missing-to", "spec.to"},
      {"missing-ns", "spec.from[0].namespace"},
      {"invalid-controller", "spec.controllerName"},
  };
  return kFields;
}

// What became of one file: "" right, else why it is counted out.
std::string judge(const fs::path& file, bool must_be_refused) {
  Problems problems;
  const auto decoded = decode_objects(file.filename().string(), content(file), problems);
  std::string all;
  for (const Problem& problem : problems) all += "\n  " + problem.to_string();
  if (std::string kind = first_unknown(problems); !kind.empty()) return "kind " + kind;
  // v1 requires host names; the older version did not, and means nothing without them that v1 could say.
  if (!must_be_refused && file.string().find("/v1alpha2/") != std::string::npos &&
      problems.size() == 1 && problems[0].path == "spec.hostnames") {
    return "a TLSRoute v1alpha2 without hostnames";
  }
  if (!must_be_refused) {
    EXPECT_TRUE(problems.empty()) << file << " is not accepted:" << all;
    EXPECT_FALSE(decoded.empty()) << file;
    return "";
  }
  EXPECT_FALSE(problems.empty()) << file << " is accepted";
  const auto field = wrong_fields().find(file.stem().string());
  if (field == wrong_fields().end()) {
    ADD_FAILURE() << file << " is not known here:" << all;
    return "";
  }
  EXPECT_TRUE(std::ranges::any_of(
      problems, [&](const Problem& problem) { return problem.path == field->second; }))
      << file << " is refused, but not for " << field->second << ":" << all;
  return "";
}

TEST(GatewaySuite, AcceptsAndRefusesTheFiles) {
  if (!fs::exists(suite())) GTEST_SKIP() << "no " << suite() << ": set WEFT_SUITES_DIR";
  size_t files = 0;
  std::map<std::string, std::set<std::string>> counted_out;
  for (const char* folder : {"examples", "invalid-examples"}) {
    for (const auto& entry : fs::recursive_directory_iterator(suite() / folder)) {
      if (entry.path().extension() != ".yaml") continue;
      ++files;
      const std::string reason = judge(entry.path(), std::string_view(folder) != "examples");
      if (!reason.empty()) {
        counted_out[reason].insert(fs::relative(entry.path(), suite()).string());
      }
    }
  }
  size_t out = 0;
  for (const auto& [reason, names] : counted_out) {
    fmt::print("  counted out, not read: {}: {}\n", reason, fmt::join(names, ", "));
    out += names.size();
  }
  if (!HasFailure())
    fmt::print("suite gateway-api: {} of {}, {} counted out\n", files - out, files - out, out);
}

// Everything of a manifest whose kinds Weft reads; problems beyond that are failures.
void put_manifest(Compiler& compiler, const fs::path& file) {
  Problems problems;
  auto decoded = decode_objects(file.filename().string(), content(file), problems);
  for (const Problem& problem : problems) {
    EXPECT_NE(unknown_kind(problem), "") << problem.to_string();
  }
  for (DecodedObject& one : decoded) compiler.put(one.object);
}

TEST(GatewaySuite, RoutesOfTheMeshTestsHaveTheStatusThatIsAskedFor) {
  if (!fs::exists(suite())) GTEST_SKIP() << "no " << suite() << ": set WEFT_SUITES_DIR";
  const auto cases = nlohmann::json::parse(content(suite() / "cases.json"));
  size_t routes = 0;
  for (const auto& test : cases["tests"]) {
    if (test["group"] != "mesh" || test["route_status"].empty()) continue;
    Compiler compiler;
    // Its workloads are Deployments; the Services are what routes refer to.
    put_manifest(compiler, suite() / test["base"].get<std::string>());
    for (const auto& manifest : test["manifests"]) {
      put_manifest(compiler, suite() / manifest.get<std::string>());
    }
    for (const auto& wanted : test["route_status"]) {
      const auto& id = wanted["route"];
      const Object* route = compiler.object({id["kind"], id["namespace"], id["name"]});
      ASSERT_NE(route, nullptr) << test["id"];
      if (!route->unsupported.empty()) {
        for (const ParentState& state : compiler.parents(*route)) {
          EXPECT_EQ(state.conditions.front().reason, "UnsupportedValue") << test["id"];
        }
        continue;
      }
      const auto& parent = wanted["parent"];
      const auto states = compiler.parents(*route);
      const auto state = std::ranges::find_if(states, [&](const ParentState& one) {
        return one.ref.service == model::ServiceName{parent["namespace"], parent["name"]} &&
               one.ref.port == parent.value("port", 0);
      });
      ASSERT_NE(state, states.end()) << test["id"] << ": no status for " << parent;
      for (const auto& condition : wanted["conditions"]) {
        const auto type = condition["type"].get<std::string>();
        const auto reason = condition["reason"].get<std::string>();
        const bool ok = condition["status"].get<std::string>() == "True";
        EXPECT_TRUE(std::ranges::any_of(state->conditions,
                                        [&](const Condition& one) {
                                          return one.type == type && one.ok == ok &&
                                                 one.reason == reason;
                                        }))
            << test["id"] << ": " << condition;
      }
      ++routes;
    }
  }
  EXPECT_GE(routes, 13u) << "of the 22 mesh tests with routes so many need nothing that is missing";
}

}  // namespace
}  // namespace weft::control
