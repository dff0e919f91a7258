// Matching is a walk over a short list of compiled rules, or over those an index picks out of a long one;
// nothing is allocated but for query parameters and wildcard hosts.
#include "proxy/router.h"

#include <re2/re2.h>

#include <algorithm>

#include "base/text.h"

namespace weft::proxy {
namespace {

// Up to so many rules a walk is cheaper than the index.
constexpr size_t kWalked = 8;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decode_query_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
               hex_value(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

Result<std::unique_ptr<re2::RE2>> compile_regex(const std::string& pattern, std::string_view what) {
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_max_mem(1 << 20);
  auto regex = std::make_unique<re2::RE2>(pattern, options);
  if (!regex->ok()) {
    return fail(ErrorKind::kInvalid, std::string(what) + " \"" + pattern + "\": " + regex->error());
  }
  return regex;
}

bool matches_whole(const re2::RE2& regex, std::string_view text) {
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), regex);
}

}  // namespace

struct CompiledRule::Patterns {
  std::unique_ptr<re2::RE2> path;
  // Beside rule_.match.headers and .query; null where the match is exact.
  std::vector<std::unique_ptr<re2::RE2>> headers, query;
};

CompiledRule::CompiledRule() : patterns_(std::make_unique<Patterns>()) {}
CompiledRule::~CompiledRule() = default;

Result<std::shared_ptr<const CompiledRule>> CompiledRule::compile(const model::RouteRule& rule) {
  auto compiled = std::make_shared<CompiledRule>();
  compiled->rule_ = rule;
  Patterns& patterns = *compiled->patterns_;
  std::string where = "route " + rule.route + " rule " + rule.rule;

  if (rule.match.path.kind == model::PathMatch::kRegex) {
    auto regex = compile_regex(rule.match.path.value, where + ": path");
    if (!regex) return std::unexpected(std::move(regex.error()));
    patterns.path = std::move(*regex);
  }
  for (auto [matches, compiled_to] : {std::pair(&rule.match.headers, &patterns.headers),
                                      std::pair(&rule.match.query, &patterns.query)}) {
    for (const model::StringMatch& match : *matches) {
      compiled_to->push_back(nullptr);
      if (match.kind != model::StringMatch::kRegex) continue;
      auto regex = compile_regex(match.value, where + ": " + match.name);
      if (!regex) return std::unexpected(std::move(regex.error()));
      compiled_to->back() = std::move(*regex);
    }
  }
  compiled->turns_.emplace(rule.backends);
  return compiled;
}

bool CompiledRule::matches(const RequestView& request) const {
  const model::RouteMatch& match = rule_.match;
  if (!rule_.consumer_namespace.empty() && rule_.consumer_namespace != request.caller_namespace) {
    return false;
  }
  if (!match.method.empty() && match.method != request.method) return false;
  if (match.grpc && !request.grpc) return false;
  if (!match.host.empty() && !host_matches(request.host, match.host)) return false;

  std::string_view path = path_of(request.target);
  switch (match.path.kind) {
    case model::PathMatch::kExact:
      if (path != match.path.value) return false;
      break;
    case model::PathMatch::kPrefix:
      if (!path_has_prefix(path, match.path.value)) return false;
      break;
    case model::PathMatch::kRegex:
      if (!matches_whole(*patterns_->path, path)) return false;
      break;
  }
  for (size_t i = 0; i < match.headers.size(); ++i) {
    std::optional<std::string_view> value = request.fields.get(match.headers[i].name);
    if (!value) return false;
    const re2::RE2* regex = patterns_->headers[i].get();
    if (regex ? !matches_whole(*regex, *value) : *value != match.headers[i].value) return false;
  }
  for (size_t i = 0; i < match.query.size(); ++i) {
    std::optional<std::string> value =
        query_parameter(query_of(request.target), match.query[i].name);
    if (!value) return false;
    const re2::RE2* regex = patterns_->query[i].get();
    if (regex ? !matches_whole(*regex, *value) : *value != match.query[i].value) return false;
  }
  return true;
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
    compiled_port.tcp_rules = TcpRules::compile(port.tcp_rules);
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
  const auto add = [&](const std::vector<model::Backend>& backends) {
    for (const model::Backend& backend : backends) {
      if (!backend.invalid && backend.service != service.name) names.push_back(backend.service);
    }
  };
  for (const CompiledPort& compiled_port : ports) {
    for (const auto& rule : compiled_port.rules) add(rule->rule().backends);
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

std::string_view path_of(std::string_view target) { return target.substr(0, target.find('?')); }

std::string_view query_of(std::string_view target) {
  size_t mark = target.find('?');
  return mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
}

std::optional<std::string> query_parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    size_t end = query.find('&');
    std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    size_t equals = pair.find('=');
    if (decode_query_text(pair.substr(0, equals)) != name) continue;
    return equals == std::string_view::npos ? std::string()
                                            : decode_query_text(pair.substr(equals + 1));
  }
  return std::nullopt;
}

bool path_has_prefix(std::string_view path, std::string_view prefix) {
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  if (!path.starts_with(prefix)) return false;
  return path.size() == prefix.size() || path[prefix.size()] == '/';
}

}  // namespace weft::proxy
