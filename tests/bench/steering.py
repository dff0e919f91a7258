"""One set of steering for every proxy of the bench: what a request costs when all of it has a say.

Ten rules of which the last takes the request (method, path and a header each), a request and a response header
set, timeouts, two retries with a budget, bounds of connections and requests, outlier detection, a fault for
requests with a certain header, and a rate limit nobody reaches. Each proxy does it in its own words; what one
of them has no word for is left out there (haproxy: retry budget, delay)."""

NAME, PORT = "steered", 83
DECOYS = 9


def decoys():
    return [(f"/area-{i}", f"tier-{i}") for i in range(DECOYS)]


def weft():
    rules = "".join(f"""
  - matches:
    - path: {{type: PathPrefix, value: {path}}}
      method: GET
      headers: [{{name: x-tier, value: {tier}}}]
    backendRefs: [{{name: {NAME}, port: {PORT}}}]""" for path, tier in decoys())
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {NAME}}}
spec:
  parentRefs: [{{group: "", kind: Service, name: {NAME}, port: {PORT}}}]
  rules:{rules}
  - matches: [{{path: {{type: PathPrefix, value: /}}, method: GET}}]
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier: {{set: [{{name: x-steered, value: "yes"}}]}}
    - type: ResponseHeaderModifier
      responseHeaderModifier: {{set: [{{name: x-answered, value: "yes"}}]}}
    timeouts: {{request: 10s, backendRequest: 5s}}
    backendRefs: [{{name: {NAME}, port: {PORT}}}]
---
apiVersion: weft.dev/v1
kind: BackendPolicy
metadata: {{name: {NAME}}}
spec:
  targetRefs: [{{kind: Service, name: {NAME}}}]
  circuitBreaker: {{maxConnections: 1000, maxPendingRequests: 1000, maxRequests: 1000, maxRetries: 10}}
  outlierDetection: {{consecutiveErrors: 5, successRate: {{}}}}
  retries: {{attempts: 2, conditions: [ConnectFailure, Reset, GatewayError], budget: {{percent: 20}}}}
---
apiVersion: weft.dev/v1
kind: FaultPolicy
metadata: {{name: {NAME}}}
spec:
  targetRefs: [{{kind: Service, name: {NAME}}}]
  duration: 12h
  match: {{headers: [{{name: x-fault, value: "yes"}}]}}
  delay: {{percentage: 100, duration: 1s}}
  abort: {{percentage: 100, httpStatus: 503}}
---
apiVersion: weft.dev/v1
kind: RateLimitPolicy
metadata: {{name: {NAME}}}
spec:
  targetRefs: [{{kind: Service, name: {NAME}}}]
  limits: [{{requests: 1000000, per: 1s}}]
"""


def haproxy_near():
    """(lines of the frontend, lines of the backend, words of the server)."""
    rules = "".join(f"    use_backend b{NAME} if METH_GET {{ path_beg {path} }} {{ hdr(x-tier) {tier} }}\n"
                    for path, tier in decoys())
    return (rules + "    http-request set-header x-steered yes\n    http-response set-header x-answered yes\n"
            "    http-request deny deny_status 503 if { hdr(x-fault) yes }\n",
            "    retries 2\n    option redispatch\n    timeout server 5s\n"
            "    retry-on conn-failure empty-response response-timeout 502 503 504\n",
            "maxconn 1000 check inter 10s observe layer7 error-limit 5 on-error mark-down")


def haproxy_far():
    return ("    stick-table type ip size 100k expire 10s store http_req_rate(1s)\n    http-request track-sc0 src\n"
            "    http-request deny deny_status 429 if { sc_http_req_rate(0) gt 1000000 }\n")


def envoy_routes(cluster):
    routes = [{"match": {"prefix": path, "headers": [
        {"name": ":method", "string_match": {"exact": "GET"}}, {"name": "x-tier", "string_match": {"exact": tier}}]},
        "route": {"cluster": cluster}} for path, tier in decoys()]
    header = "{}_headers_to_add".format
    routes.append({
        "match": {"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]},
        header("request"): [{"header": {"key": "x-steered", "value": "yes"}}],
        header("response"): [{"header": {"key": "x-answered", "value": "yes"}}],
        "route": {"cluster": cluster, "timeout": "10s", "retry_policy": {
            "retry_on": "connect-failure,reset,gateway-error", "num_retries": 2, "per_try_timeout": "5s"}}})
    return routes


def envoy_fault(typed):
    return {"name": "fault", "typed_config": typed(
        "filters.http.fault.v3.HTTPFault", headers=[{"name": "x-fault", "string_match": {"exact": "yes"}}],
        delay={"fixed_delay": "1s", "percentage": {"numerator": 100}},
        abort={"http_status": 503, "percentage": {"numerator": 100}})}


def envoy_limit(typed):
    always = {"default_value": {"numerator": 100}, "runtime_key": "bench"}
    return {"name": "limit", "typed_config": typed(
        "filters.http.local_ratelimit.v3.LocalRateLimit", stat_prefix="limit", filter_enabled=always,
        filter_enforced=always,
        token_bucket={"max_tokens": 1000000, "tokens_per_fill": 1000000, "fill_interval": "1s"})}


def envoy_cluster():
    return {"outlier_detection": {"consecutive_5xx": 5},
            "circuit_breakers": {"thresholds": [{"max_connections": 1000, "max_pending_requests": 1000,
                                                 "max_requests": 1000, "max_retries": 10,
                                                 "retry_budget": {"budget_percent": {"value": 20}}}]}}
