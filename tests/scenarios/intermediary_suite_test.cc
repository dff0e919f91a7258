// Plays the cases of an HTTP/1 intermediary's duties (external test data, see its README) on a whole mesh:
// every case with whole writes and with single octets, and the refused ones once more with a request
// right behind them that nobody may read.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>

#include "base/ip.h"
#include "scenarios/intermediary_case.h"

namespace weft::scenarios {
namespace {

using nlohmann::json;

// The route of the service, with these rules.
std::string route(std::string_view rules) {
  return R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: weft}
spec:
  parentRefs: [{kind: Service, group: "", name: weft}]
  rules:
)" + std::string(rules);
}

constexpr std::string_view kPlain = R"(  - backendRefs: [{name: weft, port: 80}]
    timeouts: {request: 5s}
)";
// "CONNECT allowed on the route", "no route for unknown.test"
constexpr std::string_view kConnect = R"(  - matches: [{method: CONNECT}]
    backendRefs: [{name: weft, port: 80}]
)";
constexpr std::string_view kOneHost =
    R"(  - matches: [{headers: [{name: Host, value: weft.test}]}]
    backendRefs: [{name: weft, port: 80}]
)";

// Cases that end in an outcome they also allow.
const std::map<std::string, std::pair<int, std::string>>& other_outcomes() {
  static const std::map<std::string, std::pair<int, std::string>> all = {
      {"field-response-space-before-colon",
       {502, "a blank before a colon is refused from either side, not repaired"}},
      {"resp-short", {502, "the end came before anything was sent on"}},
      {"resp-chunk-cut", {502, "the end came before anything was sent on"}},
      {"resp-cl-and-te", {502, "a response framed in two ways is refused, not repaired"}},
  };
  return all;
}

// A refused message with a request right behind it, which nobody may read.
std::optional<json> with_request_behind(json c) {
  const json& get = c["client_must_get"];
  if (get.value("connection", "") != "close" || !get.contains("status") || get["status"][0] < 400 ||
      get["status"][0] >= 500 || c.value("split", "").find("second") != std::string::npos)
    return std::nullopt;
  json& last = c["client_sends"].back();
  json& text = last.is_string() ? last : last["template"];
  text = text.get<std::string>() + "GET /weft-evil HTTP/1.1\r\nHost: weft.test\r\n\r\n";
  return c;
}

class IntermediarySuite {
 public:
  explicit IntermediarySuite(bool gateway) : mesh_(1) {
    mesh_.add({.name = "client", .services = {}, .behaviour = {}, .gateway = gateway});
    mesh_.add({.name = "backend",
               .services = {{"weft", 80, 8080, model::Protocol::kHttp, false}},
               .behaviour = {},
               .gateway = gateway});
    mesh_.close_app("backend");
    apply(kPlain);
    const std::string address = mesh_.world().run(mesh_.resolve("client", "weft"));
    service_ = {*IpAddress::parse(address), 80};
  }

  struct Verdict {
    std::vector<std::string> wrong;
    bool otherwise = false;  // it ended in another outcome that is allowed
  };
  Verdict play(const json& c, Split split) {
    const std::string needs = c.value("requires", "");
    const std::string_view rules = needs.starts_with("CONNECT")    ? kConnect
                                   : needs.starts_with("no route") ? kOneHost
                                                                   : kPlain;
    apply(rules);
    const PlayedCase played = play_case(mesh_, service_, c, split);
    Verdict verdict{differences(c, played)};
    const auto other = other_outcomes().find(c["id"].get<std::string>());
    if (!verdict.wrong.empty() && other != other_outcomes().end()) {
      json allowed = c;
      allowed["client_must_get"] = {{"status", {other->second.first}}};
      verdict = {differences(allowed, played), true};
    }
    if (mesh_.plaintext_segments() > 0) verdict.wrong.push_back("plaintext between two sidecars");
    return verdict;
  }

 private:
  void apply(std::string_view rules) {
    if (rules == applied_) return;
    applied_ = rules;
    const CallResult result = mesh_.apply(route(rules));
    EXPECT_EQ(result.status, 200) << result.body;
    mesh_.world().run_for(Duration::millis(500));
  }

  Mesh mesh_;
  SocketAddress service_;
  std::string_view applied_;
};

std::optional<json> read_cases() {
  const std::filesystem::path file =
      std::filesystem::path(WEFT_SUITES_DIR) / "http-intermediary" / "cases.json";
  if (!std::filesystem::exists(file)) {
    std::printf("suite http-intermediary: not run, %s is missing\n", file.c_str());
    return std::nullopt;
  }
  std::ifstream in(file);
  return json::parse(in)["cases"];
}

TEST(HttpIntermediarySuite, EveryCaseHoldsHoweverTheBytesAreCut) {
  const std::optional<json> cases = read_cases();
  if (!cases) GTEST_SKIP() << "no external test data";
  IntermediarySuite suite(true);
  int passed = 0, total = 0, out = 0;
  for (const json& c : *cases) {
    const std::string id = c["id"];
    SCOPED_TRACE(id);
    std::vector<Split> splits = {Split::kWhole, Split::kOctets};
    if (c.value("split", "") == "1 octet per second") splits = {Split::kOctetASecond};
    std::vector<json> plays = {c};
    if (std::optional<json> behind = with_request_behind(c)) plays.push_back(std::move(*behind));
    bool good = true, otherwise = false;
    for (const json& played : plays) {
      for (Split split : splits) {
        const IntermediarySuite::Verdict verdict = suite.play(played, split);
        otherwise |= verdict.otherwise;
        for (const std::string& wrong : verdict.wrong) {
          good = false;
          ADD_FAILURE() << (split == Split::kWhole ? "whole: " : "cut: ") << wrong << "  ["
                        << c["level"].get<std::string>() << "]";
        }
      }
    }
    if (otherwise && good) {
      ++out;
      continue;
    }
    ++total;
    passed += good;
  }
  std::printf("suite http-intermediary: %d of %d, %d counted out\n", passed, total, out);
  EXPECT_EQ(total + out, 204);
}

// What a transparent sidecar leaves undone on purpose (see proxy/worker.h, Presence), and nothing else.
TEST(HttpIntermediarySuite, ATransparentSidecarDiffersWhereItSaysSo) {
  const std::optional<json> cases = read_cases();
  if (!cases) GTEST_SKIP() << "no external test data";
  IntermediarySuite suite(false);
  std::set<std::string> differing;
  for (const json& c : *cases) {
    if (c.value("split", "").empty() && !suite.play(c, Split::kWhole).wrong.empty())
      differing.insert(c["id"].get<std::string>());
  }
  EXPECT_EQ(differing, (std::set<std::string>{"date-added", "hop-connection-names-authorization",
                                              "spoofed-internal-headers", "ver-10-request",
                                              "ver-response-10", "via-added"}));
}

}  // namespace
}  // namespace weft::scenarios
