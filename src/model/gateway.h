// What the control plane compiles a Gateway to, and an edge proxy runs on: listeners with their certificates
// and routes. Immutable values; they travel as proto/gateway.proto (xds/convert_gateway.h).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/identity.h"
#include "model/service.h"

namespace weft::model {

// Of the same form as a Service's name, but its name may have dots.
using GatewayName = ServiceName;

struct GatewayCertificate {
  std::string chain_pem;  // leaf first
  std::string key_pem;
};

struct GatewayListener {
  // kHttps ends TLS here; kTls looks at the server name and passes TLS on unopened.
  enum Protocol : uint8_t { kHttp, kHttps, kTls, kTcp } protocol = kHttp;
  std::string name;      // "web"; of a ListenerSet "NAMESPACE/SET/web"
  std::string hostname;  // lower case: "shop.example.com", "*.example.com"; "" = any
  std::vector<GatewayCertificate> certificates;  // kHttps, at least one
  // The rules of the routes attached here; their hosts are within `hostname`. A request that none of them
  // takes gets 404.
  ServicePort port;
};

// Who may connect to a port that ends TLS: clients with a certificate that one of these authorities signed.
struct ClientValidation {
  std::string roots_pem;
  // Clients without such a certificate are let in too; nothing is said of who they are.
  bool fallback = false;
  friend bool operator==(const ClientValidation&, const ClientValidation&) = default;
};

struct Gateway {
  // Of all its ListenerSets together.
  static constexpr size_t kMostListeners = 256;

  GatewayName name;
  // No two of one port have the same hostname; those of one port fit each other: all kHttp, or one kTcp, or
  // kHttps and kTls.
  std::vector<GatewayListener> listeners;
  // Where to listen unless the operator says otherwise; none: everywhere.
  std::vector<IpAddress> addresses = {};
  // Of the ports of kHttps listeners; those not named ask clients for no certificate.
  std::map<uint16_t, ClientValidation> clients = {};
  // What it shows to backends outside the mesh that ask (spec.tls.backend); null: nothing.
  std::shared_ptr<const GatewayCertificate> backend_certificate = nullptr;
};

// The workload name of those who serve a Gateway: `weft gateway edge` is "gateway-edge". It decides who gets
// the Gateway's certificates.
inline constexpr std::string_view kGatewayAccount = "gateway-";
// Longer names have no account.
inline constexpr size_t kLongestGatewayName = 63 - kGatewayAccount.size();
inline std::string gateway_account(std::string_view gateway) {
  return std::string(kGatewayAccount) + std::string(gateway);
}
// The Gateway that a workload of this identity serves.
std::optional<GatewayName> gateway_of(const SpiffeId& identity);
// "shop/edge", the name of its resource.
inline std::string resource_name(const GatewayName& name) { return name.ns + "/" + name.name; }

}  // namespace weft::model
