// The trust domain of one control plane: made at the first start, read from the store ever after.
// Holds the certificate authority and the domain's address ranges.
// The keys live in the store's file, which only its owner may read. A renewed intermediate is
// stored before it signs anything, so two starts never sign with diverging authorities. Threading:
// the server's loop.
#pragma once

#include <string>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "control/address_pool.h"
#include "control/store.h"
#include "trust/ca.h"

namespace weft::control {

class CaService {
 public:
  static constexpr std::string_view kDefaultTrustDomain = "weft.local";
  // How long a joined machine may stay away without needing a new token (never past the issuer's
  // end).
  static constexpr Duration kMachineLife = Duration::hours(24 * 14);

  // `trust_domain`: what the user asked for, "" = whatever the store has, else the default.
  // kConflict when the store holds another one.
  static Result<CaService> open(Store& store, Random& random, std::string trust_domain,
                                WallTime now);

  const trust::CertificateAuthority& authority() const { return authority_; }
  const std::string& trust_domain() const { return authority_.trust_domain(); }
  const AddressPool& addresses() const { return addresses_; }

  // Renews the intermediate at half of its life. True when it did.
  Result<bool> maintain(WallTime now);

 private:
  CaService(Store& store, trust::CertificateAuthority authority, AddressPool addresses)
      : store_(&store), authority_(std::move(authority)), addresses_(addresses) {}

  Store* store_;
  trust::CertificateAuthority authority_;
  AddressPool addresses_;
};

}  // namespace weft::control
