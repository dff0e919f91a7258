// What the tests of Gateways share: a compiler, a Gateway `edge` and its words.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "control/compile.h"
#include "control/kinds.h"

namespace weft::control {

class GatewayTest : public testing::Test {
 protected:
  void put(const std::string& yaml) {
    Problems problems;
    for (DecodedObject& one : decode_objects("test", yaml, problems)) {
      one.object.meta.created = WallTime::from_unix_seconds(++age_);
      compiler_.put(one.object);
    }
    ASSERT_TRUE(problems.empty()) << problems.front().to_string();
  }
  void put_gateway(const std::string& listeners) {
    put("{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: edge}, spec: "
        "{gatewayClassName: weft, listeners: [" +
        listeners + "]}}");
  }
  void put_route(const std::string& kind, const std::string& name, const std::string& parent,
                 const std::string& spec, const std::string& ns = "default") {
    put("{apiVersion: gateway.networking.k8s.io/v1, kind: " + kind + ", metadata: {name: " + name +
        ", namespace: " + ns + "}, spec: {parentRefs: [{name: edge, namespace: default, " + parent +
        "}], " + spec + "}}");
  }
  void put_service(const std::string& name, const std::string& ns = "default") {
    put("{apiVersion: v1, kind: Service, metadata: {name: " + name + ", namespace: " + ns +
        "}, spec: {ports: [{port: 80}]}}");
  }
  // `ready`: what it says of listener ports.
  void serve(std::map<uint16_t, bool> ready = {}) {
    Instance instance;
    instance.id = "gateway-edge-1";
    instance.ns = "default";
    instance.identity = *model::SpiffeId::for_workload("weft.local", "default", "gateway-edge");
    instance.address = {IpAddress::v4(0x7f000001), 20000};
    instance.ready = std::move(ready);
    compiler_.put_instance(std::move(instance));
  }
  const Object& gateway() { return *compiler_.object({"Gateway", "default", "edge"}); }
  static std::string told(const std::vector<Condition>& conditions, const std::string& type) {
    for (const Condition& one : conditions) {
      if (one.type == type) return (one.ok ? "True/" : "False/") + one.reason + ": " + one.message;
    }
    return "";
  }
  std::string listener(size_t index, const std::string& type) {
    return told(compiler_.gateway_state(gateway()).listeners.at(index).conditions, type);
  }
  std::string condition(const std::string& type) {
    return told(compiler_.conditions(gateway()), type);
  }
  std::string accepted(const std::string& kind, const std::string& name,
                       const std::string& ns = "default") {
    const auto states = compiler_.parents(*compiler_.object({kind, ns, name}));
    const Condition& one = states.at(0).conditions.at(0);
    return (one.ok ? "True/" : "False/") + one.reason + ": " + one.message;
  }
  // "HOST PATH" of each rule of a listener.
  std::vector<std::string> rules(size_t index) {
    std::vector<std::string> out;
    const auto compiled = compiler_.compile_gateway({"default", "edge"});
    for (const model::RouteRule& rule : compiled->listeners.at(index).port.rules)
      out.push_back(rule.match.host + " " + rule.match.path.value);
    return out;
  }
  Compiler compiler_;
  int64_t age_ = 0;
};

}  // namespace weft::control
