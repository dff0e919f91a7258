// The specs of a Gateway's kinds as the compiler needs them: what object.h is for routes. Plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
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

// An object that another one names; `group` "" = core.
struct ObjectRef {
  std::string group, kind, ns, name;
};

// Whose namespaces: of routes for a listener, of ListenerSets for a Gateway.
struct NamespaceChoice {
  enum From : uint8_t { kNone, kSame, kAll, kSelector } from = kSame;
  LabelSelector selector;
};

struct ListenerSpec {
  struct RouteKind {
    std::string group, kind;
  };
  std::string name;
  std::string hostname;  // lower case; "" = any
  uint16_t port = 0;
  std::string protocol;      // HTTP, HTTPS, TLS, TCP, UDP, example.com/name
  bool passthrough = false;  // tls.mode
  std::vector<ObjectRef> certificates;
  NamespaceChoice routes;
  std::vector<RouteKind> kinds;  // none: those that fit the protocol
};

// How clients of a port are verified (FrontendTLSValidation).
struct ClientsSpec {
  std::vector<ObjectRef> authorities;  // none: no certificate is asked for
  bool fallback = false;               // AllowInsecureFallback
};

struct GatewaySpec {
  struct Address {
    std::string type, value;  // value "": any of the type
  };
  std::string class_name;
  std::vector<ListenerSpec> listeners;
  std::vector<Address> addresses;
  NamespaceChoice sets{NamespaceChoice::kNone, {}};  // whose ListenerSets may attach
  ClientsSpec clients;                               // tls.frontend.default
  std::map<uint16_t, ClientsSpec> clients_of_port;   // tls.frontend.perPort
  std::optional<ObjectRef> client_certificate;       // tls.backend: for backends outside the mesh
};

struct ListenerSetSpec {
  ObjectRef gateway;
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

// core/v1 ConfigMap: data and binaryData, decoded.
struct ConfigMapSpec {
  std::map<std::string, std::string> data;
};

}  // namespace weft::control
