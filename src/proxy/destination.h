// Where a connection of the app is meant to go: a pure decision over the snapshot, from the original
// destination of the connection.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/ip.h"
#include "model/service.h"
#include "proxy/snapshot.h"
#include "proxy/worker.h"

namespace weft::proxy {

// Where a route for opaque connections leads instead of the service itself.
struct TcpChoice {
  std::string route;  // "NAMESPACE/NAME/RULE"
  model::ServiceName service;
  uint16_t port = 0;                         // 0: the backend whose turn it is cannot be used
  model::BackendPolicyPtr policy = nullptr;  // of the rule, as the next
  steer::RuleFaults faults{};
};

struct Destination {
  enum Kind : uint8_t {
    kService,   // a service of the mesh: routes and balancing apply
    kWorkload,  // one instance, by its own mesh address
    kGateway,   // a port of the Gateway this proxy serves: its listeners' routes decide
    kExternal,  // not of the mesh: carried unchanged
    kRefused,   // of the mesh, but there is no such port or address: `why`
    kUnknown,   // discovery has to be asked first: `want`
  } kind = kUnknown;
  SocketAddress original;
  model::ServiceName service;  // kService; kGateway: the Gateway
  uint16_t port = 0;
  std::shared_ptr<const LiveWorkload> workload;  // kWorkload
  model::Protocol protocol = model::Protocol::kAuto;
  std::optional<TcpChoice> chosen;  // for opaque connections only
  IpAddress client;                 // kGateway: who connected
  std::string listener;             // kGateway: that TLS was ended for; "" = the Host decides alone
  bool tls = false;                 // kGateway: the client speaks https
  Want want;
  std::string why;

  // "cart.default" or the address dialled.
  std::string name() const;
};

// A range in CIDR notation, parsed once.
struct AddressRange {
  IpAddress base;
  int bits = 0;
  static Result<AddressRange> parse(std::string_view cidr);
  bool contains(const IpAddress& address) const;
};

struct MeshRanges {
  std::optional<AddressRange> v4, v6;
  bool contains(const IpAddress& address) const;
};

Destination find_destination(const Snapshot& snapshot, const MeshRanges& ranges,
                             SocketAddress original);
// The same for a service known by name (explicit mode).
Destination find_service(const Snapshot& snapshot, const model::ServiceName& name, uint16_t port);

// The group of the one instance that a kWorkload names; it serves the port dialled.
std::shared_ptr<const EndpointGroup> group_of_one(const Destination& destination);

}  // namespace weft::proxy
