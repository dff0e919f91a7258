// One valid object of each kind, for its reference page. A test reads them all.
#include <utility>

#include "control/reference.h"

namespace weft::control {
namespace {

constexpr std::pair<std::string_view, std::string_view> kExamples[] = {
    {"Service", R"(apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec:
  selector: {app: cart}
  ports:
  - {name: http, port: 80, targetPort: 8080, appProtocol: http}
)"},
    {"Namespace", R"(apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: web}}
)"},
    {"Secret", R"(apiVersion: v1
kind: Secret
metadata: {name: shop-certificate, namespace: shop}
type: kubernetes.io/tls
stringData:
  tls.crt: |
    -----BEGIN CERTIFICATE-----
    …
    -----END CERTIFICATE-----
  tls.key: |
    -----BEGIN PRIVATE KEY-----
    …
    -----END PRIVATE KEY-----
)"},
    {"ConfigMap", R"(apiVersion: v1
kind: ConfigMap
metadata: {name: bank-ca, namespace: shop}
data:
  ca.crt: |
    -----BEGIN CERTIFICATE-----
    MIIBszCCAVmgAwIBAgIUc2hvdy1tZS1hcy1hbi1leGFtcGxlMAoGCCqGSM49BAMC
    -----END CERTIFICATE-----
)"},
    {"EndpointSlice", R"(apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: bank-1
  namespace: shop
  labels: {kubernetes.io/service-name: bank}
addressType: IPv4
endpoints:
- {addresses: [10.7.0.4], zone: eu-1a}
- {addresses: [10.7.1.4], zone: eu-1b, conditions: {ready: false}}
ports:
- {name: https, port: 8443}
)"},
    {"HTTPRoute", R"(apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: cart-canary, namespace: shop}
spec:
  parentRefs:
  - {group: "", kind: Service, name: cart, port: 80}
  rules:
  - matches:
    - path: {type: PathPrefix, value: /items}
      headers: [{name: x-canary, value: "yes"}]
    backendRefs:
    - {name: cart-v2, port: 80}
  - backendRefs:
    - {name: cart-v1, port: 80, weight: 90}
    - {name: cart-v2, port: 80, weight: 10}
    timeouts: {request: 10s, backendRequest: 2s}
)"},
    {"GRPCRoute", R"(apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: ledger, namespace: shop}
spec:
  parentRefs:
  - {group: "", kind: Service, name: ledger}
  rules:
  - matches:
    - method: {service: shop.v1.Ledger, method: Append}
    backendRefs:
    - {name: ledger-writer, port: 7070}
  - backendRefs:
    - {name: ledger, port: 7070}
)"},
    {"TLSRoute", R"(apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: bank, namespace: shop}
spec:
  parentRefs:
  - {group: "", kind: Service, name: bank}
  hostnames: [api.bank.example]
  rules:
  - backendRefs:
    - {name: bank-v2, port: 443}
)"},
    {"TCPRoute", R"(apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {name: database, namespace: shop}
spec:
  parentRefs:
  - {group: "", kind: Service, name: database, port: 5432}
  rules:
  - backendRefs:
    - {name: database-new, port: 5432, weight: 1}
    - {name: database-old, port: 5432, weight: 9}
)"},
    {"UDPRoute", R"(apiVersion: gateway.networking.k8s.io/v1
kind: UDPRoute
metadata: {name: time, namespace: shop}
spec:
  parentRefs:
  - {name: edge, sectionName: time}
  rules:
  - backendRefs:
    - {name: time, port: 123}
)"},
    {"Gateway", R"(apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  gatewayClassName: weft
  listeners:
  - name: https
    port: 443
    protocol: HTTPS
    hostname: "*.shop.example"
    tls:
      certificateRefs: [{name: shop-certificate}]
)"},
    {"GatewayClass", R"(apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: weft}
spec:
  controllerName: weft.dev/gateway
)"},
    {"ListenerSet", R"(apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more, namespace: shop}
spec:
  parentRef: {name: edge}
  listeners:
  - {name: metrics, port: 9090, protocol: HTTP}
)"},
    {"ReferenceGrant", R"(apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: routes-of-shop, namespace: payments}
spec:
  from:
  - {group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}
  to:
  - {group: "", kind: Service, name: ledger}
)"},
    {"BackendTLSPolicy", R"(apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: bank, namespace: shop}
spec:
  targetRefs:
  - {group: "", kind: Service, name: bank}
  validation:
    wellKnownCACertificates: System
    hostname: api.bank.example
)"},
    {"BackendPolicy", R"(apiVersion: weft.dev/v1
kind: BackendPolicy
metadata: {name: cart, namespace: shop}
spec:
  targetRefs:
  - {kind: Service, name: cart}
  loadBalancing:
    algorithm: RingHash
    hashBy:
    - {type: Header, name: x-user}
    - {type: SourceAddress}
    boundedLoadPercent: 125
  circuitBreaker: {maxRequests: 200, maxPendingRequests: 50}
  outlierDetection: {consecutiveErrors: 3, baseEjection: 10s}
  healthCheck: {type: HTTP, path: /healthz, interval: 5s}
  retries:
    attempts: 2
    conditions: [ConnectFailure, Reset, GatewayError]
    perTryTimeout: 500ms
    budget: {percent: 20}
)"},
    {"FaultPolicy", R"(apiVersion: weft.dev/v1
kind: FaultPolicy
metadata: {name: slow-cart, namespace: shop}
spec:
  targetRefs:
  - {kind: HTTPRoute, name: cart-canary, sectionName: items}
  duration: 15m
  match:
    headers: [{name: x-experiment, value: "slow"}]
    callers: [shop/web]
  delay: {percentage: 10, duration: 2s}
  abort: {percentage: 0.5, httpStatus: 503}
)"},
    {"XBackendTrafficPolicy", R"(apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XBackendTrafficPolicy
metadata: {name: cart, namespace: shop}
spec:
  targetRefs:
  - {group: "", kind: Service, name: cart}
  retryConstraint:
    budget: {percent: 20, interval: 10s}
    minRetryRate: {count: 10, interval: 1s}
  sessionPersistence:
    type: Cookie
    cookie: {name: cart-session}
)"},
    {"RateLimitPolicy", R"(apiVersion: weft.dev/v1
kind: RateLimitPolicy
metadata: {name: cart, namespace: shop}
spec:
  targetRefs:
  - {kind: Service, name: cart}
  limits:
  - {requests: 1000, per: 1s, burst: 2000}
  - requests: 50
    per: 1s
    by: [{type: SourceIdentity}]
    overrides:
    - {caller: shop/batch, requests: 5}
)"},
};

}  // namespace

std::string_view reference_example(std::string_view kind) {
  for (const auto& [name, text] : kExamples) {
    if (name == kind) return text;
  }
  return "";
}

}  // namespace weft::control
