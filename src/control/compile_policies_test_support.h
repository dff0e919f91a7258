// A small shop as the compiler has it, and the means to put policies on it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "control/compile.h"
#include "control/kinds.h"

namespace weft::control {

inline constexpr const char* kPolicyServices =
    "{apiVersion: v1, kind: Service, metadata: {name: cart}, spec: {ports: [{name: web, port: 80}, "
    "{name: admin, port: 81}]}}\n---\n"
    "{apiVersion: v1, kind: Service, metadata: {name: cart-v2}, spec: {ports: [{port: 80}]}}\n---\n"
    "{apiVersion: v1, kind: Service, metadata: {name: db}, spec: {ports: [{port: 5432, "
    "appProtocol: "
    "tcp}]}}\n---\n"
    "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: split}, spec: "
    "{parentRefs: [{kind: Service, name: cart}], rules: [{name: items, matches: [{path: {value: "
    "/items}}], backendRefs: [{name: cart-v2, port: 80}]}, {backendRefs: [{name: cart, port: "
    "80}]}]}}\n---\n"
    "{apiVersion: gateway.networking.k8s.io/v1, kind: TCPRoute, metadata: {name: old}, spec: "
    "{parentRefs: [{kind: Service, name: db}], rules: [{backendRefs: [{name: db, port: "
    "5432}]}]}}\n";

class PoliciesTest : public testing::Test {
 protected:
  PoliciesTest() {
    compiler_.set_trust_domain("mesh.example");
    put(kPolicyServices);
    for (const char* name : {"cart", "cart-v2", "db"}) {
      compiler_.set_address({"default", name}, IpAddress::v4(1), IpAddress());
    }
  }
  Affected put(const std::string& yaml, int64_t created_s = 100) {
    Problems problems;
    Affected out;
    for (DecodedObject& one : decode_objects("test", yaml, problems)) {
      one.object.meta.created = WallTime::from_unix_seconds(created_s);
      out.merge(compiler_.put(one.object));
    }
    EXPECT_TRUE(problems.empty()) << problems.front().to_string();
    return out;
  }
  // `target`: "kind: Service, name: cart".
  Affected put_policy(const std::string& kind, const std::string& name, const std::string& target,
                      const std::string& spec, int64_t created_s = 100) {
    return put("{apiVersion: weft.dev/v1, kind: " + kind + ", metadata: {name: " + name +
                   "}, spec: {targetRefs: [{" + target + "}], " + spec + "}}",
               created_s);
  }
  Affected put_traffic(const std::string& name, const std::string& target, const std::string& spec,
                       int64_t created_s = 100) {
    return put(
        "{apiVersion: gateway.networking.x-k8s.io/v1alpha1, kind: XBackendTrafficPolicy, "
        "metadata: {name: " +
            name + "}, spec: {targetRefs: [{" + target + "}]" + spec + "}}",
        created_s);
  }
  Affected remove(const std::string& kind, const std::string& name) {
    return compiler_.remove({kind, "default", name});
  }
  void put_instance(const std::string& id, const std::string& service, uint16_t app_port) {
    Instance instance;
    instance.id = id;
    instance.ns = "default";
    instance.claims = {{service, 80, app_port, model::Protocol::kHttp}};
    compiler_.put_instance(std::move(instance));
  }
  CompiledService compiled(const std::string& name) {
    return *compiler_.compile({"default", name});
  }
  // "items" and the one without a name ("1") of port 80.
  model::RouteRule rule(const std::string& name) {
    for (const model::RouteRule& one : compiled("cart").service.ports.at(0).rules) {
      if (one.rule == name) return one;
    }
    ADD_FAILURE() << name;
    return {};
  }
  // Each target as "REASON: MESSAGE", "" when accepted.
  std::vector<std::string> refusals(const std::string& kind, const std::string& name) {
    std::vector<std::string> out;
    for (const AncestorState& one : compiler_.ancestors(*object(kind, name))) {
      const Condition& condition = one.conditions.at(0);
      EXPECT_EQ(condition.type, "Accepted");
      out.push_back(condition.ok ? "" : condition.reason + ": " + condition.message);
    }
    return out;
  }
  const Object* object(const std::string& kind, const std::string& name) {
    return compiler_.object({kind, "default", name});
  }
  Compiler compiler_;
};

}  // namespace weft::control
