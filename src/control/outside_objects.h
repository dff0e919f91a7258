// The specs of objects about what is outside the mesh, as the compiler needs them. Plain values.
#pragma once

#include <string>
#include <vector>

#include "base/ip.h"
#include "control/policy_objects.h"
#include "model/outside.h"

namespace weft::control {

// discovery.k8s.io/v1 EndpointSlice.
struct EndpointSliceSpec {
  struct Endpoint {
    std::vector<IpAddress> addresses;
    bool ready = true;
    std::string zone;
  };
  struct Port {
    std::string name;  // of the Service's port; "" where that has none
    uint16_t port = 0;
  };
  std::string service;  // by its label; "" = of none
  std::vector<Endpoint> endpoints;
  std::vector<Port> ports;
};

// gateway.networking.k8s.io/v1 BackendTLSPolicy.
struct BackendTlsSpec {
  struct Ref {
    std::string group, kind, name;
  };
  PolicyTargets targets;
  std::vector<Ref> authorities;
  std::string well_known;  // "" where authorities are named
  std::string hostname;
  std::vector<model::OutsideTls::Name> names;
};

}  // namespace weft::control
