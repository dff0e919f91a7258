// The Gateway API's own files (kubernetes-sigs/gateway-api): its examples are accepted, its invalid examples
// refused with a message that names the field, and the routes of its mesh tests get the status they should.
//
// The examples are routes of a Gateway. As the suite's README says, a route is taken into a mesh by giving it
// a Service as its parent; nothing else of the files is changed. What is counted out needs a kind or a field
// that Weft refuses by name today; the reasons are printed.
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

// The file's documents with a Service as the parent of every HTTPRoute.
std::string in_a_mesh(const fs::path& file) {
  Problems problems;
  std::vector<Node> documents = read_yaml(file.string(), content(file), problems);
  EXPECT_TRUE(problems.empty()) << problems[0].to_string();
  std::string out;
  for (Node& document : documents) {
    if (document.text_of("kind") == "HTTPRoute") {
      for (Node::Entry& entry : document.entries) {
        if (entry.name != "spec") continue;
        std::erase_if(entry.value.entries, [](const auto& e) { return e.name == "parentRefs"; });
        Node parent = Node::map();
        parent.add("group", "");
        parent.add("kind", "Service");
        parent.add("name", "frontend");
        entry.value.add("parentRefs", Node::list()).items.push_back(std::move(parent));
      }
    }
    out += "---\n" + to_yaml(document);
  }
  return out;
}

// Why a problem says nothing about the file but about Weft; "" when it does not.
std::string limit_of(const Problem& problem) {
  const std::string_view kUnknown = "Weft knows no kind ";
  if (problem.what.starts_with(kUnknown)) {
    return "kind " + problem.what.substr(kUnknown.size());
  }
  if (problem.what.find("not supported yet") == std::string::npos) return "";
  const std::string field = problem.path.substr(problem.path.rfind('.') + 1);
  const size_t quote = problem.what.find('\'');
  if (quote != 0) return "field " + field;
  return fmt::format("{} {}", field, problem.what.substr(0, problem.what.find('\'', 1) + 1));
}

std::string first_limit(const Problems& problems) {
  for (const Problem& problem : problems) {
    if (std::string limit = limit_of(problem); !limit.empty()) return limit;
  }
  return "";
}

// Of the invalid examples in reach: the field that is wrong, read off the file by hand.
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
  };
  return kFields;
}

// What became of one file: "" right, else why it is counted out.
std::string judge(const fs::path& file, bool must_be_refused) {
  Problems problems;
  const auto decoded = decode_objects(file.filename().string(), in_a_mesh(file), problems);
  std::string all;
  for (const Problem& problem : problems) all += "\n  " + problem.to_string();
  if (!must_be_refused) {
    const std::string limit = first_limit(problems);
    if (limit.empty()) EXPECT_TRUE(problems.empty()) << file << " is not accepted:" << all;
    if (limit.empty()) EXPECT_FALSE(decoded.empty()) << file;
    return limit;
  }
  EXPECT_FALSE(problems.empty()) << file << " is accepted";
  const auto field = wrong_fields().find(file.stem().string());
  if (field == wrong_fields().end()) {
    const std::string limit = first_limit(problems);
    EXPECT_NE(limit, "") << file << " is refused for no reason known here:" << all;
    return limit;
  }
  EXPECT_TRUE(std::ranges::any_of(problems,
                                  [&](const Problem& problem) {
                                    return problem.path == field->second &&
                                           limit_of(problem).empty();
                                  }))
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
    fmt::print("  counted out, not supported yet: {}: {}\n", reason, fmt::join(names, ", "));
    out += names.size();
  }
  if (!HasFailure())
    fmt::print("suite gateway-api: {} of {}, {} counted out\n", files - out, files - out, out);
}

// Everything of a manifest that Weft can carry out; false if that is not all of it.
bool put_manifest(Compiler& compiler, const fs::path& file, bool whole) {
  Problems problems;
  auto decoded = decode_objects(file.filename().string(), content(file), problems);
  if (whole && !problems.empty()) {
    EXPECT_NE(first_limit(problems), "") << file << ": " << problems[0].to_string();
    return false;
  }
  for (DecodedObject& one : decoded) compiler.put(one.object);
  return true;
}

TEST(GatewaySuite, RoutesOfTheMeshTestsHaveTheStatusThatIsAskedFor) {
  if (!fs::exists(suite())) GTEST_SKIP() << "no " << suite() << ": set WEFT_SUITES_DIR";
  const auto cases = nlohmann::json::parse(content(suite() / "cases.json"));
  size_t routes = 0;
  for (const auto& test : cases["tests"]) {
    if (test["group"] != "mesh" || test["route_status"].empty()) continue;
    Compiler compiler;
    // Its workloads are Deployments; the Services are what routes refer to.
    put_manifest(compiler, suite() / test["base"].get<std::string>(), false);
    bool whole = true;
    for (const auto& manifest : test["manifests"]) {
      whole = put_manifest(compiler, suite() / manifest.get<std::string>(), true) && whole;
    }
    if (!whole) continue;
    for (const auto& wanted : test["route_status"]) {
      const auto& id = wanted["route"];
      const Object* route = compiler.object({id["kind"], id["namespace"], id["name"]});
      ASSERT_NE(route, nullptr) << test["id"];
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
