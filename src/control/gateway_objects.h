// The specs of a Gateway's kinds as the compiler needs them: what object.h is for routes. Plain values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace weft::control {

// A choice of namespaces by their labels (meta/v1 LabelSelector): all must hold.
struct LabelSelector {
  struct Expression {
    enum Operator : uint8_t { kIn, kNotIn, kExists, kDoesNotExist } op = kExists;
    std::string key;
    std::vector<std::string> values;
  };
  std::map<std::string, std::string> labels;
  std::vector<Expression> expressions;
  bool matches(const std::map<std::string, std::string>& of) const;
};

struct ListenerSpec {
  struct Certificate {
    std::string group, kind, ns, name;
  };
  struct RouteKind {
    std::string group, kind;
  };
  enum From : uint8_t { kSame, kAll, kSelector };
  std::string name;
  std::string hostname;  // lower case; "" = any
  uint16_t port = 0;
  std::string protocol;      // HTTP, HTTPS, TLS, TCP, UDP, example.com/name
  bool passthrough = false;  // tls.mode
  std::vector<Certificate> certificates;
  From from = kSame;
  LabelSelector selector;
  std::vector<RouteKind> kinds;  // none: those that fit the protocol
};

struct GatewaySpec {
  std::string class_name;
  std::vector<ListenerSpec> listeners;
};

struct GatewayClassSpec {
  std::string controller;
};

// core/v1 Secret of type kubernetes.io/tls.
struct SecretSpec {
  std::string chain_pem, key_pem;
  std::string problem;  // why no server can show it; "" = it can
};

}  // namespace weft::control
