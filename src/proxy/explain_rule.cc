// Rules in words.
#include <fmt/format.h>

#include "base/text.h"
#include "proxy/explain.h"

namespace weft::proxy {
namespace {

using Values = std::vector<Explanation::Value>;

std::string match_text(const model::StringMatch& match) {
  return fmt::format("{}{}{}", match.name,
                     match.kind == model::StringMatch::kRegex ? " matching " : ": ", match.value);
}

std::string path_text(const model::PathMatch& path) {
  switch (path.kind) {
    case model::PathMatch::kExact: return "the path " + path.value;
    case model::PathMatch::kPrefix: return "a path below " + path.value;
    case model::PathMatch::kRegex: return "a path matching " + path.value;
  }
  return "";
}

void put_modifier(const std::string& name, const model::HeaderModifier& modifier,
                  const std::string& origin, Values& values) {
  for (const auto& pair : modifier.set) {
    values.push_back({name + " set", pair.name + ": " + pair.value, origin});
  }
  for (const auto& pair : modifier.add) {
    values.push_back({name + " added", pair.name + ": " + pair.value, origin});
  }
  for (const std::string& removed : modifier.remove) {
    values.push_back({name + " removed", removed, origin});
  }
}

}  // namespace

std::string readable(Duration duration) {
  if (duration.ns <= 0) return "none";
  if (duration.ns % 1'000'000'000 == 0) return fmt::format("{}s", duration.ns / 1'000'000'000);
  return fmt::format("{:g}ms", static_cast<double>(duration.ns) / 1e6);
}

std::string readable(model::Protocol protocol) {
  return protocol == model::Protocol::kAuto ? "no protocol declared"
                                            : "declared " + std::string(to_string(protocol));
}

std::string readable(const model::RequestKey& key) {
  switch (key.kind) {
    case model::RequestKey::kHeader: return "header " + key.name;
    case model::RequestKey::kCookie: return "cookie " + key.name;
    case model::RequestKey::kQuery: return "query parameter " + key.name;
    case model::RequestKey::kSourceIdentity: return "source identity";
    case model::RequestKey::kSourceAddress: return "source address";
  }
  return "";
}

std::string origin_of(const model::RouteRule& rule) {
  return fmt::format("{} {} rule {}", rule.match.grpc ? "GRPCRoute" : "HTTPRoute", rule.route,
                     rule.rule);
}

std::string origin_of(const model::TcpRule& rule) {
  return fmt::format("{} {} rule {}", rule.hostnames.empty() ? "TCPRoute" : "TLSRoute", rule.route,
                     rule.rule);
}

std::string need_of(const RuleMiss& miss, const model::RouteRule& rule) {
  const model::RouteMatch& match = rule.match;
  switch (miss.kind) {
    case RuleMiss::kCaller: return "a caller of the namespace " + rule.consumer_namespace;
    case RuleMiss::kMethod: return "the method " + match.method;
    case RuleMiss::kGrpc: return "a gRPC request";
    case RuleMiss::kHost: return "the host " + match.host;
    case RuleMiss::kPath: return path_text(match.path);
    case RuleMiss::kHeader: return "the header " + match_text(match.headers[miss.index]);
    case RuleMiss::kQuery: return "the query parameter " + match_text(match.query[miss.index]);
  }
  return "";
}

std::string conditions_of(const model::RouteRule& rule) {
  const model::RouteMatch& match = rule.match;
  std::vector<std::string> all;
  const auto need = [&](RuleMiss::Kind kind, size_t index = 0) {
    all.push_back(need_of({kind, index}, rule));
  };
  if (!rule.consumer_namespace.empty()) need(RuleMiss::kCaller);
  if (!match.host.empty()) need(RuleMiss::kHost);
  if (!match.method.empty()) need(RuleMiss::kMethod);
  if (match.grpc) need(RuleMiss::kGrpc);
  need(RuleMiss::kPath);
  for (size_t i = 0; i < match.headers.size(); ++i) need(RuleMiss::kHeader, i);
  for (size_t i = 0; i < match.query.size(); ++i) need(RuleMiss::kQuery, i);
  return join(all, ", ");
}

Values values_of(const model::TcpRule& rule) {
  Values values;
  for (const model::Backend& backend : rule.backends) {
    values.push_back({"backend",
                      fmt::format("{}:{}, weight {}{}", backend.service.to_string(), backend.port,
                                  backend.weight, backend.invalid ? ", cannot be resolved" : ""),
                      origin_of(rule)});
  }
  return values;
}

Values values_of(const model::RouteRule& rule) {
  Values values;
  const std::string origin = origin_of(rule);
  const auto put_time = [&](const char* name, Duration time) {
    values.push_back({name, readable(time), time.ns > 0 ? origin : ""});
  };
  put_time("timeout", rule.request_timeout);
  put_time("timeout of a try", rule.backend_timeout);
  put_modifier("request header", rule.request_headers, origin, values);
  put_modifier("response header", rule.response_headers, origin, values);
  for (const model::Backend& backend : rule.backends) {
    const std::string name = fmt::format("{}:{}", backend.service.to_string(), backend.port);
    values.push_back({"backend",
                      fmt::format("{}, weight {}{}", name, backend.weight,
                                  backend.invalid ? ", cannot be resolved: its share fails" : ""),
                      origin});
    put_modifier("request header for " + name, backend.request_headers, origin, values);
    put_modifier("response header of " + name, backend.response_headers, origin, values);
  }
  if (rule.cors) {
    values.push_back({"cross-origin requests of", join(rule.cors->allow_origins, ", "), origin});
  }
  if (rule.persistence) {
    values.push_back({"session by",
                      (rule.persistence->header ? "header " : "cookie ") + rule.persistence->name +
                          ": a client that sends one stays on its instance while that serves",
                      origin});
  }
  return values;
}

}  // namespace weft::proxy
