// What compile.cc and compile_conditions.cc share: the compiler's objects and the indexes that make a
// change find what it touches.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control/compile.h"
#include "model/gateway.h"

namespace weft::control {

// What a policy is for: an object, or one rule of it.
struct PolicyPlace {
  ObjectKey target;
  std::string section;
  friend auto operator<=>(const PolicyPlace&, const PolicyPlace&) = default;
};

// Routes that a port has no room for (compile_admission.h), and why.
using RoutesLeftOut = std::map<ObjectKey, std::string>;

struct Compiler::State {
  std::map<ObjectKey, Object> objects;
  std::map<std::string, Instance> instances;
  std::map<model::ServiceName, std::vector<ImplicitPort>> implicit;  // as put_implicit() said
  std::map<model::ServiceName, std::pair<IpAddress, IpAddress>> addresses;
  // Indexes.
  std::map<model::ServiceName, std::set<ObjectKey>> routes_of_parent;
  std::map<model::ServiceName, std::set<ObjectKey>> routes_to_backend;
  std::map<model::GatewayName, std::set<ObjectKey>> routes_of_gateway;
  std::map<model::ServiceName, std::set<ObjectKey>> routes_of_listener_set;
  std::map<model::GatewayName, std::set<ObjectKey>> sets_of_gateway;
  std::map<model::ServiceName, std::set<std::string>> claimants;  // claims with a port
  std::map<std::string, std::set<std::string>> instances_of_namespace;
  std::map<PolicyPlace, std::set<ObjectKey>> policies_at;
  std::map<model::ServiceName, std::set<ObjectKey>> slices_of_service;
  std::set<std::string> changed_inbounds;  // since take_changed_inbounds()
  std::string trust_domain = "weft.local";
  std::set<model::GatewayName> changed_gateways;  // since take_changed_gateways()

  // By port; worked out when asked for, forgotten when something of the service changes.
  mutable std::map<model::ServiceName, std::map<uint16_t, RoutesLeftOut>> left_out;
  // The same of listeners, by Gateway and listener_name().
  mutable std::map<std::pair<model::GatewayName, std::string>, RoutesLeftOut> left_out_of_listener;
  Affected changed(Affected services) const {
    for (const model::ServiceName& name : services) left_out.erase(name);
    return services;
  }

  const ServiceSpec* service(const model::ServiceName& name) const;
  // Ports of the service, explicit or implicit, without rules; empty = no such service.
  std::vector<model::ServicePort> ports(const model::ServiceName& name) const;
  std::vector<ImplicitPort> implicit_ports(const model::ServiceName& name) const;
  bool has_port(const model::ServiceName& name, uint16_t port) const;
  std::vector<const Object*> routes(const model::ServiceName& parent) const;
  // Instances behind the service, whether ready or not, leaving ones too.
  std::vector<const Instance*> members(const model::ServiceName& name) const;
  // The app port of an instance behind a port of the service; 0 = none.
  uint16_t target_port(const model::ServiceName& name, uint16_t port,
                       const Instance& instance) const;
  bool selects(const ServiceSpec& spec, const model::ServiceName& name,
               const Instance& instance) const;
};

// Why a backend of a route cannot be used: reason and message of ResolvedRefs=False; no reason = it can.
// `parents` are Services the route is attached to: a consumer route may send to the namespace it calls,
// anything else across namespaces needs a ReferenceGrant.
struct BackendProblem {
  std::string reason;
  std::string message;
};
BackendProblem resolve_backend(const Compiler::State& state, const Object& route,
                               const std::vector<model::ServiceName>& parents,
                               const BackendRef& ref);

std::string port_list(const std::vector<model::ServicePort>& ports);  // "80, 443"

Labels effective_labels(const Instance& instance);
// Services that the instance's claims or labels concern, and what refers to those as a backend.
void add_services_of(const Compiler::State& state, const Instance& instance, Affected& out);

}  // namespace weft::control
