// Reading an HTTPRoute whose table check passed, and the rules between fields that a table cannot state
// (the CRD's CEL rules, and what would break a message on the wire).
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "control/duration.h"
#include "control/kinds.h"

namespace weft::control {
namespace {

const std::vector<Node>& items_of(const Node& parent, std::string_view name) {
  static const std::vector<Node> kNone;
  const Node* list = parent.find(name);
  return list ? list->items : kNone;
}

uint32_t number_of(const Node& parent, std::string_view name) {
  const Node* node = parent.find(name);
  return node ? static_cast<uint32_t>(node->number) : 0;
}

// What sidecars take (xds/decode.cc).
constexpr size_t kLongestRegex = 1024;
constexpr Duration kLongestTime = Duration::hours(24);

// Fields that frame or route a message: changing them would make a sidecar send something else than it
// decided on.
bool reserved_header(const std::string& name) {
  static const std::set<std::string, std::less<>> kReserved = {
      "connection", "content-length", "host",    "keep-alive",       "proxy-connection",
      "te",         "trailer",        "upgrade", "transfer-encoding"};
  return kReserved.contains(name) || name.starts_with("weft-");
}

class RouteReader {
 public:
  RouteReader(std::string_view file, const ObjectMeta& meta, Problems& problems)
      : file_(file), meta_(meta), problems_(problems) {}

  HttpRouteSpec spec(const Node& node) {
    HttpRouteSpec out;
    parents(items_of(node, "parentRefs"), out);
    const std::vector<Node>& rules = items_of(node, "rules");
    std::set<std::string, std::less<>> names;
    size_t matches = 0;
    for (size_t i = 0; i < rules.size(); ++i) {
      const std::string path = fmt::format("spec.rules[{}]", i);
      out.rules.push_back(rule(rules[i], path));
      matches += out.rules.back().matches.size();
      if (const Node* name = rules[i].find("name"); name && !names.insert(name->text).second) {
        report(name->at, path + ".name",
               fmt::format("the name '{}' is taken by a rule before", name->text),
               "each name once");
      }
    }
    if (matches > 128) {
      report(node.at, "spec.rules", fmt::format("{} matches in all: at most 128", matches));
    }
    return out;
  }

 private:
  void report(Position at, std::string path, std::string what, std::string hint = "") {
    problems_.push_back(
        {std::string(file_), at, std::move(path), std::move(what), std::move(hint)});
  }

  model::ServiceName service_of(const Node& ref) const {
    const std::string_view ns = ref.text_of("namespace");
    return {ns.empty() ? meta_.ns : std::string(ns), std::string(ref.text_of("name"))};
  }

  void parents(const std::vector<Node>& refs, HttpRouteSpec& out) {
    for (size_t i = 0; i < refs.size(); ++i) {
      ParentRef parent{service_of(refs[i]), static_cast<uint16_t>(number_of(refs[i], "port"))};
      for (const ParentRef& before : out.parents) {
        if (before.service != parent.service) continue;
        const std::string path = fmt::format("spec.parentRefs[{}]", i);
        if (before.port == parent.port) {
          report(refs[i].at, path, "the same parent twice", "each parent once");
        } else if (before.port == 0 || parent.port == 0) {
          report(refs[i].at, path,
                 fmt::format("{} is a parent with and without a port", parent.service.to_string()),
                 "give each a port, or only one without");
        }
      }
      out.parents.push_back(std::move(parent));
    }
  }

  HttpRouteRule rule(const Node& node, const std::string& path) {
    HttpRouteRule out;
    out.name = node.text_of("name");
    const std::vector<Node>& matches = items_of(node, "matches");
    for (size_t i = 0; i < matches.size(); ++i) {
      out.matches.push_back(match(matches[i], fmt::format("{}.matches[{}]", path, i)));
    }
    if (out.matches.empty()) out.matches.emplace_back();
    filters(node, path, out.request_headers, out.response_headers);
    const std::vector<Node>& refs = items_of(node, "backendRefs");
    for (size_t i = 0; i < refs.size(); ++i) {
      model::Backend backend;
      backend.service = service_of(refs[i]);
      backend.port = static_cast<uint16_t>(number_of(refs[i], "port"));
      backend.weight = number_of(refs[i], "weight");
      filters(refs[i], fmt::format("{}.backendRefs[{}]", path, i), backend.request_headers,
              backend.response_headers);
      out.backends.push_back(std::move(backend));
    }
    if (const Node* timeouts = node.find("timeouts")) read_timeouts(*timeouts, path, out);
    if (const Node* retry = node.find("retry")) out.retry = read_retry(*retry, path);
    return out;
  }

  Duration duration(const Node& parent, std::string_view name, const std::string& path,
                    Duration otherwise = {}) {
    const Duration value = parse_gateway_duration(parent.text_of(name)).value_or(otherwise);
    if (value > kLongestTime) {
      report(parent.find(name)->at, fmt::format("{}.{}", path, name),
             fmt::format("{} is longer than a day", parent.text_of(name)), "at most 24h");
    }
    return value;
  }

  void read_timeouts(const Node& node, const std::string& path, HttpRouteRule& out) {
    out.request_timeout = duration(node, "request", path + ".timeouts");
    out.backend_timeout = duration(node, "backendRequest", path + ".timeouts");
    if (out.request_timeout.ns > 0 && out.backend_timeout > out.request_timeout) {
      report(node.find("backendRequest")->at, path + ".timeouts.backendRequest",
             fmt::format("{} is longer than the request timeout {}", node.text_of("backendRequest"),
                         node.text_of("request")),
             "a try cannot outlast the whole request");
    }
  }

  model::RetryPolicy read_retry(const Node& node, const std::string& path) {
    model::RetryPolicy retry;
    for (const Node& code : items_of(node, "codes")) {
      const int status = static_cast<int>(code.number);
      if (std::ranges::find(retry.codes, status) != retry.codes.end()) {
        report(code.at, path + ".retry.codes", fmt::format("{} is there twice", status));
      }
      retry.codes.push_back(status);
    }
    retry.attempts = number_of(node, "attempts");
    retry.backoff = duration(node, "backoff", path + ".retry", retry.backoff);
    return retry;
  }

  // --- matches ---

  void check_regex(const Node& value, const std::string& path) {
    if (value.text.size() > kLongestRegex) {
      return report(value.at, path,
                    fmt::format("{} characters long: a regular expression has at most {}",
                                value.text.size(), kLongestRegex));
    }
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(1 << 20);
    const RE2 regex(value.text, options);
    if (!regex.ok()) {
      report(value.at, path, fmt::format("not a regular expression: {}", regex.error()),
             "syntax: RE2, without back references and look-around");
    }
  }

  void check_path(const Node& value, const std::string& path) {
    const std::string& text = value.text;
    if (!text.starts_with('/')) {
      return report(value.at, path, fmt::format("'{}' does not begin with '/'", text),
                    fmt::format("did you mean '/{}'?", text));
    }
    for (const char* bad : {"//", "/./", "/../", "%2f", "%2F", "#", "?"}) {
      if (text.find(bad) == std::string::npos) continue;
      return report(value.at, path, fmt::format("a path must not hold '{}'", bad),
                    *bad == '?' ? "match the query with queryParams" : "");
    }
    if (text.ends_with("/..") || text.ends_with("/.")) {
      return report(value.at, path, "a path must not end in '/.' or '/..'");
    }
    static constexpr std::string_view kMarks = "-._~!$&'()*+,;=:@/";
    for (size_t i = 0; i < text.size(); ++i) {
      const auto hex = [&](size_t at) {
        return at < text.size() && std::isxdigit(static_cast<unsigned char>(text[at])) != 0;
      };
      if (std::isalnum(static_cast<unsigned char>(text[i])) != 0) continue;
      if (kMarks.find(text[i]) != std::string_view::npos) continue;
      if (text[i] == '%' && hex(i + 1) && hex(i + 2)) continue;
      return report(value.at, path, fmt::format("'{}' is not a path", text),
                    "percent-encode characters that RFC 3986 does not allow");
    }
  }

  model::RouteMatch match(const Node& node, const std::string& path) {
    model::RouteMatch out;
    if (const Node* path_node = node.find("path")) {
      const std::string_view type = path_node->text_of("type");
      const Node& value = *path_node->find("value");
      out.path.value = value.text;
      out.path.kind = type == "Exact"               ? model::PathMatch::kExact
                      : type == "RegularExpression" ? model::PathMatch::kRegex
                                                    : model::PathMatch::kPrefix;
      if (out.path.kind == model::PathMatch::kRegex) {
        check_regex(value, path + ".path.value");
      } else {
        check_path(value, path + ".path.value");
      }
    }
    out.method = node.text_of("method");
    out.headers = strings(items_of(node, "headers"), path + ".headers", true);
    out.query = strings(items_of(node, "queryParams"), path + ".queryParams", false);
    return out;
  }

  std::vector<model::StringMatch> strings(const std::vector<Node>& nodes, const std::string& path,
                                          bool ignore_case) {
    std::vector<model::StringMatch> out;
    std::set<std::string, std::less<>> names;
    for (size_t i = 0; i < nodes.size(); ++i) {
      model::StringMatch one;
      one.kind = nodes[i].text_of("type") == "RegularExpression" ? model::StringMatch::kRegex
                                                                 : model::StringMatch::kExact;
      one.name = nodes[i].text_of("name");
      one.value = nodes[i].text_of("value");
      const std::string here = fmt::format("{}[{}]", path, i);
      if (one.kind == model::StringMatch::kRegex)
        check_regex(*nodes[i].find("value"), here + ".value");
      if (!names.insert(ignore_case ? to_lower(one.name) : one.name).second) {
        report(nodes[i].find("name")->at, here + ".name",
               fmt::format("'{}' is matched twice: only the first would count", one.name),
               "write one regular expression, or two matches");
      }
      out.push_back(std::move(one));
    }
    return out;
  }

  // --- filters ---

  void filters(const Node& parent, const std::string& path, model::HeaderModifier& request,
               model::HeaderModifier& response) {
    const std::vector<Node>& nodes = items_of(parent, "filters");
    std::set<std::string, std::less<>> seen;
    for (size_t i = 0; i < nodes.size(); ++i) {
      const std::string here = fmt::format("{}.filters[{}]", path, i);
      const std::string type(nodes[i].text_of("type"));
      if (type != "RequestHeaderModifier" && type != "ResponseHeaderModifier")
        continue;  // reported
      const bool of_request = type == "RequestHeaderModifier";
      const char* wanted = of_request ? "requestHeaderModifier" : "responseHeaderModifier";
      const char* other = of_request ? "responseHeaderModifier" : "requestHeaderModifier";
      if (!seen.insert(type).second) {
        report(nodes[i].at, here, fmt::format("a second {} in this list", type), "join the two");
      }
      if (const Node* stray = nodes[i].find(other)) {
        report(stray->at, here + "." + other, fmt::format("does not belong to type {}", type));
      }
      if (const Node* node = nodes[i].find(wanted)) {
        modifier(*node, here + "." + wanted, of_request ? request : response);
      } else {
        report(nodes[i].at, here + "." + wanted, fmt::format("required by type {}", type));
      }
    }
  }

  void check_modified_name(const Node& name, const std::string& path,
                           std::set<std::string, std::less<>>& seen) {
    const std::string key = to_lower(name.text);
    if (reserved_header(key)) {
      report(name.at, path, fmt::format("'{}' cannot be modified", name.text),
             "it belongs to the connection or to Weft");
    } else if (!seen.insert(key).second) {
      report(name.at, path, fmt::format("'{}' is there twice", name.text), "each name once");
    }
  }

  std::vector<model::HeaderModifier::Pair> pairs(const std::vector<Node>& nodes,
                                                 const std::string& path) {
    std::vector<model::HeaderModifier::Pair> out;
    std::set<std::string, std::less<>> seen;
    for (size_t i = 0; i < nodes.size(); ++i) {
      check_modified_name(*nodes[i].find("name"), fmt::format("{}[{}].name", path, i), seen);
      out.push_back(
          {std::string(nodes[i].text_of("name")), std::string(nodes[i].text_of("value"))});
    }
    return out;
  }

  void modifier(const Node& node, const std::string& path, model::HeaderModifier& out) {
    out.set = pairs(items_of(node, "set"), path + ".set");
    out.add = pairs(items_of(node, "add"), path + ".add");
    const std::vector<Node>& removed = items_of(node, "remove");
    std::set<std::string, std::less<>> seen;
    for (size_t i = 0; i < removed.size(); ++i) {
      check_modified_name(removed[i], fmt::format("{}.remove[{}]", path, i), seen);
      out.remove.push_back(removed[i].text);
    }
  }

  std::string_view file_;
  const ObjectMeta& meta_;
  Problems& problems_;
};

}  // namespace

void read_http_route(const Node& document, std::string_view file, Object& object,
                     Problems& problems) {
  RouteReader reader(file, object.meta, problems);
  object.spec = reader.spec(*document.find("spec"));
}

}  // namespace weft::control
