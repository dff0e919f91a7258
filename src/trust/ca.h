// The certificate authority of one trust domain: a root (10 years) that signs only an issuing
// intermediate (30 days), which signs X509-SVIDs for workloads, machines and servers alike.
// A plain value with injected time: it keeps no files; the store keeps CaState. Two authorities
// must never sign from diverging states: whoever renews the intermediate stores it before using it.
// Threading: const members may be called from several threads.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/identity.h"
#include "trust/svid.h"

namespace weft::trust {

// All of the authority as PEM texts, keys included: keep them readable by the owner alone.
struct CaState {
  std::string trust_domain;
  std::string root_certificate, root_key;
  std::string intermediate_certificate, intermediate_key;
};

// What signing gives: DER, leaf first, then the intermediate. The root is not in it.
struct IssuedCertificate {
  std::vector<std::string> chain_der;
  WallTime not_before, not_after;
};

class CertificateAuthority {
 public:
  static constexpr Duration kRootLife = Duration::hours(24 * 3650);
  static constexpr Duration kIntermediateLife = Duration::hours(24 * 30);
  static constexpr Duration kLeafLife = Duration::hours(1);
  // Certificates begin this long ago (at most a tenth of a leaf's life), so that a peer whose clock is
  // behind accepts them.
  static constexpr Duration kBackdate = Duration::seconds(60);

  static Result<CertificateAuthority> create(std::string_view trust_domain, WallTime now);
  // Checks that the parts belong together.
  static Result<CertificateAuthority> load(const CaState& state);
  CertificateAuthority(CertificateAuthority&&) noexcept;
  CertificateAuthority& operator=(CertificateAuthority&&) noexcept;
  ~CertificateAuthority();
  CaState state() const;

  // A certificate for exactly `id`, with the key of this request (PKCS#10, DER). Names in the
  // request are ignored; its signature proves that the asker holds the key. `id` must be of this
  // trust domain. The certificate never outlives the intermediate.
  Result<IssuedCertificate> sign(std::string_view csr_der, const model::SpiffeId& id, WallTime now,
                                 Duration life = kLeafLife) const;
  // A credential with a fresh key, for the server's own listeners.
  Result<std::shared_ptr<const Svid>> issue(const model::SpiffeId& id, WallTime now,
                                            Duration life = kLeafLife) const;

  // A new intermediate under the same root; certificates of the old one stay valid.
  Result<void> renew_intermediate(WallTime now);
  // Half of the intermediate's life is over.
  bool intermediate_due(WallTime now) const;
  WallTime intermediate_not_after() const;
  WallTime root_not_after() const;

  const std::string& trust_domain() const;
  TrustBundle bundle() const;
  // What a join token pins: lower-case hex SHA-256 of the root's SubjectPublicKeyInfo.
  std::string root_spki_sha256() const;

 private:
  struct Impl;
  explicit CertificateAuthority(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::trust
