// Keys and credentials over OpenSSL 3.0's EVP layer. EC P-256 everywhere: what every peer speaks,
// and the fastest signature Debian's OpenSSL has (sign 25 µs, verify 70 µs).
#include "trust/svid.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>

#include "base/assert.h"
#include "trust/openssl.h"

namespace weft::trust {
namespace {

constexpr size_t kMaxChain = 8;

// An encrypted PEM must not make OpenSSL ask on the terminal.
int no_password(char*, int, int, void*) { return -1; }

// Adds "URI:spiffe://..." as the request's only subject alternative name.
bool add_san(X509_REQ* request, const model::SpiffeId& id) {
  Owned<X509_EXTENSION> san(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("URI:" + id.uri()).c_str()));
  if (!san) return false;
  Owned<STACK_OF(X509_EXTENSION)> extensions(sk_X509_EXTENSION_new_null());
  if (!extensions || sk_X509_EXTENSION_push(extensions.get(), san.get()) == 0) return false;
  san.release();  // the stack owns it now
  return X509_REQ_add_extensions(request, extensions.get()) == 1;
}

}  // namespace

Result<PrivateKey> PrivateKey::generate() {
  ERR_clear_error();
  Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  if (!key) return openssl_failure("generating a P-256 key");
  return PrivateKey(std::make_shared<Impl>(Impl{std::move(key)}));
}

Result<PrivateKey> PrivateKey::from_pem(std::string_view pem) {
  ERR_clear_error();
  Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  if (!key) return fail(ErrorKind::kInvalid, "not a PEM private key: " + openssl_reason());
  if (!is_p256(key.get())) {
    return fail(ErrorKind::kUnsupported, "private key is not EC P-256");
  }
  return PrivateKey(std::make_shared<Impl>(Impl{std::move(key)}));
}

std::string PrivateKey::to_pem() const {
  Owned<BIO> bio(BIO_new(BIO_s_mem()));
  WEFT_ASSERT(bio && PEM_write_bio_PKCS8PrivateKey(bio.get(), impl_->key.get(), nullptr, nullptr, 0,
                                                   nullptr, nullptr) == 1);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &bytes);
  std::string pem(bytes, static_cast<size_t>(size));
  OPENSSL_cleanse(bytes, static_cast<size_t>(size));
  return pem;
}

Result<std::string> PrivateKey::make_csr(const model::SpiffeId& id) const {
  ERR_clear_error();
  Owned<X509_REQ> request(X509_REQ_new());
  if (!request || X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
      X509_REQ_set_pubkey(request.get(), impl_->key.get()) != 1 || !add_san(request.get(), id) ||
      X509_REQ_sign(request.get(), impl_->key.get(), EVP_sha256()) == 0) {
    return openssl_failure("making a certificate request");
  }
  unsigned char* bytes = nullptr;
  const int size = i2d_X509_REQ(request.get(), &bytes);
  if (size <= 0) return openssl_failure("encoding a certificate request");
  std::string der(reinterpret_cast<char*>(bytes), static_cast<size_t>(size));
  OPENSSL_free(bytes);
  return der;
}

Result<std::shared_ptr<const Svid>> Svid::make(std::vector<std::string> chain_der, PrivateKey key) {
  if (chain_der.empty() || chain_der.size() > kMaxChain) {
    return fail(ErrorKind::kInvalid, "a credential has 1 to 8 certificates, this one " +
                                         std::to_string(chain_der.size()));
  }
  auto impl = std::make_unique<Impl>(std::move(key));
  for (const std::string& der : chain_der) {
    auto certificate = parse_certificate(der);
    if (!certificate) return std::unexpected(std::move(certificate.error()).context("credential"));
    impl->chain.push_back(std::move(*certificate));
  }
  X509* leaf = impl->chain.front().get();
  auto id = check_svid_leaf(leaf);
  if (!id) return std::unexpected(std::move(id.error()).context("credential"));
  if (X509_check_private_key(leaf, impl->key.impl()->key.get()) != 1) {
    ERR_clear_error();
    return fail(ErrorKind::kInvalid, "credential: the private key is not the certificate's");
  }
  impl->id = std::move(*id);
  impl->not_before = to_wall_time(X509_get0_notBefore(leaf));
  impl->not_after = to_wall_time(X509_get0_notAfter(leaf));
  impl->chain_der = std::move(chain_der);
  return std::make_shared<const Svid>(std::move(impl));
}

Svid::Svid(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Svid::~Svid() = default;

const model::SpiffeId& Svid::id() const { return impl_->id; }
const std::vector<std::string>& Svid::chain_der() const { return impl_->chain_der; }
const PrivateKey& Svid::key() const { return impl_->key; }
WallTime Svid::not_before() const { return impl_->not_before; }
WallTime Svid::not_after() const { return impl_->not_after; }

std::string Svid::serial_hex() const {
  Owned<BIGNUM> number(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(impl_->chain.front().get()), nullptr));
  WEFT_ASSERT(number);
  char* text = BN_bn2hex(number.get());
  WEFT_ASSERT(text);
  std::string hex(text);
  OPENSSL_free(text);
  return hex;
}

}  // namespace weft::trust
