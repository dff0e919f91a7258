// Who is who: trust domains, SPIFFE IDs and service names. Plain values with their syntax checked
// once, when made.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::model {

// spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/NAME for workloads, as Istio and SPIRE's examples have it;
// spiffe://TD/machine/ID for joined machines; spiffe://TD/server for the control plane.
// Syntax: SPIFFE-ID standard 2 (≤ 2048 bytes, trust domain [a-z0-9._-], path segments
// [A-Za-z0-9._-], no empty, "." or ".." segment, no trailing slash).
class SpiffeId {
 public:
  SpiffeId() = default;
  static Result<SpiffeId> parse(std::string_view uri);
  static Result<SpiffeId> for_workload(std::string_view trust_domain, std::string_view ns,
                                       std::string_view name);
  static Result<SpiffeId> for_machine(std::string_view trust_domain, std::string_view machine);
  static Result<SpiffeId> for_server(std::string_view trust_domain);

  bool empty() const { return uri_.empty(); }
  const std::string& uri() const { return uri_; }
  std::string_view trust_domain() const;
  std::string_view path() const;  // with its leading slash, or ""
  // Of a workload ID; "" when it is of another shape.
  std::string_view workload_namespace() const;
  std::string_view workload_name() const;
  bool is_machine() const;
  bool is_server() const;

  friend auto operator<=>(const SpiffeId&, const SpiffeId&) = default;

 private:
  std::string uri_;
};

// A service's stable name. Both parts are DNS labels (RFC 1123): 1-63 of [a-z0-9-].
struct ServiceName {
  std::string ns;
  std::string name;

  // "cart" (namespace taken from `default_ns`), "cart.shop", "cart.shop.svc.mesh" (a trailing dot
  // is fine). Nothing for names that are not of the mesh.
  static Result<ServiceName> parse(std::string_view text, std::string_view default_ns = "default");
  std::string to_string() const { return name + "." + ns; }  // cart.default
  std::string dns_name() const { return name + "." + ns + ".svc.mesh"; }
  friend auto operator<=>(const ServiceName&, const ServiceName&) = default;
};

bool is_dns_label(std::string_view text);
// Labels with dots between them, at most 253 characters (RFC 1123).
bool is_dns_subdomain(std::string_view text);

}  // namespace weft::model

template <>
struct std::hash<weft::model::ServiceName> {
  size_t operator()(const weft::model::ServiceName& n) const noexcept {
    return std::hash<std::string>{}(n.name) * 31 + std::hash<std::string>{}(n.ns);
  }
};
