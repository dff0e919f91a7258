// The header rules of the trace-context suite, applied to the fields of a request. Cases that are about
// more than what one request's fields become are counted out, each with its reason.
#include "telemetry/trace_headers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace weft::telemetry {
namespace {

using Json = nlohmann::json;

const std::map<std::string, const char*>& counted_out() {
  static const std::map<std::string, const char*> reasons = {
      {"tp-retry-new-span", "one span per request, not per attempt"},
      {"tp-mirror", "requests are not mirrored"},
      {"edge-restart", "there is no setting to distrust callers"},
      {"h2-names-lowercase", "about the HTTP/2 encoder, tested with it"},
      {"grpc-metadata", "needs a gRPC call through two sidecars"},
      {"response-no-leak", "about the response"},
      {"log-and-metric-id", "about the access log"},
  };
  return reasons;
}

// Strings of the suite are byte strings: U+00NN is octet NN.
std::string bytes_of(const Json& value) {
  std::string out;
  const auto text = value.get<std::string>();
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      out += text[i];
    } else {
      out += static_cast<char>((c & 0x03) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3f));
    }
  }
  return out;
}

std::vector<std::string> members(const wire::Fields& fields, std::string_view name) {
  std::vector<std::string> all;
  for (const auto& line : fields) {
    if (!wire::equal_ignoring_case(line.name, name)) continue;
    std::string member;
    for (const char c : std::string(line.value) + ",") {
      if (c != ',') {
        member += c;
        continue;
      }
      const size_t begin = member.find_first_not_of(" \t");
      if (begin != member.npos) {
        all.push_back(member.substr(begin, member.find_last_not_of(" \t") - begin + 1));
      }
      member.clear();
    }
  }
  return all;
}

bool all_sent(const std::vector<std::string>& left, const std::vector<std::string>& sent) {
  return std::ranges::all_of(
      left, [&](const auto& member) { return std::ranges::count(sent, member) > 0; });
}

// What is wrong with the outcome; "" when it is as expected.
std::string judge(const Json& expect, const wire::Fields& before, const wire::Fields& after) {
  if (after.count("traceparent") != 1) return "not one traceparent line";
  const std::string header(*after.get("traceparent"));
  const auto sent = parse_traceparent(header);
  if (!sent || !header.starts_with("00-")) return "sent an invalid traceparent " + header;
  const auto has = [&](const char* key) { return expect.contains(key); };
  const std::string id = sent->trace_id_hex();
  const auto is = [&](const Json& value) { return value.get<std::string>() == id; };
  if (has("trace_id") && !is(expect["trace_id"])) return "another trace";
  if (has("trace_id_not") && is(expect["trace_id_not"])) return "the same trace";
  if (has("trace_id_not_any")) {
    for (const auto& other : expect["trace_id_not_any"]) {
      if (is(other)) return "the same trace";
    }
  }
  if (has("parent_id") && before.get("traceparent")->contains(sent->parent_id_hex())) {
    return "the same parent";
  }
  if (has("flags") && !header.ends_with("-" + expect["flags"].get<std::string>())) return "flags";
  if (has("flags_bit_set") && (sent->flags & 2) == 0) return "random flag";

  const auto state = members(after, "tracestate"), state_sent = members(before, "tracestate");
  if (has("tracestate_members") &&
      expect["tracestate_members"].get<std::vector<std::string>>() != state)
    return "tracestate";
  if (has("tracestate_absent_keys") && !state.empty()) return "tracestate was kept";
  if (has("tracestate")) {
    if (!all_sent(state, state_sent) || state.size() > 32) return "tracestate members";
    const auto rule = expect["tracestate"].get<std::string>();
    if (rule == "absent or without the bad member" && !state.empty()) return "bad member was kept";
  }
  if (has("baggage_members") &&
      expect["baggage_members"].get<std::vector<std::string>>() != members(after, "baggage")) {
    return "baggage";
  }
  if (!all_sent(members(after, "baggage"), members(before, "baggage"))) return "baggage members";
  if (has("forwarded")) {
    for (const auto& [name, value] : expect["forwarded"].items()) {
      if (after.get(name) != bytes_of(value)) return "not forwarded: " + name;
    }
  }
  return {};
}

TEST(TraceHeaders, TheSuitesCasesHold) {
  std::ifstream file(WEFT_SUITES_DIR "/trace-context/cases.json");
  if (!file) GTEST_SKIP() << "no suite at " WEFT_SUITES_DIR;
  const Json suite = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(suite.contains("cases"));
  SeededRandom random(11);
  size_t passed = 0, run = 0, out = 0;
  for (const Json& test : suite["cases"]) {
    const auto id = test["id"].get<std::string>();
    // B3 is neither read nor written, and there is no switch that turns tracing off.
    if (test["mode"].get<std::string>() != "participate" || counted_out().contains(id)) {
      ++out;
      continue;
    }
    wire::Fields before;
    for (const Json& line : test["request_lines"]) before.add(bytes_of(line[0]), bytes_of(line[1]));
    wire::Fields after = before;
    participate(after, random);
    const std::string wrong = judge(test["expect"], before, after);
    EXPECT_EQ(wrong, "") << id << ": " << test["title"];
    ++run;
    passed += wrong.empty();
  }
  std::printf("suite trace-context: %zu of %zu, %zu counted out\n", passed, run, out);
  EXPECT_EQ(run + out, 109u);
}

TEST(TraceHeaders, EachRequestGetsASpanOfItsOwn) {
  SeededRandom random(3);
  wire::Fields one, two;
  one.add("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  two = one;
  EXPECT_NE(participate(one, random).parent_id, participate(two, random).parent_id);
}

TEST(TraceHeaders, GoodTracestateLinesAreLeftAlone) {
  SeededRandom random(3);
  wire::Fields fields;
  fields.add("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  fields.add("TraceState", " a=1 ,, b=2");
  fields.add("tracestate", "c=3");
  participate(fields, random);
  ASSERT_EQ(fields.size(), 3u);
  EXPECT_EQ(fields[1].name, "TraceState");
  EXPECT_EQ(fields[1].value, " a=1 ,, b=2");
  EXPECT_EQ(fields[2].value, "c=3");
}

TEST(TraceHeaders, ABadMemberGoesAndTheOthersStay) {
  SeededRandom random(3);
  wire::Fields fields;
  fields.add("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  fields.add("tracestate", "a=1,B=2,c=,d=4");
  fields.add("tracestate", "e=5");
  participate(fields, random);
  EXPECT_EQ(fields.count("tracestate"), 1u);
  EXPECT_EQ(fields.get("tracestate"), "a=1,d=4,e=5");
}

}  // namespace
}  // namespace weft::telemetry
