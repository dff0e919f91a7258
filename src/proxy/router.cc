// Matching is a walk over a short list of compiled rules, or over those an index picks out of a long one;
// nothing is allocated but for query parameters and wildcard hosts.
#include "proxy/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "steer/regex.h"
#include "xds/convert.h"

namespace weft::proxy {
namespace {

// Up to so many rules a walk is cheaper than the index.
constexpr size_t kWalked = 8;

template <typename T>
void sort_unique(std::vector<T>& list) {
  std::ranges::sort(list);
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

void add_targets(const std::vector<model::Mirror>& mirrors, std::vector<model::ServiceName>& out) {
  for (const model::Mirror& mirror : mirrors) {
    if (!mirror.invalid) out.push_back(mirror.service);
  }
}

void add_targets(const std::vector<model::Backend>& backends,
                 std::vector<model::ServiceName>& out) {
  for (const model::Backend& backend : backends) {
    if (!backend.invalid) out.push_back(backend.service);
    add_targets(backend.mirrors, out);
  }
}

// Takes the rules out of `port`.
Result<CompiledPort> compile_port(model::ServicePort& port, const CompiledService::Parts& parts,
                                  std::vector<model::ServiceName>& dependencies) {
  CompiledPort out;
  const auto take = [&](const CompiledPart& part) {
    out.rules.insert(out.rules.end(), part.rules.begin(), part.rules.end());
    dependencies.insert(dependencies.end(), part.backends.begin(), part.backends.end());
    out.consumers.insert(out.consumers.end(), part.consumers.begin(), part.consumers.end());
  };
  auto own = CompiledPart::compile(std::exchange(port.rules, {}));
  if (!own) return std::unexpected(std::move(own.error()));
  take(**own);
  for (const uint64_t id : port.parts) {
    const CompiledPartPtr part = parts ? parts(id) : nullptr;
    if (!part) return fail(ErrorKind::kNotFound, fmt::format("part {:016x} of its rules", id));
    take(*part);
    if (out.rules.size() > xds::kPortRules) {
      return fail(ErrorKind::kInvalid,
                  fmt::format("port {}: more than {} rules", port.port, xds::kPortRules));
    }
  }
  sort_unique(out.consumers);
  out.by_host = std::ranges::any_of(out.rules, [](const auto& r) { return r->place().by_host; });
  if (out.rules.size() > kWalked) out.index = std::make_unique<const RouteIndex>(out.rules);
  for (const model::TcpRule& rule : port.tcp_rules) add_targets(rule.backends, dependencies);
  auto tcp_rules = TcpRules::compile(port.tcp_rules);
  if (!tcp_rules) return std::unexpected(std::move(tcp_rules.error()));
  out.tcp_rules = std::move(*tcp_rules);
  out.port = port;
  return out;
}

}  // namespace

struct CompiledRule::Patterns {
  std::optional<steer::Regex> path;
  // Beside rule_.match.headers and .query; nothing where the match is exact.
  std::vector<std::optional<steer::Regex>> headers, query;
};

CompiledRule::CompiledRule() : patterns_(std::make_unique<Patterns>()) {}
CompiledRule::~CompiledRule() = default;

Result<std::shared_ptr<const CompiledRule>> CompiledRule::compile(model::RouteRule taken) {
  auto compiled = std::make_shared<CompiledRule>();
  compiled->rule_ = std::move(taken);
  const model::RouteRule& rule = compiled->rule_;
  compiled->place_ = RoutePlace::of(rule);
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

const model::Backend* CompiledRule::next_backend(Random& random) const {
  return turns_->next(rule_.backends, random);
}

bool CompiledPort::routed_for(std::string_view caller_namespace) const {
  if (!port.routed) return false;
  return rules.empty() || std::ranges::any_of(consumers, [&](const std::string& consumer) {
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

Result<CompiledPartPtr> CompiledPart::compile(std::vector<model::RouteRule> rules) {
  auto part = std::make_shared<CompiledPart>();
  part->rules.reserve(rules.size());
  for (model::RouteRule& rule : rules) {
    add_targets(rule.backends, part->backends);
    add_targets(rule.mirrors, part->backends);
    part->consumers.push_back(rule.consumer_namespace);
    auto compiled = CompiledRule::compile(std::move(rule));
    if (!compiled) return std::unexpected(std::move(compiled.error()));
    part->rules.push_back(std::move(*compiled));
  }
  sort_unique(part->backends);
  sort_unique(part->consumers);
  return part;
}

Result<std::shared_ptr<const CompiledService>> CompiledService::compile(model::Service service,
                                                                        const Parts& parts) {
  auto compiled = std::make_shared<CompiledService>();
  std::vector<model::ServiceName>& dependencies = compiled->dependencies_;
  auto fault = steer::FaultRule::compile(service.fault);
  if (!fault) return std::unexpected(std::move(fault.error()));
  compiled->fault = std::move(*fault);
  for (model::ServicePort& port : service.ports) {
    auto compiled_port = compile_port(port, parts, dependencies);
    if (!compiled_port) return std::unexpected(std::move(compiled_port.error()));
    compiled->ports.push_back(std::move(*compiled_port));
  }
  sort_unique(dependencies);
  std::erase(dependencies, service.name);
  compiled->service = std::move(service);
  return compiled;
}

const CompiledPort* CompiledService::port(uint16_t number) const {
  for (const CompiledPort& candidate : ports) {
    if (candidate.port.port == number) return &candidate;
  }
  return nullptr;
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
