// Matching is a walk over a short list of compiled rules, or over those an index picks out of a long one;
// nothing is allocated but for query parameters and wildcard hosts.
#include "proxy/router.h"

#include <algorithm>

#include "base/text.h"
#include "steer/regex.h"

namespace weft::proxy {
namespace {

// Up to so many rules a walk is cheaper than the index.
constexpr size_t kWalked = 8;

}  // namespace

struct CompiledRule::Patterns {
  std::optional<steer::Regex> path;
  // Beside rule_.match.headers and .query; nothing where the match is exact.
  std::vector<std::optional<steer::Regex>> headers, query;
};

CompiledRule::CompiledRule() : patterns_(std::make_unique<Patterns>()) {}
CompiledRule::~CompiledRule() = default;

Result<std::shared_ptr<const CompiledRule>> CompiledRule::compile(const model::RouteRule& rule) {
  auto compiled = std::make_shared<CompiledRule>();
  compiled->rule_ = rule;
  Patterns& patterns = *compiled->patterns_;
  std::string where = "route " + rule.route + " rule " + rule.rule;

  if (rule.match.path.kind == model::PathMatch::kRegex) {
    auto regex = steer::Regex::compile(rule.match.path.value, where + ": path");
    if (!regex) return std::unexpected(std::move(regex.error()));
    patterns.path = std::move(*regex);
  }
  for (auto [matches, compiled_to] : {std::pair(&rule.match.headers, &patterns.headers),
                                      std::pair(&rule.match.query, &patterns.query)}) {
    for (const model::StringMatch& match : *matches) {
      compiled_to->emplace_back();
      if (match.kind != model::StringMatch::kRegex) continue;
      auto regex = steer::Regex::compile(match.value, where + ": " + match.name);
      if (!regex) return std::unexpected(std::move(regex.error()));
      compiled_to->back() = std::move(*regex);
    }
  }
  auto faults = steer::RuleFaults::compile(rule.fault, rule.route_fault);
  if (!faults) return std::unexpected(std::move(faults.error()));
  compiled->faults_ = std::move(*faults);
  compiled->turns_.emplace(rule.backends);
  return compiled;
}

// `on_miss` is told of each condition that does not hold, and says whether to go on.
template <typename OnMiss>
bool CompiledRule::check(const RequestView& request, OnMiss&& on_miss) const {
  const model::RouteMatch& match = rule_.match;
  const auto holds = [&](bool condition, RuleMiss miss) { return condition || on_miss(miss); };
  const auto path_matches = [&](std::string_view path) {
    switch (match.path.kind) {
      case model::PathMatch::kExact: return path == match.path.value;
      case model::PathMatch::kPrefix: return path_has_prefix(path, match.path.value);
      case model::PathMatch::kRegex: return patterns_->path->matches(path);
    }
    return false;
  };
  const auto value_matches = [](const model::StringMatch& wanted,
                                const std::optional<steer::Regex>& regex, std::string_view value) {
    return regex ? regex->matches(value) : value == wanted.value;
  };

  if (!holds(
          rule_.consumer_namespace.empty() || rule_.consumer_namespace == request.caller_namespace,
          {RuleMiss::kCaller}) ||
      !holds(match.method.empty() || match.method == request.method, {RuleMiss::kMethod}) ||
      !holds(!match.grpc || request.grpc, {RuleMiss::kGrpc}) ||
      !holds(match.host.empty() || host_matches(request.host, match.host), {RuleMiss::kHost}) ||
      !holds(path_matches(path_of(request.target)), {RuleMiss::kPath})) {
    return false;
  }
  for (size_t i = 0; i < match.headers.size(); ++i) {
    const std::optional<std::string_view> value = request.fields.get(match.headers[i].name);
    if (!holds(value && value_matches(match.headers[i], patterns_->headers[i], *value),
               {RuleMiss::kHeader, i})) {
      return false;
    }
  }
  for (size_t i = 0; i < match.query.size(); ++i) {
    const std::optional<std::string> value =
        query_parameter(query_of(request.target), match.query[i].name);
    if (!holds(value && value_matches(match.query[i], patterns_->query[i], *value),
               {RuleMiss::kQuery, i})) {
      return false;
    }
  }
  return true;
}

bool CompiledRule::matches(const RequestView& request) const {
  return check(request, [](RuleMiss) { return false; });
}

std::vector<RuleMiss> CompiledRule::misses(const RequestView& request) const {
  std::vector<RuleMiss> all;
  check(request, [&](RuleMiss miss) {
    all.push_back(miss);
    return true;
  });
  return all;
}

const model::Backend* CompiledRule::next_backend() const { return turns_->next(rule_.backends); }

bool CompiledPort::routed_for(std::string_view caller_namespace) const {
  if (!port.routed) return false;
  if (rules.empty()) return true;
  return std::any_of(rules.begin(), rules.end(), [&](const auto& compiled) {
    const std::string& consumer = compiled->rule().consumer_namespace;
    return consumer.empty() || consumer == caller_namespace;
  });
}

std::shared_ptr<const CompiledRule> CompiledPort::match(const RequestView& request) const {
  if (index) {
    const size_t position = index->find(rules, request);
    return position == RouteIndex::kNone ? nullptr : rules[position];
  }
  for (const auto& rule : rules) {
    if (rule->matches(request)) return rule;
  }
  return nullptr;
}

Result<std::shared_ptr<const CompiledService>> CompiledService::compile(
    const model::Service& service) {
  auto compiled = std::make_shared<CompiledService>();
  compiled->service = service;
  auto fault = steer::FaultRule::compile(service.fault);
  if (!fault) return std::unexpected(std::move(fault.error()));
  compiled->fault = std::move(*fault);
  for (const model::ServicePort& port : service.ports) {
    CompiledPort compiled_port{port, {}, {}};
    for (const model::RouteRule& rule : port.rules) {
      auto compiled_rule = CompiledRule::compile(rule);
      if (!compiled_rule) return std::unexpected(std::move(compiled_rule.error()));
      compiled_port.rules.push_back(std::move(*compiled_rule));
      compiled_port.by_host = compiled_port.by_host || !rule.match.host.empty();
    }
    if (compiled_port.rules.size() > kWalked) {
      compiled_port.index = std::make_unique<const RouteIndex>(compiled_port.rules);
    }
    auto tcp_rules = TcpRules::compile(port.tcp_rules);
    if (!tcp_rules) return std::unexpected(std::move(tcp_rules.error()));
    compiled_port.tcp_rules = std::move(*tcp_rules);
    compiled->ports.push_back(std::move(compiled_port));
  }
  return compiled;
}

const CompiledPort* CompiledService::port(uint16_t number) const {
  for (const CompiledPort& candidate : ports) {
    if (candidate.port.port == number) return &candidate;
  }
  return nullptr;
}

std::vector<model::ServiceName> CompiledService::dependencies() const {
  std::vector<model::ServiceName> names;
  const auto add_each = [&](const auto& targets) {
    for (const auto& target : targets) {
      if (!target.invalid && target.service != service.name) names.push_back(target.service);
    }
  };
  const auto add = [&](const std::vector<model::Backend>& backends) {
    add_each(backends);
    for (const model::Backend& backend : backends) add_each(backend.mirrors);
  };
  for (const CompiledPort& compiled_port : ports) {
    for (const auto& rule : compiled_port.rules) {
      add(rule->rule().backends);
      add_each(rule->rule().mirrors);
    }
    for (const model::TcpRule& rule : compiled_port.port.tcp_rules) add(rule.backends);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

bool host_matches(std::string_view host, std::string_view pattern) {
  if (!pattern.starts_with("*.")) return host == pattern;
  pattern.remove_prefix(1);
  return host.size() > pattern.size() && host.ends_with(pattern);
}

std::string host_of(std::string_view authority) {
  const size_t colon = authority.rfind(':');
  // A colon inside brackets belongs to an IPv6 address.
  if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    authority = authority.substr(0, colon);
  }
  return to_lower(authority);
}

bool path_has_prefix(std::string_view path, std::string_view prefix) {
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  if (!path.starts_with(prefix)) return false;
  return path.size() == prefix.size() || path[prefix.size()] == '/';
}

}  // namespace weft::proxy
