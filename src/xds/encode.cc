// model → bytes. Written field by field: the wire shape and the model may drift apart without one
// noticing the other. Serialization is deterministic (maps in key order), because a resource's
// version is the hash of these bytes.
#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "resources.pb.h"
#include "xds/convert.h"
#include "xds/encode_policies.h"
#include "xds/proxy_level.h"
#include "xds/serialize.h"

namespace weft::xds {
namespace {

// A part ends behind one rule of so many.
constexpr uint64_t kPartEnds = 32;

std::string optional_ip(const IpAddress& ip) { return ip.is_unspecified() ? "" : ip.to_bytes(); }

v1::Protocol to_wire(model::Protocol protocol) {
  switch (protocol) {
    case model::Protocol::kAuto: return v1::AUTO;
    case model::Protocol::kHttp: return v1::HTTP;
    case model::Protocol::kH2c: return v1::H2C;
    case model::Protocol::kGrpc: return v1::GRPC;
    case model::Protocol::kTcp: return v1::TCP;
  }
  return v1::AUTO;
}

v1::PathMatch::Kind to_wire(model::PathMatch::Kind kind) {
  switch (kind) {
    case model::PathMatch::kExact: return v1::PathMatch::EXACT;
    case model::PathMatch::kPrefix: return v1::PathMatch::PREFIX;
    case model::PathMatch::kRegex: return v1::PathMatch::REGEX;
  }
  return v1::PathMatch::PREFIX;
}

void fill(v1::HeaderModifier& out, const model::HeaderModifier& in) {
  for (const auto& pair : in.set) {
    auto* p = out.add_set();
    p->set_name(pair.name);
    p->set_value(pair.value);
  }
  for (const auto& pair : in.add) {
    auto* p = out.add_add();
    p->set_name(pair.name);
    p->set_value(pair.value);
  }
  for (const auto& name : in.remove) out.add_remove(name);
}

void fill(v1::StringMatch& out, const model::StringMatch& in) {
  out.set_regex(in.kind == model::StringMatch::kRegex);
  out.set_name(in.name);
  out.set_value(in.value);
}

void fill(v1::RouteMatch& out, const model::RouteMatch& in) {
  out.mutable_path()->set_kind(to_wire(in.path.kind));
  out.mutable_path()->set_value(in.path.value);
  out.set_method(in.method);
  for (const auto& m : in.headers) fill(*out.add_headers(), m);
  for (const auto& m : in.query) fill(*out.add_query(), m);
  out.set_host(in.host);
  out.set_grpc(in.grpc);
}

void fill(v1::PathRewrite& out, const model::PathRewrite& in) {
  switch (in.kind) {
    case model::PathRewrite::kNone: return out.set_kind(v1::PathRewrite::NONE);
    case model::PathRewrite::kFull: out.set_kind(v1::PathRewrite::FULL); break;
    case model::PathRewrite::kPrefix: out.set_kind(v1::PathRewrite::PREFIX_MATCH); break;
  }
  out.set_value(in.value);
}

void fill(v1::Redirect& out, const model::Redirect& in) {
  out.set_scheme(in.scheme);
  out.set_hostname(in.hostname);
  fill(*out.mutable_path(), in.path);
  out.set_port(in.port);
  out.set_status(static_cast<uint32_t>(in.status));
}

// What an older proxy would leave out and then do something else.
void add_needs(const model::RouteRule& rule, Level& level) {
  const bool by_backend = std::ranges::any_of(rule.backends, [](const model::Backend& backend) {
    return !backend.rewrite.empty() || !backend.mirrors.empty();
  });
  if (rule.route_fault) level.needs(Needs::kNarrowFault);
  if (by_backend || !rule.mirrors.empty() || rule.cors || rule.persistence)
    level.needs(Needs::kFilters);
  const bool steers =
      !rule.match.host.empty() || rule.match.grpc || rule.redirect || !rule.rewrite.empty();
  if (steers) level.needs(Needs::kSteering);
}

void fill(v1::UrlRewrite& out, const model::UrlRewrite& in) {
  out.set_hostname(in.hostname);
  fill(*out.mutable_path(), in.path);
}

void fill(v1::Mirror& out, const model::Mirror& in) {
  out.set_service(in.service.to_string());
  out.set_port(in.port);
  out.set_share(in.share);
  out.set_invalid(in.invalid);
}

void fill(v1::Cors& out, const model::Cors& in) {
  for (const std::string& origin : in.allow_origins) out.add_allow_origins(origin);
  for (const std::string& method : in.allow_methods) out.add_allow_methods(method);
  for (const std::string& name : in.allow_headers) out.add_allow_headers(name);
  for (const std::string& name : in.expose_headers) out.add_expose_headers(name);
  out.set_allow_credentials(in.allow_credentials);
  out.set_max_age_ns(in.max_age.ns);
}

void fill(v1::Backend& out, const model::Backend& in) {
  out.set_service(in.service.to_string());
  out.set_port(in.port);
  out.set_weight(in.weight);
  out.set_invalid(in.invalid);
  if (!in.request_headers.empty()) fill(*out.mutable_request_headers(), in.request_headers);
  if (!in.response_headers.empty()) fill(*out.mutable_response_headers(), in.response_headers);
  if (!in.rewrite.empty()) fill(*out.mutable_rewrite(), in.rewrite);
  for (const auto& mirror : in.mirrors) fill(*out.add_mirrors(), mirror);
}

void fill(v1::RouteRule& out, const model::RouteRule& in) {
  out.set_route(in.route);
  out.set_rule(in.rule);
  fill(*out.mutable_match(), in.match);
  if (!in.request_headers.empty()) fill(*out.mutable_request_headers(), in.request_headers);
  if (!in.response_headers.empty()) fill(*out.mutable_response_headers(), in.response_headers);
  for (const auto& backend : in.backends) fill(*out.add_backends(), backend);
  out.set_request_timeout_ns(in.request_timeout.ns);
  out.set_backend_timeout_ns(in.backend_timeout.ns);
  if (in.retry) {
    auto* retry = out.mutable_retry();
    for (int code : in.retry->codes) retry->add_codes(static_cast<uint32_t>(code));
    retry->set_attempts(in.retry->attempts);
    retry->set_backoff_ns(in.retry->backoff.ns);
  }
  out.set_consumer_namespace(in.consumer_namespace);
  if (in.redirect) fill(*out.mutable_redirect(), *in.redirect);
  if (!in.rewrite.empty()) fill(*out.mutable_rewrite(), in.rewrite);
  for (const auto& mirror : in.mirrors) fill(*out.add_mirrors(), mirror);
  if (in.cors) fill(*out.mutable_cors(), *in.cors);
  if (in.persistence) xds::fill(*out.mutable_persistence(), *in.persistence);
}

void fill(v1::TcpRule& out, const model::TcpRule& in) {
  out.set_route(in.route);
  out.set_rule(in.rule);
  for (const std::string& hostname : in.hostnames) out.add_hostnames(hostname);
  for (const auto& backend : in.backends) fill(*out.add_backends(), backend);
  out.set_consumer_namespace(in.consumer_namespace);
}

void fill(v1::Endpoint& out, const model::Endpoint& in) {
  out.set_workload(in.workload);
  out.set_ip(in.address.ip.to_bytes());
  out.set_port(in.address.port);
  if (!in.outside) out.set_identity(in.identity.uri());
  out.set_mesh4(optional_ip(in.mesh4));
  out.set_mesh6(optional_ip(in.mesh6));
  for (const auto& [port, target] : in.target_ports) (*out.mutable_target_ports())[port] = target;
  for (const auto& [key, value] : in.labels) (*out.mutable_labels())[key] = value;
  out.set_ready(in.ready);
  out.set_stale(in.stale);
  out.set_outside(in.outside);
}

// Ports that are spoken to alike share one message.
void fill(v1::Endpoints& out, const std::map<uint16_t, model::OutsideTlsPtr>& tls) {
  std::vector<model::OutsideTlsPtr> written;
  for (const auto& [port, settings] : tls) {
    const auto it = std::ranges::find(written, settings);
    const auto at = static_cast<int>(it - written.begin());
    if (it != written.end()) {
      out.mutable_outside_tls(at)->add_ports(port);
      continue;
    }
    written.push_back(settings);
    v1::OutsideTls& one = *out.add_outside_tls();
    one.add_ports(port);
    one.set_origin(settings->origin);
    one.set_problem(settings->problem);
    one.set_server_name(settings->server_name);
    one.set_authorities(settings->authorities);
    one.set_authorities_origin(settings->authorities_origin);
    for (const model::OutsideTls::Name& name : settings->names) {
      one.add_names()->set_uri(name.uri);
      one.mutable_names()->rbegin()->set_value(name.value);
    }
  }
}

}  // namespace

std::string encode_name(const model::NameEntry& entry) {
  v1::Name out;
  out.set_min_proxy(Level().value());
  out.set_service(entry.service.to_string());
  out.set_vip4(optional_ip(entry.vip4));
  out.set_vip6(optional_ip(entry.vip6));
  out.set_headless(entry.headless);
  for (uint16_t port : entry.ports) out.add_ports(port);
  return serialize(out);
}

namespace {

void fill(v1::RouteRule& out, const model::RouteRule& in, PolicyTable& policies) {
  fill(out, in);
  out.set_policy(policies.place(in.policy));
  out.set_fault(policies.place(in.fault));
  out.set_route_fault(policies.place(in.route_fault));
}

bool ends_part(const model::RouteRule& rule) {
  std::string place;
  for (const std::string* part :
       {&rule.route, &rule.rule, &rule.match.host, &rule.match.path.value, &rule.match.method}) {
    place.append(*part).push_back('\0');
  }
  return xxh64(place) % kPartEnds == 0;
}

// The rules of a port, cut into parts; each goes to `out` unless a part with this content is there.
void encode_parts(const model::Service& service, const std::vector<model::RouteRule>& rules,
                  v1::ServicePort& port, EncodedService& out) {
  for (auto first = rules.begin(); first != rules.end();) {
    v1::Rules message;
    message.set_min_proxy(level_of(Needs::kParts));
    PolicyTable policies(*message.mutable_policies(), *message.mutable_faults());
    size_t bytes = 0;
    for (bool end = false; first != rules.end() && !end; ++first) {
      v1::RouteRule& rule = *message.add_rules();
      fill(rule, *first, policies);
      bytes += rule.ByteSizeLong();
      end = ends_part(*first) || bytes >= kPartBytes ||
            message.rules_size() == static_cast<int>(kPartRules);
    }
    std::string payload = serialize(message);
    const uint64_t id = xxh64(payload);
    port.add_parts(id);
    std::string name = part_name(service.name, id);
    if (std::ranges::find(out.parts, name, &EncodedService::Part::name) == out.parts.end()) {
      const model::RouteRule& last = *std::prev(first);
      out.parts.push_back({std::move(name), std::move(payload), last.route + " rule " + last.rule});
    }
  }
}

// Ports with more than `inline_rules` have them in parts.
EncodedService encode(const model::Service& service, size_t inline_rules) {
  EncodedService encoded;
  v1::Service out;
  Level level;
  out.set_service(service.name.to_string());
  out.set_vip4(optional_ip(service.vip4));
  out.set_vip6(optional_ip(service.vip6));
  out.set_headless(service.headless);
  PolicyTable policies(*out.mutable_policies(), *out.mutable_faults());
  out.set_fault(policies.place(service.fault));
  for (const auto& in : service.ports) {
    auto* port = out.add_ports();
    port->set_port(in.port);
    port->set_name(in.name);
    port->set_protocol(to_wire(in.protocol));
    port->set_routed(in.routed);
    const bool apart = in.rules.size() > inline_rules;
    if (apart) {
      encode_parts(service, in.rules, *port, encoded);
      level.needs(Needs::kParts);
    }
    for (uint64_t part : in.parts) port->add_parts(part);
    if (!in.parts.empty()) level.needs(Needs::kParts);
    for (size_t i = 0; !apart && i < in.rules.size(); ++i) {
      fill(*port->add_rules(), in.rules[i], policies);
      add_needs(in.rules[i], level);
    }
    for (const auto& rule : in.tcp_rules) {
      auto& message = *port->add_tcp_rules();
      fill(message, rule);
      message.set_policy(policies.place(rule.policy));
      message.set_fault(policies.place(rule.fault));
      message.set_route_fault(policies.place(rule.route_fault));
      if (rule.fault || rule.route_fault) level.needs(Needs::kNarrowFault);
    }
    if (!in.tcp_rules.empty()) level.needs(Needs::kTcpRules);
  }
  if (!policies.empty()) level.needs(Needs::kPolicies);
  out.set_min_proxy(level.value());
  encoded.service = serialize(out);
  return encoded;
}

}  // namespace

std::string part_name(const model::ServiceName& service, uint64_t part) {
  return fmt::format("{}/{:016x}", service.to_string(), part);
}

std::string encode_service(const model::Service& service) {
  return encode(service, SIZE_MAX).service;
}

EncodedService encode_in_parts(const model::Service& service) {
  EncodedService out = encode(service, kInlineRules);
  return out.service.size() <= kResourceBytes ? std::move(out) : encode(service, 0);
}

std::string encode_endpoints(const model::EndpointSet& set) {
  v1::Endpoints out;
  Level level;
  out.set_service(set.service.to_string());
  for (const auto& endpoint : set.endpoints) fill(*out.add_endpoints(), endpoint);
  if (set.policy) {
    fill(*out.mutable_policy(), *set.policy);
    level.needs(Needs::kPolicies);
    if (set.policy->retry_constraint || set.policy->session_persistence)
      level.needs(Needs::kTrafficPolicy);
  }
  if (std::ranges::any_of(set.endpoints, &model::Endpoint::outside)) {
    level.needs(Needs::kOutside);
    fill(out, set.outside_tls);
  }
  out.set_min_proxy(level.value());
  return serialize(out);
}

std::string encode_workload_address(const model::WorkloadAddress& address) {
  v1::WorkloadAddress out;
  out.set_min_proxy(Level().value());
  fill(*out.mutable_endpoint(), address.endpoint);
  for (const auto& [port, protocol] : address.ports) {
    (*out.mutable_ports())[port] = to_wire(protocol);
  }
  return serialize(out);
}

}  // namespace weft::xds
