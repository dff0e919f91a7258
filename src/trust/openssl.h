// Internal to trust, included by its .cc files only: owners for OpenSSL's objects and the few
// readers and checks of certificates that keys, the authority and TLS sessions share.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/identity.h"
#include "trust/svid.h"

namespace weft::trust {

struct OpensslFree {
  void operator()(ASN1_TIME* p) const { ASN1_TIME_free(p); }
  void operator()(BIGNUM* p) const { BN_free(p); }
  void operator()(BIO* p) const { BIO_free_all(p); }
  void operator()(BIO_METHOD* p) const { BIO_meth_free(p); }
  void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(GENERAL_NAMES* p) const { GENERAL_NAMES_free(p); }
  void operator()(SSL* p) const { SSL_free(p); }
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(SSL_SESSION* p) const { SSL_SESSION_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(X509_EXTENSION* p) const { X509_EXTENSION_free(p); }
  void operator()(X509_REQ* p) const { X509_REQ_free(p); }
  void operator()(X509_STORE* p) const { X509_STORE_free(p); }
  void operator()(STACK_OF(X509_EXTENSION) * p) const {
    sk_X509_EXTENSION_pop_free(p, X509_EXTENSION_free);
  }
};
template <typename T>
using Owned = std::unique_ptr<T, OpensslFree>;

struct PrivateKey::Impl {
  Owned<EVP_PKEY> key;
};

struct Svid::Impl {
  explicit Impl(PrivateKey k) : key(std::move(k)) {}
  PrivateKey key;
  std::vector<std::string> chain_der;
  std::vector<Owned<X509>> chain;
  model::SpiffeId id;
  WallTime not_before, not_after;
};

// Why OpenSSL said no, for an error text; empties its thread's error queue.
std::string openssl_reason();
// An internal error "what: reason".
std::unexpected<Error> openssl_failure(std::string_view what);

// DER of exactly one certificate, nothing behind it.
Result<Owned<X509>> parse_certificate(std::string_view der);
Result<Owned<X509>> parse_certificate_pem(std::string_view pem);
// One certificate or more, at most `most`; what stands between them is a comment. kInvalid: one is damaged.
Result<std::vector<Owned<X509>>> read_certificates_pem(std::string_view pem, size_t most);
std::string certificate_der(const X509* certificate);
std::string certificate_pem(const X509* certificate);
// Clamped to what WallTime can hold (a certificate may end in the year 9999).
WallTime to_wall_time(const ASN1_TIME* time);
Owned<ASN1_TIME> to_asn1_time(WallTime time);
bool is_p256(const EVP_PKEY* key);
// Lower-case hex of the SHA-256 of the SubjectPublicKeyInfo.
std::string spki_sha256(const X509* certificate);

// The only URI SAN; an error when there is none, more than one, a NUL or another sort of damage in
// it.
Result<model::SpiffeId> uri_san(const X509* certificate);
// X509-SVID standard, sections 2-5, for a leaf: uri_san(), no CA, digitalSignature and neither
// keyCertSign nor cRLSign, both extended key usages if any.
Result<model::SpiffeId> check_svid_leaf(X509* certificate);

}  // namespace weft::trust
