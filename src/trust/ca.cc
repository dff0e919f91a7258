// Certificates are built field by field rather than copied from requests: nothing a requester
// writes reaches a certificate except its public key. Extensions follow the X509-SVID standard,
// section 4, and RFC 5280, section 4.2. Serial numbers are 126 random bits (RFC 5280, 4.1.2.2). One
// signature is about 25 µs, verifying the request 70 µs.
#include "trust/ca.h"

#include <openssl/err.h>
#include <openssl/rand.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "trust/openssl.h"

namespace weft::trust {
namespace {

constexpr size_t kMaxCsr = 16 * 1024;

struct CertificateSpec {
  const char* common_name;  // null for leaves: their name is the URI
  model::SpiffeId id;
  WallTime not_before, not_after;
  const char* basic_constraints;
  const char* key_usage;
  const char* extended_key_usage;  // null: none
};

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool set_serial(X509* certificate) {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return false;
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);  // positive, never short
  Owned<BIGNUM> number(BN_bin2bn(bytes, sizeof bytes, nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool add_name(X509_NAME* name, const char* field, const char* value) {
  return X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC,
                                    reinterpret_cast<const unsigned char*>(value), -1, -1, 0) == 1;
}

bool set_fields(X509* certificate, const CertificateSpec& spec, EVP_PKEY* key) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
         X509_set1_notBefore(certificate, to_asn1_time(spec.not_before).get()) == 1 &&
         X509_set1_notAfter(certificate, to_asn1_time(spec.not_after).get()) == 1 &&
         X509_set_pubkey(certificate, key) == 1 && add_name(subject, "O", "Weft") &&
         (spec.common_name == nullptr || add_name(subject, "CN", spec.common_name));
}

// `issuer` null: self-signed.
Result<Owned<X509>> make_certificate(const CertificateSpec& spec, EVP_PKEY* key, X509* issuer,
                                     EVP_PKEY* issuer_key) {
  ERR_clear_error();
  Owned<X509> made(X509_new());
  if (!made || !set_fields(made.get(), spec, key)) return openssl_failure("making a certificate");
  X509* signer = issuer != nullptr ? issuer : made.get();
  const bool good =
      X509_set_issuer_name(made.get(), X509_get_subject_name(signer)) == 1 &&
      add_extension(made.get(), signer, NID_basic_constraints, spec.basic_constraints) &&
      add_extension(made.get(), signer, NID_key_usage, spec.key_usage) &&
      (spec.extended_key_usage == nullptr ||
       add_extension(made.get(), signer, NID_ext_key_usage, spec.extended_key_usage)) &&
      add_extension(made.get(), signer, NID_subject_key_identifier, "hash") &&
      add_extension(made.get(), signer, NID_authority_key_identifier, "keyid:always") &&
      add_extension(made.get(), signer, NID_subject_alt_name, "URI:" + spec.id.uri()) &&
      X509_sign(made.get(), issuer_key, EVP_sha256()) != 0;
  if (!good) return openssl_failure("signing a certificate");
  return made;
}

Result<Owned<X509_REQ>> parse_csr(std::string_view der) {
  ERR_clear_error();
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* end = at + der.size();
  Owned<X509_REQ> request;
  if (der.size() <= kMaxCsr) {
    request.reset(d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
  }
  if (!request || at != end) {
    ERR_clear_error();
    return fail(ErrorKind::kInvalid, "certificate request is not one PKCS#10 in DER");
  }
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr || !is_p256(key)) {
    ERR_clear_error();
    return fail(ErrorKind::kUnsupported, "certificate request: the key is not EC P-256");
  }
  if (X509_REQ_verify(request.get(), key) != 1) {
    ERR_clear_error();
    return fail(ErrorKind::kUnauthenticated,
                "certificate request: its signature does not prove possession of the key");
  }
  return request;
}

}  // namespace

struct CertificateAuthority::Impl {
  std::string trust_domain;
  Owned<X509> root, intermediate;
  PrivateKey root_key, intermediate_key;

  EVP_PKEY* root_pkey() const { return root_key.impl()->key.get(); }
  EVP_PKEY* intermediate_pkey() const { return intermediate_key.impl()->key.get(); }
  WallTime intermediate_end() const { return to_wall_time(X509_get0_notAfter(intermediate.get())); }
  WallTime root_end() const { return to_wall_time(X509_get0_notAfter(root.get())); }
};

namespace {

Result<Owned<X509>> make_intermediate(const model::SpiffeId& domain, X509* root, EVP_PKEY* root_key,
                                      EVP_PKEY* key, WallTime now) {
  const WallTime root_end = to_wall_time(X509_get0_notAfter(root));
  if (now >= root_end) {
    return fail(ErrorKind::kUnavailable,
                "the root certificate has expired; no one can be certified");
  }
  return make_certificate(
      {.common_name = "Weft issuing CA",
       .id = domain,
       .not_before = now - CertificateAuthority::kBackdate,
       .not_after = std::min(now + CertificateAuthority::kIntermediateLife, root_end),
       .basic_constraints = "critical,CA:TRUE,pathlen:0",
       .key_usage = "critical,keyCertSign,cRLSign",
       .extended_key_usage = nullptr},
      key, root, root_key);
}

}  // namespace

CertificateAuthority::CertificateAuthority(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CertificateAuthority::CertificateAuthority(CertificateAuthority&&) noexcept = default;
CertificateAuthority& CertificateAuthority::operator=(CertificateAuthority&&) noexcept = default;
CertificateAuthority::~CertificateAuthority() = default;

Result<CertificateAuthority> CertificateAuthority::create(std::string_view trust_domain,
                                                          WallTime now) {
  auto domain = model::SpiffeId::parse("spiffe://" + std::string(trust_domain));
  if (!domain) return std::unexpected(std::move(domain.error()));
  if (domain->trust_domain() != trust_domain) {
    return fail(ErrorKind::kInvalid, "a trust domain has no path");
  }
  auto root_key = PrivateKey::generate();
  if (!root_key) return std::unexpected(std::move(root_key.error()));
  auto key = PrivateKey::generate();
  if (!key) return std::unexpected(std::move(key.error()));
  EVP_PKEY* root_pkey = root_key->impl()->key.get();

  auto root = make_certificate({.common_name = "Weft root CA",
                                .id = *domain,
                                .not_before = now - kBackdate,
                                .not_after = now + kRootLife,
                                .basic_constraints = "critical,CA:TRUE,pathlen:1",
                                .key_usage = "critical,keyCertSign,cRLSign",
                                .extended_key_usage = nullptr},
                               root_pkey, nullptr, root_pkey);
  if (!root) return std::unexpected(std::move(root.error()));
  auto intermediate =
      make_intermediate(*domain, root->get(), root_pkey, key->impl()->key.get(), now);
  if (!intermediate) return std::unexpected(std::move(intermediate.error()));
  return CertificateAuthority(std::make_unique<Impl>(
      Impl{std::string(trust_domain), std::move(*root), std::move(*intermediate),
           std::move(*root_key), std::move(*key)}));
}

Result<CertificateAuthority> CertificateAuthority::load(const CaState& state) {
  auto root = parse_certificate_pem(state.root_certificate);
  auto intermediate = parse_certificate_pem(state.intermediate_certificate);
  auto root_key = PrivateKey::from_pem(state.root_key);
  auto key = PrivateKey::from_pem(state.intermediate_key);
  for (Error* error :
       {root ? nullptr : &root.error(), intermediate ? nullptr : &intermediate.error(),
        root_key ? nullptr : &root_key.error(), key ? nullptr : &key.error()}) {
    if (error) return std::unexpected(std::move(*error).context("stored certificate authority"));
  }
  const auto domain = uri_san(root->get());
  const bool together = domain && domain->trust_domain() == state.trust_domain &&
                        X509_check_private_key(root->get(), root_key->impl()->key.get()) == 1 &&
                        X509_check_private_key(intermediate->get(), key->impl()->key.get()) == 1 &&
                        X509_verify(root->get(), root_key->impl()->key.get()) == 1 &&
                        X509_verify(intermediate->get(), root_key->impl()->key.get()) == 1;
  ERR_clear_error();
  if (!together) {
    return fail(ErrorKind::kInvalid,
                "stored certificate authority: its certificates and keys do not belong together");
  }
  return CertificateAuthority(
      std::make_unique<Impl>(Impl{state.trust_domain, std::move(*root), std::move(*intermediate),
                                  std::move(*root_key), std::move(*key)}));
}

CaState CertificateAuthority::state() const {
  return {.trust_domain = impl_->trust_domain,
          .root_certificate = certificate_pem(impl_->root.get()),
          .root_key = impl_->root_key.to_pem(),
          .intermediate_certificate = certificate_pem(impl_->intermediate.get()),
          .intermediate_key = impl_->intermediate_key.to_pem()};
}

Result<IssuedCertificate> CertificateAuthority::sign(std::string_view csr_der,
                                                     const model::SpiffeId& id, WallTime now,
                                                     Duration life) const {
  if (id.trust_domain() != impl_->trust_domain || id.path().empty()) {
    return fail(ErrorKind::kDenied, "this authority does not certify " +
                                        (id.empty() ? std::string("nobody") : id.uri()));
  }
  auto request = parse_csr(csr_der);
  if (!request) return std::unexpected(std::move(request.error()));
  const WallTime issuer_end = impl_->intermediate_end();
  if (now >= issuer_end) {
    return fail(ErrorKind::kUnavailable, "the issuing certificate has expired; renew it first");
  }
  // A short life keeps its half life after its beginning.
  const WallTime not_before = now - std::min(kBackdate, life / 10);
  const WallTime not_after = std::min(now + life, issuer_end);
  auto leaf = make_certificate({.common_name = nullptr,
                                .id = id,
                                .not_before = not_before,
                                .not_after = not_after,
                                .basic_constraints = "critical,CA:FALSE",
                                .key_usage = "critical,digitalSignature",
                                .extended_key_usage = "serverAuth,clientAuth"},
                               X509_REQ_get0_pubkey(request->get()), impl_->intermediate.get(),
                               impl_->intermediate_pkey());
  if (!leaf) return std::unexpected(std::move(leaf.error()));
  return IssuedCertificate{
      .chain_der = {certificate_der(leaf->get()), certificate_der(impl_->intermediate.get())},
      .not_before = to_wall_time(X509_get0_notBefore(leaf->get())),
      .not_after = to_wall_time(X509_get0_notAfter(leaf->get()))};
}

Result<std::shared_ptr<const Svid>> CertificateAuthority::issue(const model::SpiffeId& id,
                                                                WallTime now, Duration life) const {
  auto key = PrivateKey::generate();
  if (!key) return std::unexpected(std::move(key.error()));
  auto csr = key->make_csr(id);
  if (!csr) return std::unexpected(std::move(csr.error()));
  auto issued = sign(*csr, id, now, life);
  if (!issued) return std::unexpected(std::move(issued.error()));
  return Svid::make(std::move(issued->chain_der), std::move(*key));
}

Result<void> CertificateAuthority::renew_intermediate(WallTime now) {
  auto domain = model::SpiffeId::parse("spiffe://" + impl_->trust_domain);
  WEFT_ASSERT(domain);
  auto key = PrivateKey::generate();
  if (!key) return std::unexpected(std::move(key.error()));
  auto made = make_intermediate(*domain, impl_->root.get(), impl_->root_pkey(),
                                key->impl()->key.get(), now);
  if (!made) return std::unexpected(std::move(made.error()));
  impl_->intermediate = std::move(*made);
  impl_->intermediate_key = std::move(*key);
  return {};
}

bool CertificateAuthority::intermediate_due(WallTime now) const {
  const WallTime begin = to_wall_time(X509_get0_notBefore(impl_->intermediate.get()));
  return now >= begin + (impl_->intermediate_end() - begin) / 2;
}

WallTime CertificateAuthority::intermediate_not_after() const { return impl_->intermediate_end(); }
WallTime CertificateAuthority::root_not_after() const { return impl_->root_end(); }
const std::string& CertificateAuthority::trust_domain() const { return impl_->trust_domain; }

TrustBundle CertificateAuthority::bundle() const {
  return {impl_->trust_domain, {certificate_der(impl_->root.get())}};
}

std::string CertificateAuthority::root_spki_sha256() const {
  return spki_sha256(impl_->root.get());
}

}  // namespace weft::trust
