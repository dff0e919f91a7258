// The TLS contexts a worker uses at one moment, made together from one SVID. A rotation makes a new set;
// connections made before keep the context they were made with until they are drained.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "trust/svid.h"
#include "trust/tls.h"

namespace weft::proxy {

// ALPN names of the forms of the hop between sidecars.
inline constexpr std::string_view kAlpnH2 = "h2";
inline constexpr std::string_view kAlpnUpgrade = "http/1.1";
inline constexpr std::string_view kAlpnTcp = "weft-tcp";

struct TlsSet {
  uint64_t generation = 0;
  trust::TlsContextPtr h2, upgrade, tcp;  // dialling, one ALPN each
  trust::TlsContextPtr server;  // accepting all three, for the names of this instance only
  std::shared_ptr<const trust::Svid> svid;
  trust::TrustBundle bundle;
};
using TlsSetPtr = std::shared_ptr<const TlsSet>;

// `other`: another worker's set of the same certificate and bundle, or null. Callers it has verified are
// known here too.
Result<TlsSetPtr> make_tls_set(uint64_t generation, std::shared_ptr<const trust::Svid> svid,
                               const trust::TrustBundle& bundle, const std::string& instance,
                               const TlsSetPtr& other = nullptr);

}  // namespace weft::proxy
