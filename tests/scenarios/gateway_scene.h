// A Gateway "edge" served by a proxy of the mesh, two apps behind it, and a client that is not of the mesh.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "scenarios/mesh.h"

namespace weft::scenarios {

class GatewayScene : public testing::Test {
 protected:
  GatewayScene() : mesh(23), outside(mesh.world().node("outside")) {
    for (const char* name : {"a", "b"}) {
      mesh.add({.name = name,
                .services = {{name, 80, 8080, model::Protocol::kHttp}},
                .behaviour = {.says = name}});
    }
    mesh.add({.name = "gateway-edge",
              .services = {},
              .behaviour = {},
              .gateway = true,
              .serves = "edge"});
  }

  void apply(const std::string& kind, const std::string& name, const std::string& spec) {
    const CallResult result =
        mesh.apply("{apiVersion: gateway.networking.k8s.io/v1, kind: " + kind +
                   ", metadata: {name: " + name + "}, spec: {" + spec + "}}");
    ASSERT_EQ(result.status, 200) << result.body << result.error;
    mesh.world().run_for(Duration::millis(500));
  }
  void listeners(const std::string& list) {
    apply("Gateway", "edge", "gatewayClassName: weft, listeners: [" + list + "]");
  }
  void route(const std::string& name, const std::string& hosts, const std::string& backend) {
    apply("HTTPRoute", name,
          "parentRefs: [{name: edge}], hostnames: [" + hosts +
              "], rules: [{backendRefs: [{name: " + backend + ", port: 80}]}]");
  }
  Result<http::FetchResponse> fetch(const std::string& host, uint16_t port,
                                    const wire::Fields& fields = {}) {
    wire::RequestHead head;
    head.method = "GET";
    head.target = "/";
    head.authority = host;
    head.fields = fields;
    return mesh.world().run(
        http::fetch(outside.loop(), outside.network(),
                    SocketAddress{mesh.instance("gateway-edge").side->ip(), port}, head, "",
                    Duration::seconds(10)));
  }
  // "STATUS BODY", or the error.
  std::string get(const std::string& host, uint16_t port = 80) {
    auto answer = fetch(host, port);
    if (!answer) return "refused";
    return std::to_string(answer->status) + " " + answer->body.substr(0, 1);
  }
  void more_of_a() {
    for (const char* name : {"c", "d", "e"}) {
      mesh.add({.name = name,
                .services = {{"a", 80, 8080, model::Protocol::kHttp}},
                .behaviour = {.says = name}});
    }
  }

  Mesh mesh;
  sim::Node& outside;
};

}  // namespace weft::scenarios
