// bytes → model, checked field by field. The control plane is no more trusted here than any peer: a
// proxy that accepts a resource can rely on every count, length and name in it.
#include <fmt/format.h>

#include "resources.pb.h"
#include "xds/convert.h"

namespace weft::xds {
namespace {

constexpr size_t kResourceBytes = 1024 * 1024;
constexpr int kEndpoints = 10'000;
constexpr int kPorts = 256;
constexpr int kRules = 1024;
constexpr int kBackends = 64;
constexpr int kHostnames = 1024;
constexpr int kMatches = 64;
constexpr int kHeaders = 128;
constexpr size_t kLabels = 128;
constexpr size_t kRegexBytes = 1024;
constexpr size_t kHostBytes = 256;
constexpr size_t kTextBytes = 8 * 1024;
constexpr uint32_t kMaxWeight = 1'000'000;
constexpr uint32_t kMaxAttempts = 100;

std::unexpected<Error> invalid(std::string text) {
  return fail(ErrorKind::kInvalid, std::move(text));
}

Result<uint16_t> port_number(uint32_t value, std::string_view field) {
  if (value == 0 || value > 65535) return invalid(fmt::format("{}: {} is no port", field, value));
  return static_cast<uint16_t>(value);
}

Result<IpAddress> optional_ip(const std::string& bytes, std::string_view field, bool want_v4) {
  if (bytes.empty()) return want_v4 ? IpAddress::v4(0) : IpAddress::v6({});
  auto ip = IpAddress::from_bytes(bytes);
  if (!ip) return std::unexpected(std::move(ip.error()).context(field));
  if (ip->is_v4() != want_v4) {
    return invalid(fmt::format("{}: {} is of the wrong family", field, ip->to_string()));
  }
  return *ip;
}

Result<std::string> text(const std::string& value, std::string_view field,
                         size_t limit = kTextBytes) {
  if (value.size() > limit) {
    return invalid(fmt::format("{}: {} bytes, at most {} allowed", field, value.size(), limit));
  }
  for (char c : value) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\t') {
      return invalid(fmt::format("{}: contains a control character", field));
    }
  }
  return value;
}

Result<model::ServiceName> service_name(const std::string& value, std::string_view field) {
  auto name = model::ServiceName::parse(value);
  if (!name) return std::unexpected(std::move(name.error()).context(field));
  if (name->to_string() != value) {
    return invalid(fmt::format("{}: '{}' is not of the form NAME.NAMESPACE", field, value));
  }
  return name;
}

Result<model::Protocol> from_wire(int protocol) {
  switch (protocol) {
    case v1::AUTO: return model::Protocol::kAuto;
    case v1::HTTP: return model::Protocol::kHttp;
    case v1::H2C: return model::Protocol::kH2c;
    case v1::GRPC: return model::Protocol::kGrpc;
    case v1::TCP: return model::Protocol::kTcp;
    default: return invalid(fmt::format("protocol: unknown value {}", protocol));
  }
}

Result<void> within(int count, int limit, std::string_view field) {
  if (count > limit)
    return invalid(fmt::format("{}: {} entries, at most {} allowed", field, count, limit));
  return {};
}

Result<void> check_level(uint32_t min_proxy, uint32_t level) {
  if (min_proxy <= level) return {};
  return fail(ErrorKind::kUnsupported,
              fmt::format("needs proxy level {}, this proxy has level {}: update weft-proxy",
                          min_proxy, level));
}

template <typename Message>
Result<Message> parse(std::string_view bytes, uint32_t level) {
  if (bytes.size() > kResourceBytes) {
    return invalid(fmt::format("{} bytes, at most {} allowed", bytes.size(), kResourceBytes));
  }
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return invalid("not a well-formed message");
  }
  if (auto ok = check_level(message.min_proxy(), level); !ok) return std::unexpected(ok.error());
  return message;
}

Result<std::string> field_name(const std::string& value, std::string_view field) {
  auto name = text(value, field, 256);
  if (!name) return name;
  if (name->empty()) return invalid(fmt::format("{}: empty name", field));
  return name;
}

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

Result<void> decode_steering(const v1::RouteRule& in, model::RouteRule& out) {
  if (in.has_redirect()) {
    auto redirect = decode(in.redirect());
    if (!redirect) return std::unexpected(redirect.error());
    out.redirect = std::move(*redirect);
  }
  auto host = text(in.rewrite().hostname(), "rewrite.hostname", kHostBytes);
  if (!host) return std::unexpected(host.error());
  auto path = decode(in.rewrite().path());
  if (!path) return std::unexpected(std::move(path.error()).context("rewrite"));
  out.rewrite = {std::move(*host), std::move(*path)};
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
  auto request = decode(in.request_headers());
  if (!request) return std::unexpected(request.error());
  auto response = decode(in.response_headers());
  if (!response) return std::unexpected(response.error());
  out.request_headers = std::move(*request);
  out.response_headers = std::move(*response);
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

Result<model::RouteRule> decode(const v1::RouteRule& in) {
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
  auto request = decode(in.request_headers());
  if (!request) return std::unexpected(request.error());
  auto response = decode(in.response_headers());
  if (!response) return std::unexpected(response.error());
  out.request_headers = std::move(*request);
  out.response_headers = std::move(*response);
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
  return out;
}

// "shop.example.com" or "*.example.com".
Result<std::string> hostname(const std::string& value) {
  const std::string_view name(value);
  if (model::is_dns_subdomain(name.starts_with("*.") ? name.substr(2) : name)) return value;
  return invalid(fmt::format("hostnames: '{}' is no host name", value));
}

Result<model::TcpRule> decode(const v1::TcpRule& in) {
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
  return out;
}

Result<model::ServicePort> decode(const v1::ServicePort& in) {
  model::ServicePort out;
  auto port = port_number(in.port(), "port");
  if (!port) return std::unexpected(port.error());
  out.port = *port;
  auto name = text(in.name(), "port name", 64);
  if (!name) return std::unexpected(name.error());
  out.name = std::move(*name);
  auto protocol = from_wire(in.protocol());
  if (!protocol) return std::unexpected(protocol.error());
  out.protocol = *protocol;
  out.routed = in.routed();
  if (auto ok = within(in.rules_size(), kRules, "rules"); !ok) return std::unexpected(ok.error());
  for (const auto& entry : in.rules()) {
    auto rule = decode(entry);
    if (!rule) {
      return std::unexpected(
          std::move(rule.error())
              .context(fmt::format("route {} rule {}", entry.route(), entry.rule())));
    }
    out.rules.push_back(std::move(*rule));
  }
  if (auto ok = within(in.tcp_rules_size(), kRules, "tcp_rules"); !ok) {
    return std::unexpected(ok.error());
  }
  for (const auto& entry : in.tcp_rules()) {
    auto rule = decode(entry);
    if (!rule) {
      return std::unexpected(
          std::move(rule.error()).context(fmt::format("route {}", entry.route())));
    }
    out.tcp_rules.push_back(std::move(*rule));
  }
  return out;
}

Result<void> decode_labels(const google::protobuf::Map<std::string, std::string>& in,
                           std::map<std::string, std::string>& out) {
  if (in.size() > kLabels) return invalid(fmt::format("labels: {} entries", in.size()));
  for (const auto& [key, value] : in) {
    auto k = text(key, "label", 512);
    if (!k) return std::unexpected(k.error());
    auto v = text(value, "label", 512);
    if (!v) return std::unexpected(v.error());
    out.emplace(std::move(*k), std::move(*v));
  }
  return {};
}

Result<model::Endpoint> decode(const v1::Endpoint& in) {
  model::Endpoint out;
  auto workload = field_name(in.workload(), "endpoint.workload");
  if (!workload) return std::unexpected(workload.error());
  out.workload = std::move(*workload);
  auto ip = IpAddress::from_bytes(in.ip());
  if (!ip) return std::unexpected(std::move(ip.error()).context("endpoint.ip"));
  auto port = port_number(in.port(), "endpoint.port");
  if (!port) return std::unexpected(port.error());
  out.address = {*ip, *port};
  auto identity = model::SpiffeId::parse(in.identity());
  if (!identity) return std::unexpected(std::move(identity.error()).context("endpoint.identity"));
  out.identity = std::move(*identity);
  auto mesh4 = optional_ip(in.mesh4(), "endpoint.mesh4", true);
  if (!mesh4) return std::unexpected(mesh4.error());
  auto mesh6 = optional_ip(in.mesh6(), "endpoint.mesh6", false);
  if (!mesh6) return std::unexpected(mesh6.error());
  out.mesh4 = *mesh4;
  out.mesh6 = *mesh6;
  if (in.target_ports().size() > kPorts) return invalid("endpoint.target_ports: too many");
  for (const auto& [from, to] : in.target_ports()) {
    auto service_port = port_number(from, "endpoint.target_ports");
    if (!service_port) return std::unexpected(service_port.error());
    auto target = port_number(to, "endpoint.target_ports");
    if (!target) return std::unexpected(target.error());
    out.target_ports.emplace(*service_port, *target);
  }
  if (auto ok = decode_labels(in.labels(), out.labels); !ok) return std::unexpected(ok.error());
  out.ready = in.ready();
  out.stale = in.stale();
  return out;
}

}  // namespace

Result<model::NameEntry> decode_name(std::string_view bytes, uint32_t level) {
  auto in = parse<v1::Name>(bytes, level);
  if (!in) return std::unexpected(in.error());
  auto name = service_name(in->service(), "service");
  if (!name) return std::unexpected(name.error());
  auto vip4 = optional_ip(in->vip4(), "vip4", true);
  if (!vip4) return std::unexpected(vip4.error());
  auto vip6 = optional_ip(in->vip6(), "vip6", false);
  if (!vip6) return std::unexpected(vip6.error());
  model::NameEntry out{std::move(*name), *vip4, *vip6, in->headless()};
  if (in->ports_size() > kPorts) return invalid("ports: too many");
  for (uint32_t number : in->ports()) {
    auto port = port_number(number, "ports");
    if (!port) return std::unexpected(port.error());
    out.ports.push_back(*port);
  }
  return out;
}

Result<model::Service> decode_service(std::string_view bytes, uint32_t level) {
  auto in = parse<v1::Service>(bytes, level);
  if (!in) return std::unexpected(in.error());
  model::Service out;
  auto name = service_name(in->service(), "service");
  if (!name) return std::unexpected(name.error());
  auto vip4 = optional_ip(in->vip4(), "vip4", true);
  if (!vip4) return std::unexpected(vip4.error());
  auto vip6 = optional_ip(in->vip6(), "vip6", false);
  if (!vip6) return std::unexpected(vip6.error());
  out.name = std::move(*name);
  out.vip4 = *vip4;
  out.vip6 = *vip6;
  out.headless = in->headless();
  if (auto ok = within(in->ports_size(), kPorts, "ports"); !ok) return std::unexpected(ok.error());
  for (const auto& entry : in->ports()) {
    auto port = decode(entry);
    if (!port) return std::unexpected(port.error());
    for (const auto& other : out.ports) {
      if (other.port == port->port) return invalid(fmt::format("ports: {} twice", port->port));
    }
    out.ports.push_back(std::move(*port));
  }
  return out;
}

Result<model::EndpointSet> decode_endpoints(std::string_view bytes, uint32_t level) {
  auto in = parse<v1::Endpoints>(bytes, level);
  if (!in) return std::unexpected(in.error());
  model::EndpointSet out;
  auto name = service_name(in->service(), "service");
  if (!name) return std::unexpected(name.error());
  out.service = std::move(*name);
  if (auto ok = within(in->endpoints_size(), kEndpoints, "endpoints"); !ok) {
    return std::unexpected(ok.error());
  }
  for (const auto& entry : in->endpoints()) {
    auto endpoint = decode(entry);
    if (!endpoint) return std::unexpected(endpoint.error());
    out.endpoints.push_back(std::move(*endpoint));
  }
  return out;
}

Result<model::WorkloadAddress> decode_workload_address(std::string_view bytes, uint32_t level) {
  auto in = parse<v1::WorkloadAddress>(bytes, level);
  if (!in) return std::unexpected(in.error());
  model::WorkloadAddress out;
  auto endpoint = decode(in->endpoint());
  if (!endpoint) return std::unexpected(endpoint.error());
  out.endpoint = std::move(*endpoint);
  if (in->ports().size() > kPorts) return invalid("ports: too many");
  for (const auto& [number, value] : in->ports()) {
    auto port = port_number(number, "ports");
    if (!port) return std::unexpected(port.error());
    auto protocol = from_wire(value);
    if (!protocol) return std::unexpected(protocol.error());
    out.ports.emplace(*port, *protocol);
  }
  return out;
}

}  // namespace weft::xds
