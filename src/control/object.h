// Objects: what users apply. An object is a kind, a namespace and a name, a typed spec, and the same
// content as canonical JSON (defaults filled in), which is what the store keeps, `weft get` prints and
// "unchanged" compares. Plain values; made by kinds.h from YAML, never half valid.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "control/gateway_objects.h"
#include "control/outside_objects.h"
#include "control/policy_objects.h"
#include "model/service.h"

namespace weft::control {

using Labels = std::map<std::string, std::string>;

struct ObjectKey {
  std::string kind;  // "Service", "HTTPRoute"
  std::string ns;    // "" for kinds that have no namespace
  std::string name;
  std::string to_string() const { return kind + "/" + ns + "/" + name; }
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};

struct ObjectMeta {
  std::string ns;
  std::string name;
  Labels labels;
  Labels annotations;
  // Set by the server when stored.
  std::string uid;
  int64_t generation = 0;  // counts changes of this object, from 1
  WallTime created{};
};

// --- core/v1 Service ---

// A number, or the name of a port of the workload.
struct TargetPort {
  uint16_t number = 0;
  std::string name;
  bool set() const { return number != 0 || !name.empty(); }
};

struct ServicePortSpec {
  std::string name;
  uint16_t port = 0;
  TargetPort target;  // unset: the claim's app port, else `port` itself
  model::Protocol protocol = model::Protocol::kAuto;  // from appProtocol
  // HTTP over the app's own TLS: opaque, unless a BackendTLSPolicy makes the TLS in its place.
  bool https = false;
};

struct ServiceSpec {
  bool headless = false;  // clusterIP: None
  // Workloads of the same namespace that carry all of these; empty: those that claimed the service by
  // name (`weft run --service NAME`).
  Labels selector;
  std::vector<ServicePortSpec> ports;
};

// --- gateway.networking.k8s.io/v1 routes ---

struct ParentRef {
  model::ServiceName service;  // namespace and name, whatever the kind
  uint16_t port = 0;           // 0 = every port
  std::string group;           // "" = core
  std::string kind = "Service";
  std::string section;  // sectionName: a listener, a named port; "" = all
  bool is_service() const { return group.empty() && kind == "Service"; }
  bool is_gateway() const { return group == "gateway.networking.k8s.io" && kind == "Gateway"; }
  bool is_listener_set() const {
    return group == "gateway.networking.k8s.io" && kind == "ListenerSet";
  }
  friend bool operator==(const ParentRef&, const ParentRef&) = default;
};

struct MirrorRef;

struct BackendRef {
  std::string group;  // "" = core
  std::string kind = "Service";
  // `invalid` and `mirrors` are decided by the compiler.
  model::Backend backend;
  std::vector<MirrorRef> mirrors;
  bool is_service() const { return group.empty() && kind == "Service"; }
};

struct MirrorRef {
  BackendRef to;
  uint32_t share = 0;  // of the requests, in millionths
};

// A rule of an HTTPRoute or a GRPCRoute.
struct HttpRouteRule {
  std::string name;
  std::vector<model::RouteMatch> matches;  // never empty: the default match is PathPrefix /
  model::HeaderModifier request_headers, response_headers;
  std::optional<model::Redirect> redirect;
  model::UrlRewrite rewrite;
  std::vector<MirrorRef> mirrors;
  std::vector<BackendRef> backends;
  std::optional<model::Cors> cors;
  std::optional<model::SessionPersistence> persistence;
  Duration request_timeout{};
  Duration backend_timeout{};
  std::optional<model::RetryPolicy> retry;
};

// HTTPRoute and GRPCRoute: the latter's methods are paths.
struct HttpRouteSpec {
  std::vector<ParentRef> parents;
  std::vector<std::string> hostnames;  // lower case; none = any
  std::vector<HttpRouteRule> rules;
};

// TLSRoute and TCPRoute: where opaque connections go.
struct TcpRouteSpec {
  std::vector<ParentRef> parents;
  std::vector<std::string> hostnames;  // of a TLSRoute, never none; a TCPRoute has none
  std::string rule;                    // name of its one rule, or "0"
  std::vector<BackendRef> backends;
};

// --- kinds that are checked and stored; what they mean is read from the body by those who use it ---
struct StoredSpec {
  // Why nothing is done with it yet; "" = there is nothing to carry out.
  std::string not_carried_out;
  std::vector<ParentRef> parents;  // of routes
};

// --- gateway.networking.k8s.io/v1 ReferenceGrant: who may refer to objects of its namespace ---
struct ReferenceGrantSpec {
  struct From {
    std::string group, kind, ns;
  };
  struct To {
    std::string group, kind, name;  // name "" = all
  };
  std::vector<From> from;
  std::vector<To> to;
};

struct Object {
  std::string kind_name;
  ObjectMeta meta;
  std::variant<StoredSpec, ServiceSpec, HttpRouteSpec, TcpRouteSpec, ReferenceGrantSpec,
               GatewaySpec, ListenerSetSpec, GatewayClassSpec, SecretSpec, ConfigMapSpec,
               EndpointSliceSpec, BackendTlsSpec, BackendPolicySpec, FaultPolicySpec,
               RateLimitPolicySpec, TrafficPolicySpec>
      spec;
  // Valid, but not carried out: "PATH: WHAT". Such an object is stored and not in force.
  std::vector<std::string> unsupported;
  // {"apiVersion":…,"kind":…,"metadata":{name,namespace,labels,annotations},"spec":…}: canonical (table
  // order, defaults filled in, nothing the server sets).
  std::string body;

  const std::string& kind() const { return kind_name; }
  ObjectKey key() const { return {kind_name, meta.ns, meta.name}; }
  model::ServiceName service_name() const { return {meta.ns, meta.name}; }  // Services only
};

// Of a route that is carried out; null for other objects.
inline const std::vector<ParentRef>* parents_of(const Object& object) {
  if (const auto* route = std::get_if<HttpRouteSpec>(&object.spec)) return &route->parents;
  if (const auto* route = std::get_if<TcpRouteSpec>(&object.spec)) return &route->parents;
  return nullptr;
}

// What `weft get` shows under status.conditions (Kubernetes words).
struct Condition {
  std::string type;    // Accepted, ResolvedRefs, Programmed
  bool ok = false;     // status: "True" / "False"
  std::string reason;  // CamelCase
  std::string message;
  int64_t generation = 0;  // observedGeneration
  WallTime since{};        // lastTransitionTime; 0 = not kept (condition_times.h)
};

// Whose proxies carry an object out: those that use this service and call from this namespace ("" = from
// any; a route in another namespace than its parent concerns its own namespace's callers only).
struct Carrier {
  model::ServiceName service;
  std::string callers;
  // In which of its resources: rules with the Service, what is said with its endpoints, or what is asked of
  // each of its instances.
  // Or in a Gateway, which `service` names then.
  enum In : uint8_t { kRules, kEndpoints, kInbound, kGateway } in = kRules;
  friend auto operator<=>(const Carrier&, const Carrier&) = default;
};
using Carriers = std::vector<Carrier>;

// A route as one of its parents has it (Gateway API v1, RouteParentStatus).
struct ParentState {
  ParentRef ref;
  std::vector<Condition> conditions;  // Accepted, ResolvedRefs
  Carriers carriers;                  // none when it is not accepted
};

// A policy as one of its targets has it (Gateway API v1, PolicyAncestorStatus).
struct AncestorState {
  PolicyTarget ref;
  std::vector<Condition> conditions;  // Accepted
  Carriers carriers;                  // none when it is not accepted
};

// How many of the proxies that use something now hold its present version.
struct Served {
  uint32_t current = 0;
  uint32_t users = 0;
  // Why some keep the version before: "web-1, web-2: WHY", in the words of those who refuse this one; "" = nobody.
  std::string problem = {};
  // `problem` is the control plane's own: they would all refuse it, so none is sent it.
  bool withheld = false;
};

}  // namespace weft::control
