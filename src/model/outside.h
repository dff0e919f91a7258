// TLS towards endpoints outside the mesh, as a BackendTLSPolicy asks for it (Gateway API v1). Immutable, shared by
// pointer: equal settings of a service's successive versions are one object to a proxy.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace weft::model {

struct OutsideTls {
  struct Name {
    bool uri = false;  // else a host name
    std::string value;
    friend bool operator==(const Name&, const Name&) = default;
  };
  std::string origin;              // "BackendTLSPolicy default/bank"
  std::string problem;             // why nothing may be sent; "" = it may
  std::string server_name;         // SNI
  std::string authorities;         // PEM certificates; "" = those the proxy's host trusts
  std::string authorities_origin;  // "ConfigMap bank-ca", "System"
  std::vector<Name> names;         // one of them must be in the certificate; none: server_name
  friend bool operator==(const OutsideTls&, const OutsideTls&) = default;
};
using OutsideTlsPtr = std::shared_ptr<const OutsideTls>;

}  // namespace weft::model
