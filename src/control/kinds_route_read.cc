// From the checked tree of a route to values. What a sidecar could not take (xds/convert.h) is held here,
// so that it shows in the route's status instead of as a refusal by every proxy.
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "control/duration.h"
#include "control/kinds_route.h"

namespace weft::control {
namespace {

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

std::vector<model::HeaderModifier::Pair> pairs(const Node& node, std::string_view name) {
  std::vector<model::HeaderModifier::Pair> out;
  for (const Node& one : items_of(node, name)) {
    out.push_back({std::string(one.text_of("name")), std::string(one.text_of("value"))});
  }
  return out;
}

model::PathRewrite path_rewrite(const Node& parent) {
  const Node* node = parent.find("path");
  if (!node) return {};
  const bool full = node->text_of("type") == "ReplaceFullPath";
  return {full ? model::PathRewrite::kFull : model::PathRewrite::kPrefix,
          std::string(node->text_of(full ? "replaceFullPath" : "replacePrefixMatch"))};
}

model::Redirect redirect(const Node& node) {
  model::Redirect out;
  out.scheme = node.text_of("scheme");
  out.hostname = node.text_of("hostname");
  out.path = path_rewrite(node);
  out.port = static_cast<uint16_t>(number_of(node, "port"));
  out.status = static_cast<int>(number_of(node, "statusCode"));
  return out;
}

// Of the filters of a rule or a backendRef.
model::UrlRewrite url_rewrite(const Node& parent) {
  for (const Node& filter : items_of(parent, "filters")) {
    if (const Node* node = filter.find("urlRewrite")) {
      return {std::string(node->text_of("hostname")), path_rewrite(*node)};
    }
  }
  return {};
}

}  // namespace

void RouteReading::report(Position at, std::string path, std::string what, std::string hint) {
  problems_.push_back({std::string(file_), at, std::move(path), std::move(what), std::move(hint)});
}

void RouteReading::hold(const std::string& path, const std::string& why) {
  object_.unsupported.push_back(fmt::format("{}: {}", path, why));
}

void RouteReading::check_regex(const Node& value, const std::string& path) {
  if (value.text.size() > kLongestRegex) {
    return hold(path, fmt::format("{} characters long: Weft carries out regular expressions of at "
                                  "most {}",
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

std::vector<model::StringMatch> RouteReading::strings(const std::vector<Node>& nodes,
                                                      const std::string& path, bool ignore_case) {
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

Duration RouteReading::duration(const Node& parent, std::string_view name, const std::string& path,
                                Duration otherwise) {
  const Duration value = parse_gateway_duration(parent.text_of(name)).value_or(otherwise);
  if (value > kLongestTime) {
    hold(
        fmt::format("{}.{}", path, name),
        fmt::format("{} is longer than a day, the longest Weft carries out", parent.text_of(name)));
  }
  return value;
}

void RouteReading::check_modified_name(const Node& name, const std::string& path) {
  if (!reserved_header(to_lower(name.text))) return;
  report(name.at, path, fmt::format("'{}' cannot be modified", name.text),
         "it belongs to the connection or to Weft");
}

model::HeaderModifier RouteReading::modifier(const Node& node, const std::string& path) {
  for (const char* list : {"set", "add"}) {
    const std::vector<Node>& nodes = items_of(node, list);
    for (size_t i = 0; i < nodes.size(); ++i) {
      check_modified_name(*nodes[i].find("name"), fmt::format("{}.{}[{}].name", path, list, i));
    }
  }
  const std::vector<Node>& removed = items_of(node, "remove");
  for (size_t i = 0; i < removed.size(); ++i) {
    check_modified_name(removed[i], fmt::format("{}.remove[{}]", path, i));
  }
  return {.set = pairs(node, "set"), .add = pairs(node, "add"), .remove = texts_of(node, "remove")};
}

void RouteReading::header_filters(const Node& parent, const std::string& path,
                                  model::HeaderModifier& request, model::HeaderModifier& response) {
  const std::vector<Node>& nodes = items_of(parent, "filters");
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (auto [field, out] : {std::pair("requestHeaderModifier", &request),
                              std::pair("responseHeaderModifier", &response)}) {
      if (const Node* node = nodes[i].find(field)) {
        *out = modifier(*node, fmt::format("{}.filters[{}].{}", path, i, field));
      }
    }
  }
}

HttpRouteSpec RouteReading::route(const Node& spec, ReadRule read_rule) {
  HttpRouteSpec out;
  out.parents = read_parent_refs(spec, meta());
  out.hostnames = read_hostnames(spec);
  const std::vector<Node>& rules = items_of(spec, "rules");
  for (size_t i = 0; i < rules.size(); ++i) {
    out.rules.push_back(read_rule(rules[i], fmt::format("spec.rules[{}]", i), *this));
  }
  return out;
}

std::vector<model::RouteMatch> RouteReading::matches(const Node& rule, const std::string& path,
                                                     ReadMatch read_match) {
  std::vector<model::RouteMatch> out;
  const std::vector<Node>& nodes = items_of(rule, "matches");
  for (size_t i = 0; i < nodes.size(); ++i) {
    out.push_back(read_match(nodes[i], fmt::format("{}.matches[{}]", path, i), *this));
  }
  return out;
}

void RouteReading::filters(const Node& rule, const std::string& path, HttpRouteRule& out) {
  header_filters(rule, path, out.request_headers, out.response_headers);
  out.rewrite = url_rewrite(rule);
  out.mirrors = mirrors(rule, path);
  for (const Node& filter : items_of(rule, "filters")) {
    if (const Node* node = filter.find("requestRedirect")) out.redirect = redirect(*node);
    if (const Node* node = filter.find("cors")) out.cors = read_cors(*node);
  }
}

void RouteReading::backends(const Node& rule, const std::string& path, HttpRouteRule& out) {
  const std::vector<Node>& refs = items_of(rule, "backendRefs");
  for (size_t i = 0; i < refs.size(); ++i) {
    BackendRef ref = read_backend_ref(refs[i], meta());
    const std::string here = fmt::format("{}.backendRefs[{}]", path, i);
    header_filters(refs[i], here, ref.backend.request_headers, ref.backend.response_headers);
    ref.backend.rewrite = url_rewrite(refs[i]);
    ref.mirrors = mirrors(refs[i], here);
    out.backends.push_back(std::move(ref));
  }
}

std::vector<std::string> read_hostnames(const Node& spec) {
  std::vector<std::string> out;
  for (const Node& one : items_of(spec, "hostnames")) out.push_back(to_lower(one.text));
  return out;
}

}  // namespace weft::control
