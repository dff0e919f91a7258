// Keys, certificates and what is trusted: X.509-SVIDs as SPIFFE defines them (one URI SAN, EC
// P-256). Values here are immutable once made and shared by pointer: a rotation makes a new Svid,
// connections made before keep theirs. Threading: immutable objects may be shared between threads.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/identity.h"

namespace weft::trust {

// An EC P-256 key pair. The private half never leaves the object except by to_pem().
class PrivateKey {
 public:
  static Result<PrivateKey> generate();
  static Result<PrivateKey> from_pem(std::string_view pem);
  std::string to_pem() const;  // PKCS#8
  // A PKCS#10 request (DER) that asks for this identity as URI SAN, signed by the key.
  Result<std::string> make_csr(const model::SpiffeId& id) const;

  struct Impl;
  const std::shared_ptr<Impl>& impl() const { return impl_; }
  explicit PrivateKey(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<Impl> impl_;
};

// A credential: certificate chain (leaf first, then intermediates) and its key.
class Svid {
 public:
  // Checks that the leaf is a valid X509-SVID and that the key belongs to it.
  static Result<std::shared_ptr<const Svid>> make(std::vector<std::string> chain_der,
                                                  PrivateKey key);

  const model::SpiffeId& id() const;
  const std::vector<std::string>& chain_der() const;
  const PrivateKey& key() const;
  WallTime not_before() const;
  WallTime not_after() const;
  std::string serial_hex() const;
  ~Svid();

  struct Impl;
  explicit Svid(std::unique_ptr<Impl> impl);
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// The roots of one trust domain.
struct TrustBundle {
  std::string trust_domain;
  std::vector<std::string> roots_der;
};

}  // namespace weft::trust
