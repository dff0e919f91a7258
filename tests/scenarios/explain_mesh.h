// A mesh with routes whose running sidecar "web" is asked what it would do, and then made to do it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/text.h"
#include "scenarios/explained.h"
#include "steer/session.h"

namespace weft::scenarios {

inline constexpr const char* kExplainedRoutes = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: cart}
spec:
  parentRefs: [{group: "", kind: Service, name: cart}]
  rules:
  - name: canary
    matches: [{path: {type: PathPrefix, value: /items}, headers: [{name: x-canary, value: "1"}]}]
    timeouts: {request: 2s}
    backendRefs: [{name: cart-v2, port: 80}]
  - name: items
    matches: [{path: {type: PathPrefix, value: /items}}]
    backendRefs: [{name: cart-v1, port: 80, weight: 3}, {name: cart-v2, port: 80, weight: 1}]
  - name: old
    matches: [{path: {type: PathPrefix, value: /old}}]
    filters: [{type: URLRewrite, urlRewrite: {hostname: new.test, path: {type: ReplacePrefixMatch, replacePrefixMatch: /items}}}]
    backendRefs: [{name: cart-v1, port: 80}]
  - name: moved
    matches: [{path: {type: Exact, value: /moved}}]
    filters: [{type: RequestRedirect, requestRedirect: {hostname: shop.test, statusCode: 301}}]
  - name: broken
    matches: [{path: {type: PathPrefix, value: /broken}}]
    backendRefs: [{name: nobody, port: 80}]
  - name: query
    matches: [{path: {type: PathPrefix, value: /find}, method: GET, queryParams: [{name: q, value: shoes}]}]
    backendRefs: [{name: cart-v2, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: by-name}
spec:
  parentRefs: [{group: "", kind: Service, name: front}]
  hostnames: [a.test]
  rules: [{backendRefs: [{name: db, port: 5432}]}]
)";

class Explain : public testing::Test {
 protected:
  Explain() : mesh(13) {
    mesh.add({.name = "web", .services = {}, .behaviour = {}});
    add("cart-v1", "cart-v1", 80, model::Protocol::kHttp, false);
    add("cart-v2", "cart-v2", 80, model::Protocol::kHttp, false);
    add("plain-a", "plain", 80, model::Protocol::kAuto, false);
    add("plain-b", "plain", 80, model::Protocol::kAuto, false);
    add("cart", "cart", 80, model::Protocol::kHttp, false);
    add("db", "db", 5432, model::Protocol::kTcp, true);
    add("front", "front", 443, model::Protocol::kTcp, true);
    const CallResult applied = mesh.apply(kExplainedRoutes);
    EXPECT_EQ(applied.status, 200) << applied.body << applied.error;
    mesh.world().run_for(Duration::seconds(1));
  }

  void add(const std::string& name, const std::string& service, uint16_t port,
           model::Protocol protocol, bool tcp) {
    mesh.add({.name = name,
              .services = {{service, port, static_cast<uint16_t>(port + 8000), protocol, tcp}},
              .behaviour = {.says = name}});
  }

  CallResult post(const std::string& body) { return mesh.api("POST", "/v1/explain", body); }
  Node ask(const std::string& body) { return explained(mesh, body); }
  Node explain(const std::string& method, const std::string& host, const std::string& target,
               const std::vector<std::string>& fields = {}) {
    std::string body = R"({"kind": "request", "from": "web", "port": 80, "method": ")" + method +
                       R"(", "host": ")" + host + R"(", "authority": ")" + host +
                       R"(", "target": ")" + target + "\"";
    body += R"(, "fields": [)";
    for (const std::string& field : fields) {
      const auto parts = split_once(field, ':');
      body += std::string(body.ends_with('}') ? ", " : "") + R"({"name": ")" +
              std::string(parts->first) + R"(", "value": ")" + std::string(parts->second) + "\"}";
    }
    return ask(body + "]}");
  }
  static wire::RequestHead head_of(const std::string& method, const std::string& host,
                                   const std::string& target,
                                   const std::vector<std::string>& fields) {
    wire::RequestHead head;
    head.method = method;
    head.target = target;
    head.fields.add("Host", host);
    for (const std::string& field : fields) {
      const auto parts = split_once(field, ':');
      head.fields.add(parts->first, parts->second);
    }
    return head;
  }
  // Explains the request and sends it eight times: whoever is foretold serves. Gives the explanation.
  Node foretold(const std::string& method, const std::string& host, const std::string& target,
                const std::vector<std::string>& fields, size_t many) {
    SCOPED_TRACE(method + " " + host + target + (fields.empty() ? "" : " " + fields.front()));
    const Node said = explain(method, host, target, fields);
    const std::vector<std::string> named = candidates(said);
    EXPECT_EQ(named.size(), many);
    for (int i = 0; i < 8; ++i) {
      const CallResult result = mesh.call("web", head_of(method, host, target, fields), host, 80);
      EXPECT_EQ(result.status, 200) << result.error;
      EXPECT_NE(std::ranges::find(named, result.body), named.end()) << result.body;
    }
    return said;
  }
  // A client's token for an instance of a service.
  std::string token(uint64_t backend, const std::string& instance) {
    const WallTime now = mesh.world().wall_now();
    return steer::SessionToken{
        backend, steer::instance_tag(backend, mesh.instance(instance).registered.instance), now,
        now}
        .encode();
  }
  const std::string& secret() { return mesh.instance("web").worker->worker.self.mesh6_range; }
  // The names of the instances that may serve, sorted.
  std::vector<std::string> candidates(const Node& explanation) {
    std::vector<std::string> names;
    for (const Node& id : explanation.find_path({"outcome", "endpoints"})->items) {
      for (const std::string& name : mesh.names()) {
        if (mesh.instance(name).registered.instance == id.text) names.push_back(name);
      }
    }
    std::ranges::sort(names);
    return names;
  }

  Mesh mesh;
};

}  // namespace weft::scenarios
