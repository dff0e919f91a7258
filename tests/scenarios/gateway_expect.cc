// The suite's own rules of comparison: header values as comma-separated lists in order, Location as a URI
// without a default port written out, names of headers in any case.
#include <algorithm>

#include "base/text.h"
#include "scenarios/gateway_case.h"

namespace weft::scenarios {
namespace {

using nlohmann::json;

std::vector<std::string> list_of(const wire::Fields& fields, std::string_view name) {
  std::vector<std::string> out;
  for (const auto& line : fields) {
    if (!wire::equal_ignoring_case(line.name, name)) continue;
    for (std::string_view one : split(line.value, ',')) out.emplace_back(trim(one));
  }
  return out;
}

std::vector<std::string> list_of(const std::string& text) {
  std::vector<std::string> out;
  for (std::string_view one : split(text, ',')) out.emplace_back(trim(one));
  return out;
}

std::string shown(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& one : list) out += (out.empty() ? "" : ",") + one;
  return "'" + out + "'";
}

struct Url {
  std::string scheme, host, port, rest;
  bool default_port_written = false;
};

Url parse_url(const std::string& text) {
  Url out;
  const size_t mark = text.find("://");
  if (mark == std::string::npos) return {.scheme = {}, .host = {}, .port = {}, .rest = text};
  out.scheme = to_lower(text.substr(0, mark));
  const size_t slash = std::min(text.find('/', mark + 3), text.size());
  const std::string authority = text.substr(mark + 3, slash - mark - 3);
  out.rest = text.substr(slash);
  const std::string usual = out.scheme == "https" ? "443" : "80";
  const size_t colon = authority.rfind(':');
  out.host = to_lower(authority.substr(0, colon));
  out.port = colon == std::string::npos ? usual : authority.substr(colon + 1);
  out.default_port_written = colon != std::string::npos && out.port == usual;
  return out;
}

class Comparison {
 public:
  explicit Comparison(std::vector<Difference>& out) : out_(out) {}

  void differ(const std::string& field, const std::string& what) {
    out_.push_back({field, field + ": " + what});
  }
  void same(const std::string& field, const std::string& expected, const std::string& got) {
    if (expected != got) differ(field, "'" + got + "', not '" + expected + "'");
  }
  void headers(const std::string& field, const json& expect, const wire::Fields& fields) {
    const json wanted = expect.value("headers", json::object());
    for (const auto& [name, value] : wanted.items()) {
      const auto got = list_of(fields, name);
      if (got != list_of(value.get<std::string>())) {
        differ(field + ".headers",
               name + " is " + shown(got) + ", not '" + value.get<std::string>() + "'");
      }
    }
    for (const json& name : expect.value("absent_headers", json::array())) {
      if (fields.has(name.get<std::string>()))
        differ(field + ".absent_headers", name.get<std::string>() + " is there");
    }
  }
  void location(const std::string& expected, const std::string& got) {
    const Url want = parse_url(expected), have = parse_url(got);
    if (want.scheme != have.scheme || want.host != have.host || want.port != have.port ||
        want.rest != have.rest || have.default_port_written) {
      differ("location", "'" + got + "', not '" + expected + "'");
    }
  }

 private:
  std::vector<Difference>& out_;
};

void compare_backend(const json& expect, const PlayedRequest& played, CaseMesh& mesh,
                     Comparison& out) {
  const bool reaches = expect["reaches_backend"];
  // Copies are looked at apart.
  const auto is_mirror = [&](const Echoed& one) {
    const json mirrors = expect.value("mirrored_to", json::array());
    return std::ranges::any_of(mirrors, [&](const json& to) {
      return to["workload"] == one.workload && to["namespace"] == one.ns;
    });
  };
  std::vector<Echoed> reached;
  for (const Echoed& one : played.reached) {
    if (!is_mirror(one)) reached.push_back(one);
  }
  if (reached.size() != (reaches ? 1u : 0u)) {
    return out.differ("reaches_backend", std::to_string(reached.size()) + " requests came");
  }
  if (!reaches) return;
  const Echoed& one = reached[0];
  if (expect.contains("backend")) {
    out.same("backend.workload", expect["backend"]["workload"], one.workload);
    out.same("backend.namespace", expect["backend"]["namespace"], one.ns);
  }
  if (expect.contains("backend_any_of") &&
      std::ranges::none_of(expect["backend_any_of"], [&](const json& any) {
        return any["workload"] == one.workload && any["namespace"] == one.ns;
      })) {
    out.differ("backend_any_of", one.workload + " of " + one.ns);
  }
  if (!expect.contains("backend_request")) return;
  const json& request = expect["backend_request"];
  out.same("backend_request.method", request["method"], one.head.method);
  out.same("backend_request.path", request["path"], one.head.target);
  out.same("backend_request.host", mesh.filled(request["host"]), one.head.authority);
  if (request.contains("protocol")) {
    out.same("backend_request.protocol", request["protocol"],
             one.head.version == wire::Version::kHttp2 ? "HTTP/2.0" : "HTTP/1.1");
  }
  out.headers("backend_request", request, one.head.fields);
}

}  // namespace

std::vector<Difference> differences(const json& expect, const PlayedRequest& played,
                                    CaseMesh& mesh) {
  std::vector<Difference> found;
  Comparison out(found);
  const CaseAnswer& answer = played.answer;
  if (std::ranges::none_of(expect["status"], [&](int status) { return status == answer.status; })) {
    out.differ("status", std::to_string(answer.status) + " " + answer.error);
  }
  if (expect.contains("grpc_status") && expect["grpc_status"] != answer.grpc_status) {
    out.differ("grpc_status", std::to_string(answer.grpc_status));
  }
  compare_backend(expect, played, mesh, out);
  if (expect.contains("response")) out.headers("response", expect["response"], answer.fields);
  if (expect.contains("location")) {
    out.location(mesh.filled(expect["location"]),
                 std::string(answer.fields.get("location").value_or("")));
  }
  for (const json& to : expect.value("mirrored_to", json::array())) {
    const auto count = std::ranges::count_if(played.reached, [&](const Echoed& one) {
      return to["workload"] == one.workload && to["namespace"] == one.ns &&
             to["path"] == one.head.target;
    });
    if (count == 0) out.differ("mirrored_to", "no copy came");
    if (count != to["count"]) out.differ("mirrored_to.count", std::to_string(count));
  }
  if (expect.contains("elapsed_ms")) {
    const json& elapsed = expect["elapsed_ms"];
    const int64_t ms = answer.elapsed.ns / 1'000'000;
    if (ms < elapsed.value("min", int64_t{0}) || ms > elapsed.value("max", int64_t{1} << 40))
      out.differ("elapsed_ms", std::to_string(ms));
  }
  return found;
}

}  // namespace weft::scenarios
