// A rule is matches, what happens to the request, and where it goes. Every count is bounded before
// anything is kept, so a rule costs no more than its bytes on the wire.
#include "xds/decode_rules.h"

#include <fmt/format.h>

#include "resources.pb.h"
#include "xds/decode_checks.h"
#include "xds/decode_filters.h"

namespace weft::xds {
namespace {

constexpr int kBackends = 64;
constexpr int kHostnames = 1024;
constexpr int kMatches = 64;
constexpr int kHeaders = 128;
constexpr size_t kRegexBytes = 1024;
constexpr size_t kHostBytes = 256;
constexpr uint32_t kMaxWeight = 1'000'000;
constexpr uint32_t kMaxAttempts = 100;

Result<model::HeaderModifier> decode(const v1::HeaderModifier& in) {
  model::HeaderModifier out;
  if (auto ok =
          within(in.set_size() + in.add_size() + in.remove_size(), kHeaders, "header modifier");
      !ok) {
    return std::unexpected(ok.error());
  }
  auto pairs = [](const auto& from, std::vector<model::HeaderModifier::Pair>& to) -> Result<void> {
    for (const auto& pair : from) {
      auto name = field_name(pair.name(), "header modifier");
      if (!name) return std::unexpected(name.error());
      auto value = text(pair.value(), "header modifier");
      if (!value) return std::unexpected(value.error());
      to.push_back({std::move(*name), std::move(*value)});
    }
    return {};
  };
  if (auto ok = pairs(in.set(), out.set); !ok) return std::unexpected(ok.error());
  if (auto ok = pairs(in.add(), out.add); !ok) return std::unexpected(ok.error());
  for (const auto& entry : in.remove()) {
    auto name = field_name(entry, "header modifier");
    if (!name) return std::unexpected(name.error());
    out.remove.push_back(std::move(*name));
  }
  return out;
}

Result<void> decode_matches(const google::protobuf::RepeatedPtrField<v1::StringMatch>& in,
                            std::string_view field, std::vector<model::StringMatch>& out) {
  if (auto ok = within(in.size(), kMatches, field); !ok) return ok;
  for (const auto& match : in) {
    auto name = field_name(match.name(), field);
    if (!name) return std::unexpected(name.error());
    auto value = text(match.value(), field, match.regex() ? kRegexBytes : kTextBytes);
    if (!value) return std::unexpected(value.error());
    out.push_back({match.regex() ? model::StringMatch::kRegex : model::StringMatch::kExact,
                   std::move(*name), std::move(*value)});
  }
  return {};
}

Result<model::RouteMatch> decode(const v1::RouteMatch& in) {
  model::RouteMatch out;
  switch (in.path().kind()) {
    case v1::PathMatch::PREFIX: out.path.kind = model::PathMatch::kPrefix; break;
    case v1::PathMatch::EXACT: out.path.kind = model::PathMatch::kExact; break;
    case v1::PathMatch::REGEX: out.path.kind = model::PathMatch::kRegex; break;
    default:
      return invalid(
          fmt::format("match.path.kind: unknown value {}", static_cast<int>(in.path().kind())));
  }
  bool regex = out.path.kind == model::PathMatch::kRegex;
  auto path = text(in.path().value(), "match.path", regex ? kRegexBytes : kTextBytes);
  if (!path) return std::unexpected(path.error());
  if (!regex && !path->empty() && path->front() != '/') {
    return invalid(fmt::format("match.path: '{}' does not begin with /", *path));
  }
  out.path.value = path->empty() && !regex ? "/" : std::move(*path);
  auto method = text(in.method(), "match.method", 64);
  if (!method) return std::unexpected(method.error());
  out.method = std::move(*method);
  if (auto ok = decode_matches(in.headers(), "match.headers", out.headers); !ok) {
    return std::unexpected(ok.error());
  }
  if (auto ok = decode_matches(in.query(), "match.query", out.query); !ok) {
    return std::unexpected(ok.error());
  }
  auto host = text(in.host(), "match.host", kHostBytes);
  if (!host) return std::unexpected(host.error());
  out.host = std::move(*host);
  out.grpc = in.grpc();
  return out;
}

Result<model::PathRewrite> decode(const v1::PathRewrite& in) {
  model::PathRewrite out;
  switch (in.kind()) {
    case v1::PathRewrite::NONE: return out;
    case v1::PathRewrite::FULL: out.kind = model::PathRewrite::kFull; break;
    case v1::PathRewrite::PREFIX_MATCH: out.kind = model::PathRewrite::kPrefix; break;
    default:
      return invalid(fmt::format("path.kind: unknown value {}", static_cast<int>(in.kind())));
  }
  auto value = text(in.value(), "path.value");
  if (!value) return std::unexpected(value.error());
  out.value = std::move(*value);
  return out;
}

Result<model::Redirect> decode(const v1::Redirect& in) {
  model::Redirect out;
  auto scheme = text(in.scheme(), "redirect.scheme", 16);
  if (!scheme) return std::unexpected(scheme.error());
  auto host = text(in.hostname(), "redirect.hostname", kHostBytes);
  if (!host) return std::unexpected(host.error());
  auto path = decode(in.path());
  if (!path) return std::unexpected(std::move(path.error()).context("redirect"));
  if (in.port() > 65535) return invalid(fmt::format("redirect.port: {}", in.port()));
  if (in.status() < 300 || in.status() > 399) {
    return invalid(fmt::format("redirect.status: {}", in.status()));
  }
  out.scheme = std::move(*scheme);
  out.hostname = std::move(*host);
  out.path = std::move(*path);
  out.port = static_cast<uint16_t>(in.port());
  out.status = static_cast<int>(in.status());
  return out;
}

Result<model::UrlRewrite> decode(const v1::UrlRewrite& in) {
  auto host = text(in.hostname(), "rewrite.hostname", kHostBytes);
  if (!host) return std::unexpected(host.error());
  auto path = decode(in.path());
  if (!path) return std::unexpected(std::move(path.error()).context("rewrite"));
  return model::UrlRewrite{std::move(*host), std::move(*path)};
}

// What a rule and a backend of it may both do to a request.
template <typename Message, typename Model>
Result<void> decode_changes(const Message& in, Model& out) {
  auto request = decode(in.request_headers());
  if (!request) return std::unexpected(request.error());
  out.request_headers = std::move(*request);
  auto response = decode(in.response_headers());
  if (!response) return std::unexpected(response.error());
  out.response_headers = std::move(*response);
  auto rewrite = decode(in.rewrite());
  if (!rewrite) return std::unexpected(rewrite.error());
  out.rewrite = std::move(*rewrite);
  auto mirrors = decode_mirrors(in.mirrors());
  if (!mirrors) return std::unexpected(mirrors.error());
  out.mirrors = std::move(*mirrors);
  return {};
}

Result<void> decode_steering(const v1::RouteRule& in, model::RouteRule& out) {
  if (in.has_redirect()) {
    auto redirect = decode(in.redirect());
    if (!redirect) return std::unexpected(redirect.error());
    out.redirect = std::move(*redirect);
  }
  if (in.has_cors()) {
    auto cors = decode_cors(in.cors());
    if (!cors) return std::unexpected(cors.error());
    out.cors = std::move(*cors);
  }
  if (in.has_persistence()) {
    auto persistence = decode_persistence(in.persistence());
    if (!persistence) return std::unexpected(persistence.error());
    out.persistence = std::move(*persistence);
  }
  return {};
}

Result<model::Backend> decode(const v1::Backend& in) {
  model::Backend out;
  auto name = service_name(in.service(), "backend.service");
  if (!name) return std::unexpected(name.error());
  out.service = std::move(*name);
  // A reference that could not be resolved may have no port.
  if (in.port() != 0 || !in.invalid()) {
    auto port = port_number(in.port(), "backend.port");
    if (!port) return std::unexpected(port.error());
    out.port = *port;
  }
  if (in.weight() > kMaxWeight) return invalid(fmt::format("backend.weight: {}", in.weight()));
  out.weight = in.weight();
  out.invalid = in.invalid();
  if (auto ok = decode_changes(in, out); !ok) return std::unexpected(ok.error());
  return out;
}

Result<std::vector<model::Backend>> decode_backends(
    const google::protobuf::RepeatedPtrField<v1::Backend>& in) {
  if (auto ok = within(in.size(), kBackends, "backends"); !ok) return std::unexpected(ok.error());
  std::vector<model::Backend> out;
  for (const auto& entry : in) {
    auto backend = decode(entry);
    if (!backend) return std::unexpected(backend.error());
    out.push_back(std::move(*backend));
  }
  return out;
}

Result<std::string> consumer_namespace(const std::string& value) {
  if (value.empty() || model::is_dns_label(value)) return value;
  return invalid("consumer_namespace: not a DNS label");
}

Result<Duration> span(int64_t ns, std::string_view field) {
  constexpr int64_t kDay = Duration::hours(24).ns;
  if (ns < 0 || ns > kDay) return invalid(fmt::format("{}: {} ns is out of range", field, ns));
  return Duration::nanos(ns);
}

Result<std::optional<model::RetryPolicy>> decode_retry(const v1::RouteRule& in) {
  if (!in.has_retry()) return std::nullopt;
  model::RetryPolicy out;
  if (auto ok = within(in.retry().codes_size(), 256, "retry.codes"); !ok) {
    return std::unexpected(ok.error());
  }
  for (uint32_t code : in.retry().codes()) {
    if (code < 400 || code > 599) return invalid(fmt::format("retry.codes: {}", code));
    out.codes.push_back(static_cast<int>(code));
  }
  if (in.retry().attempts() > kMaxAttempts) {
    return invalid(
        fmt::format("retry.attempts: {}, at most {} allowed", in.retry().attempts(), kMaxAttempts));
  }
  out.attempts = in.retry().attempts();
  auto backoff = span(in.retry().backoff_ns(), "retry.backoff");
  if (!backoff) return std::unexpected(backoff.error());
  out.backoff = *backoff;
  return out;
}

// "shop.example.com" or "*.example.com".
Result<std::string> hostname(const std::string& value) {
  const std::string_view name(value);
  if (model::is_dns_subdomain(name.starts_with("*.") ? name.substr(2) : name)) return value;
  return invalid(fmt::format("hostnames: '{}' is no host name", value));
}

Result<model::RouteRule> decode(const v1::RouteRule& in, const PolicyTables& policies) {
  model::RouteRule out;
  auto route = text(in.route(), "route", 512);
  if (!route) return std::unexpected(route.error());
  auto rule = text(in.rule(), "rule", 512);
  if (!rule) return std::unexpected(rule.error());
  out.route = std::move(*route);
  out.rule = std::move(*rule);
  auto match = decode(in.match());
  if (!match) return std::unexpected(match.error());
  out.match = std::move(*match);
  if (auto ok = decode_changes(in, out); !ok) return std::unexpected(ok.error());
  auto backends = decode_backends(in.backends());
  if (!backends) return std::unexpected(backends.error());
  out.backends = std::move(*backends);
  auto request_timeout = span(in.request_timeout_ns(), "request_timeout");
  if (!request_timeout) return std::unexpected(request_timeout.error());
  auto backend_timeout = span(in.backend_timeout_ns(), "backend_timeout");
  if (!backend_timeout) return std::unexpected(backend_timeout.error());
  out.request_timeout = *request_timeout;
  out.backend_timeout = *backend_timeout;
  auto retry = decode_retry(in);
  if (!retry) return std::unexpected(retry.error());
  out.retry = std::move(*retry);
  auto consumers = consumer_namespace(in.consumer_namespace());
  if (!consumers) return std::unexpected(consumers.error());
  out.consumer_namespace = std::move(*consumers);
  if (auto ok = decode_steering(in, out); !ok) return std::unexpected(ok.error());
  if (auto ok = policies.give(in, out); !ok) return std::unexpected(ok.error());
  return out;
}

Result<model::TcpRule> decode(const v1::TcpRule& in, const PolicyTables& policies) {
  model::TcpRule out;
  auto route = text(in.route(), "route", 512);
  if (!route) return std::unexpected(route.error());
  auto rule = text(in.rule(), "rule", 512);
  if (!rule) return std::unexpected(rule.error());
  out.route = std::move(*route);
  out.rule = std::move(*rule);
  if (auto ok = within(in.hostnames_size(), kHostnames, "hostnames"); !ok) {
    return std::unexpected(ok.error());
  }
  for (const std::string& entry : in.hostnames()) {
    auto name = hostname(entry);
    if (!name) return std::unexpected(name.error());
    out.hostnames.push_back(std::move(*name));
  }
  auto backends = decode_backends(in.backends());
  if (!backends) return std::unexpected(backends.error());
  out.backends = std::move(*backends);
  auto consumers = consumer_namespace(in.consumer_namespace());
  if (!consumers) return std::unexpected(consumers.error());
  out.consumer_namespace = std::move(*consumers);
  if (auto ok = policies.give(in, out); !ok) return std::unexpected(ok.error());
  return out;
}

}  // namespace

Result<model::RouteRule> decode_rule(const v1::RouteRule& in, const PolicyTables& policies) {
  auto rule = decode(in, policies);
  if (rule) return rule;
  return std::unexpected(
      std::move(rule.error()).context(fmt::format("route {} rule {}", in.route(), in.rule())));
}

Result<model::TcpRule> decode_rule(const v1::TcpRule& in, const PolicyTables& policies) {
  auto rule = decode(in, policies);
  if (rule) return rule;
  return std::unexpected(std::move(rule.error()).context(fmt::format("route {}", in.route())));
}

}  // namespace weft::xds
