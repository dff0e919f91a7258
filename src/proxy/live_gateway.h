// The Gateway an edge proxy serves, compiled once, when it arrives: routes as for a service, certificates as
// TLS contexts. What cannot be compiled is refused there. Immutable and shared between threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/gateway.h"
#include "proxy/router.h"
#include "trust/tls.h"

namespace weft::proxy {

struct LiveListener {
  std::string name;
  model::GatewayListener::Protocol protocol = model::GatewayListener::kHttp;
  std::string hostname;
  std::shared_ptr<const CompiledService> routes;  // of one port
  std::vector<trust::PublicServer> certificates;
  std::optional<model::ClientValidation> clients;  // who may connect; nothing: anybody

  const CompiledPort& port() const { return routes->ports.front(); }
  uint16_t number() const { return port().port.port; }
  // The first that has the name, else the first; null only where TLS does not end.
  const trust::PublicServer* certificate(std::string_view server_name) const;
  // The certificate has the name (lower case), perhaps by a wildcard.
  static bool certifies(const trust::PublicServer& certificate, std::string_view server_name);
};

class LiveGateway {
 public:
  static Result<std::shared_ptr<const LiveGateway>> compile(const model::Gateway& gateway);

  const model::GatewayName& name() const { return name_; }
  // What is shown to backends outside the mesh; null: nothing.
  const std::shared_ptr<const model::GatewayCertificate>& backend_certificate() const {
    return backend_certificate_;
  }
  std::set<uint16_t> ports() const;
  const std::vector<IpAddress>& addresses() const { return addresses_; }  // none: everywhere
  const std::vector<LiveListener>& listeners() const { return listeners_; }
  // Any listener of the port; those of one port begin alike. Null: there is none.
  const LiveListener* any(uint16_t port) const;
  // The listener of the port with the closest hostname: a name beats a wildcard, a longer wildcard a shorter
  // one, and any is last. `host` in lower case, without port.
  const LiveListener* find(uint16_t port, std::string_view host) const;
  const LiveListener* named(std::string_view listener) const;
  // Services its rules send to.
  std::vector<model::ServiceName> dependencies() const;

 private:
  model::GatewayName name_;
  std::vector<IpAddress> addresses_;
  std::vector<LiveListener> listeners_;
  std::shared_ptr<const model::GatewayCertificate> backend_certificate_;
};

}  // namespace weft::proxy
