// What the control plane compiles and a sidecar runs on: services with their ports and routes, and the
// endpoints behind them. Immutable values; a change makes a new object. The same shapes travel as
// proto/weft/v1/resources.proto (xds/convert.h turns one into the other).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "model/identity.h"
#include "model/match.h"
#include "model/outside.h"
#include "model/policy.h"

namespace weft::model {

enum class Protocol : uint8_t {
  kAuto,  // not declared: whoever speaks first decides
  kHttp,  // HTTP/1.1 (an HTTP/2 client is translated)
  kH2c,   // HTTP/2 with prior knowledge
  kGrpc,
  kTcp,
};
std::string_view to_string(Protocol protocol);
// "http", "h2c", "grpc", "tcp" and the Kubernetes spellings "kubernetes.io/h2c"; nothing when unknown.
std::optional<Protocol> parse_protocol(std::string_view text);

struct PathMatch {
  // kGrpcMethod: value is "/service/method"; "/service/" any method of it; regex forms use kRegex.
  enum Kind : uint8_t { kExact, kPrefix, kRegex } kind = kPrefix;  // prefix by path element
  std::string value = "/";
};

// All parts must hold (AND).
struct RouteMatch {
  // By the request's Host without port, lower case: "shop.example.com", "*.example.com" (any name below,
  // RFC 6125 labels do not count), "" = any.
  std::string host = {};
  bool grpc = false;  // only gRPC requests (by content-type)
  PathMatch path;
  std::string method;  // "" = any
  std::vector<StringMatch> headers;
  std::vector<StringMatch> query;
};

struct HeaderModifier {
  struct Pair {
    std::string name, value;
  };
  std::vector<Pair> set, add;
  std::vector<std::string> remove;
  bool empty() const { return set.empty() && add.empty() && remove.empty(); }
};

// What replaces the path of a request; the query stays.
struct PathRewrite {
  // kPrefix: in place of the prefix that the rule matched.
  enum Kind : uint8_t { kNone, kFull, kPrefix } kind = kNone;
  std::string value;
};

struct UrlRewrite {
  std::string hostname;  // "" = stays
  PathRewrite path;
  bool empty() const { return hostname.empty() && path.kind == PathRewrite::kNone; }
};

// The answer instead of a backend's. What is empty or 0 is taken from the request.
struct Redirect {
  std::string scheme, hostname;
  PathRewrite path;
  uint16_t port = 0;
  int status = 302;
};

// A copy of each request, whose answer nobody waits for.
struct Mirror {
  ServiceName service;
  uint16_t port = 0;
  uint32_t share = 1'000'000;  // of the requests, in millionths
  bool invalid = false;        // cannot be resolved: it gets no copies
};

struct Backend {
  ServiceName service;
  uint16_t port = 0;
  uint32_t weight = 1;
  // Set when the reference cannot be resolved: its share of the traffic gets 500.
  bool invalid = false;
  HeaderModifier request_headers, response_headers;
  UrlRewrite rewrite = {};           // what it sets counts in place of the rule's
  std::vector<Mirror> mirrors = {};  // besides the rule's, of what goes to this backend
};

// Cross-origin requests (Fetch standard, section 3.2), answered in place of the app.
struct Cors {
  std::vector<std::string> allow_origins;  // "https://shop.example", "https://*.example", "*"
  std::vector<std::string> allow_methods, allow_headers, expose_headers;  // "*" = all
  bool allow_credentials = false;
  Duration max_age = Duration::seconds(5);
};

struct RetryPolicy {
  std::vector<int> codes;                   // response statuses that are tried again
  uint32_t attempts = 0;                    // retries after the first try
  Duration backoff = Duration::millis(25);  // base; full jitter up to 10 times it
};

struct RouteRule {
  std::string route;  // "NAMESPACE/NAME" of the HTTPRoute
  std::string rule;   // its rule's name, or its index in decimal
  RouteMatch match;   // one rule object per match, already in order of precedence
  HeaderModifier request_headers, response_headers;
  std::optional<Redirect> redirect;  // then there are no backends
  UrlRewrite rewrite;
  std::vector<Backend> backends;  // none, or all of weight 0: 500
  std::vector<Mirror> mirrors = {};
  std::optional<Cors> cors = {};
  std::optional<SessionPersistence> persistence = {};
  Duration request_timeout{};  // 0 = none
  Duration backend_timeout{};  // per try; 0 = none
  std::optional<RetryPolicy> retry;
  // Namespaces whose callers this rule applies to; empty = all (producer route).
  std::string consumer_namespace;
  BackendPolicyPtr policy =
      nullptr;  // of the rule or its route; a section here beats the backend's
  // Of the rule, else of its route; in place of the service's. `route_fault`: the route's, where the rule has
  // one of its own; counts when that is over.
  FaultPtr fault = nullptr, route_fault = nullptr;
};

// A rule for opaque connections: of a TLSRoute for those that begin with a ClientHello of one of its
// names, of a TCPRoute for any.
struct TcpRule {
  std::string route;  // "NAMESPACE/NAME" of the route
  std::string rule;   // its rule's name, or its index in decimal
  // TLSRoute: "shop.example.com", or "*.example.com" for every name below; lower case. TCPRoute: none.
  std::vector<std::string> hostnames;
  std::vector<Backend> backends;
  // Namespaces whose callers this rule applies to; empty = all (producer route).
  std::string consumer_namespace;
  BackendPolicyPtr policy =
      nullptr;  // of the rule or its route; a section here beats the backend's
  FaultPtr fault = nullptr, route_fault = nullptr;  // as of a RouteRule
};

struct ServicePort {
  uint16_t port = 0;
  std::string name;
  Protocol protocol = Protocol::kAuto;
  bool routed = false;  // a route for requests is attached: what matches no rule gets 404
  std::vector<RouteRule> rules;
  // Of two for the same name and callers, or two without names, the first counts.
  std::vector<TcpRule> tcp_rules = {};
  // As it travels: with many rules `rules` is empty and these are the ids of the parts that hold them
  // (xds/convert.h).
  std::vector<uint64_t> parts = {};
};

struct Service {
  ServiceName name;
  IpAddress vip4, vip6;  // unspecified when headless
  bool headless = false;
  std::vector<ServicePort> ports;
  FaultPtr fault = nullptr;  // for all that is sent to it, unless the rule has one
};

// One instance behind a service.
struct Endpoint {
  // Not of the mesh (docs/design/outside.md): no sidecar and no identity. `workload` is its address, and
  // connections go to `address.ip` and the target port themselves.
  bool outside = false;
  std::string workload;    // instance id, "cart-7f3a9c"
  SocketAddress address;   // where its sidecar accepts mTLS
  SpiffeId identity;       // what it must show
  IpAddress mesh4, mesh6;  // the instance's own addresses
  // service port → the port the app listens on
  std::map<uint16_t, uint16_t> target_ports;
  std::map<std::string, std::string> labels;
  bool ready = true;
  bool stale = false;  // its sidecar is silent; served because nobody else is left
};

struct EndpointSet {
  ServiceName service;
  std::vector<Endpoint> endpoints;
  BackendPolicyPtr policy = nullptr;  // of the Service, whichever route sends to it
  // By service port, towards endpoints outside; what is not there is spoken to in plain.
  std::map<uint16_t, OutsideTlsPtr> outside_tls = {};
};

// One row of the index every proxy holds.
struct NameEntry {
  ServiceName service;
  IpAddress vip4, vip6;
  bool headless = false;
  std::vector<uint16_t> ports = {};  // all that are declared, ascending; empty: not told
};

// An instance by its own mesh address: what a direct connection to it needs.
struct WorkloadAddress {
  Endpoint endpoint;  // target_ports maps each app port to itself
  std::map<uint16_t, Protocol> ports;
};

}  // namespace weft::model
