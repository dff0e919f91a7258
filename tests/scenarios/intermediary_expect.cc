// What a case demands of the backend's and of the client's side, key by key. A key nobody knows here fails
// the case, so that none is passed over.
#include <algorithm>

#include "base/text.h"
#include "scenarios/intermediary_case.h"

namespace weft::scenarios {
namespace {

using nlohmann::json;

// Collects what is wrong.
struct Verdict {
  std::vector<std::string> wrong;
  void check(bool good, const std::string& what) {
    if (!good) wrong.push_back(what);
  }
};

std::string cat(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (std::string_view part : parts) out += part;
  return out;
}

std::string joined(const std::vector<std::string>& values) {
  std::string out;
  for (const std::string& value : values) out.append(out.empty() ? "" : " | ").append(value);
  return out;
}

bool has_option(const plain::Message& m, std::string_view option) {
  for (const std::string& value : m.all("connection")) {
    for (std::string_view word : split(value, ',')) {
      if (plain::Message::same_name(trim(word), option)) return true;
    }
  }
  return false;
}

// fields, present, absent, absent_values, lines: the same words for both sides.
void check_fields(const std::string& side, const json& want, const plain::Message& m, Verdict& v) {
  for (const auto& [name, value] : want.value("fields", json::object()).items()) {
    const std::vector<std::string> all = m.all(name);
    const std::string expected = octets_of(value);
    const bool option = name == "connection" && has_option(m, expected);
    v.check(option || (all.size() == 1 && all[0] == expected),
            cat({side, ": ", name, " is \"", joined(all), "\""}));
  }
  for (const json& name : want.value("present", json::array()))
    v.check(m.has(name.get<std::string>()), side + ": no " + name.get<std::string>());
  for (const json& name : want.value("absent", json::array()))
    v.check(!m.has(name.get<std::string>()), side + ": there is " + name.get<std::string>());
  for (const auto& [name, value] : want.value("absent_values", json::object()).items()) {
    for (const std::string& line : m.all(name))
      v.check(line.find(octets_of(value)) == std::string::npos,
              cat({side, ": ", name, ": ", line}));
  }
  for (const auto& [name, values] : want.value("lines", json::object()).items()) {
    std::vector<std::string> expected;
    for (const json& value : values) expected.push_back(octets_of(value));
    v.check(m.all(name) == expected, cat({side, ": lines of ", name, ": ", joined(m.all(name))}));
  }
}

void check_request(const json& want, const PlayedCase& played, Verdict& v) {
  const plain::Message& m = played.reached[0].message;
  check_fields("backend", want, m, v);
  v.check(want.value("method", m.method) == m.method, "backend: method " + m.method);
  v.check(want.value("target", m.target) == m.target, "backend: target " + m.target);
  v.check(want.value("version", m.version) == m.version, "backend: version " + m.version);
  if (want.contains("body"))
    v.check(m.body == octets_of(want["body"]), "backend: body \"" + m.body + "\"");
  for (const json& option : want.value("connection_options", json::array()))
    v.check(has_option(m, option.get<std::string>()), "backend: no option " + option.dump());
  for (const json& option : want.value("absent_connection_options", json::array()))
    v.check(!has_option(m, option.get<std::string>()), "backend: option " + option.dump());
  for (const json& name : want.value("not_in_header_section", json::array()))
    v.check(!m.has(name.get<std::string>()), "backend: header " + name.get<std::string>());
  for (const auto& [name, value] : want.value("trailers_if_forwarded", json::object()).items()) {
    for (const plain::Line& line : m.trailers) {
      if (plain::Message::same_name(line.name, name))
        v.check(line.value == octets_of(value), "backend: trailer " + line.value);
    }
  }
  for (const auto& [name, value] : want.value("if_present", json::object()).items()) {
    const std::vector<std::string> all = m.all(name);
    if (all.empty()) continue;
    v.check(name == "te" ? has_option(m, "te") : all[0] == octets_of(value),
            cat({"backend: ", name, " is ", joined(all)}));
  }
  if (want.contains("via_starts_with")) {
    const std::string via = joined(m.all("via"));
    v.check(via.starts_with(want["via_starts_with"].get<std::string>()) &&
                via.find("1.1 ") != std::string::npos,
            "backend: Via is \"" + via + "\"");
  }
  if (want.contains("tunnel_bytes")) {
    v.check(played.reached[0].tunnel == octets_of(want["tunnel_bytes"]),
            "backend: tunnel \"" + played.reached[0].tunnel + "\"");
    if (want.contains("then")) v.check(played.reached[0].tunnel_ended, "backend: tunnel goes on");
  }
  if (want.value("backend_connection", "") == "closed")
    v.check(played.backend_closed[0], "backend: its connection is open");
}

void check_backend(const json& c, const PlayedCase& played, Verdict& v) {
  const json& want = c["backend_must_see"];
  size_t count = played.reached.size();
  v.check(!played.garbage, "backend: garbage");
  if (want.contains("attempts")) {
    v.check(count == want["attempts"], "backend: " + std::to_string(count) + " attempts");
    count = static_cast<size_t>(std::count_if(played.reached.begin(), played.reached.end(),
                                              [](const Reached& r) { return r.answered; }));
  }
  const bool maybe = want["requests"].is_string() || c.contains("allow_backend");
  v.check(maybe ? count <= 1 : count == want["requests"],
          "backend: " + std::to_string(count) + " requests");
  if (c.contains("allow_backend") || (want.contains("complete") && !want["complete"])) {
    for (const Reached& request : played.reached)
      v.check(!request.complete, "backend: the request looks complete");
  }
  std::vector<std::string> targets;
  for (const Reached& request : played.reached) targets.push_back(request.message.target);
  if (want.contains("targets")) {
    v.check(targets == want["targets"].get<std::vector<std::string>>(),
            "backend: targets " + joined(targets));
  }
  const std::string never = want.value("never_target", "/weft-evil");
  v.check(std::find(targets.begin(), targets.end(), never) == targets.end(),
          "backend: target " + never);
  if (!played.reached.empty()) check_request(want, played, v);
}

void check_answer(const std::string& side, const json& want, const plain::Message& m, Verdict& v) {
  check_fields(side, want, m, v);
  const json status = want.value("status", json::array());
  v.check(status.empty() || std::find(status.begin(), status.end(), m.status) != status.end(),
          side + ": status " + std::to_string(m.status));
  v.check(want.value("version", m.version) == m.version, side + ": version " + m.version);
  if (want.contains("body"))
    v.check(m.body == octets_of(want["body"]), cat({side, ": body \"", m.body, "\""}));
  if (want.contains("framing"))
    v.check(m.chunked || m.to_close, side + ": neither chunked nor to the end");
  for (const auto& [name, value] : want.value("never_field", json::object()).items()) {
    for (const std::string& line : m.all(name))
      v.check(line != octets_of(value), cat({side, ": ", name}));
  }
}

void check_client(const json& c, const PlayedCase& played, Verdict& v) {
  const json& want = c["client_must_get"];
  if (want.contains("never"))
    v.check(played.raw.find(want["never"].get<std::string>()) == std::string::npos,
            "client: got what it must never get");
  if (want.contains("interim"))
    v.check(json(played.interims) == want["interim"],
            "client: interim " + json(played.interims).dump());
  // "no response", "close without response"
  if (played.answers.empty() && want.contains("or")) return;
  const size_t responses = want.value("responses", size_t{1});
  v.check(played.answers.size() == responses,
          "client: " + std::to_string(played.answers.size()) + " responses");
  if (played.answers.empty()) return;
  check_answer("client", want, played.answers[0], v);
  if (want.contains("first")) check_answer("client", want["first"], played.answers[0], v);
  std::vector<std::string> bodies;
  for (const plain::Message& m : played.answers) bodies.push_back(m.body);
  for (const char* key : {"bodies", "order"}) {
    if (want.contains(key))
      v.check(bodies == want[key].get<std::vector<std::string>>(),
              "client: bodies " + joined(bodies));
  }
  const bool complete = want.value("complete", true);
  v.check(played.complete == complete || played.answers[0].tunnel,
          complete ? "client: the answer is cut" : "client: the answer looks whole");
  if (want.contains("tunnel_bytes"))
    v.check(played.tunnel == octets_of(want["tunnel_bytes"]),
            "client: tunnel \"" + played.tunnel + "\"");
  if (want.contains("connection"))
    v.check(played.closed == (want["connection"] == "close"),
            played.closed ? "client: connection closed" : "client: connection stays open");
}

}  // namespace

std::vector<std::string> differences(const json& c, const PlayedCase& played) {
  static const std::vector<std::string> kKnown = {"requests",
                                                  "method",
                                                  "target",
                                                  "targets",
                                                  "version",
                                                  "fields",
                                                  "present",
                                                  "absent",
                                                  "absent_values",
                                                  "lines",
                                                  "connection_options",
                                                  "absent_connection_options",
                                                  "body",
                                                  "complete",
                                                  "not_in_header_section",
                                                  "trailers_if_forwarded",
                                                  "if_present",
                                                  "via_starts_with",
                                                  "via_adds",
                                                  "never_target",
                                                  "attempts",
                                                  "tunnel_bytes",
                                                  "then",
                                                  "backend_connection",
                                                  "status",
                                                  "connection",
                                                  "framing",
                                                  "never_field",
                                                  "interim",
                                                  "responses",
                                                  "first",
                                                  "bodies",
                                                  "order",
                                                  "never",
                                                  "or"};
  Verdict v;
  for (const char* part : {"backend_must_see", "client_must_get"}) {
    for (const auto& [key, value] : c[part].items())
      v.check(std::find(kKnown.begin(), kKnown.end(), key) != kKnown.end(), "unknown key " + key);
  }
  check_backend(c, played, v);
  check_client(c, played, v);
  return v.wrong;
}

}  // namespace weft::scenarios
