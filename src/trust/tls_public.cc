// The certificate of an edge: made elsewhere, given by the user as PEM. Nothing is asked of it but that it
// parses and that the key is its own: what clients think of it, they tell.
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cctype>

#include "trust/tls_context.h"

namespace weft::trust {
namespace {

constexpr const char* kPublicSignatures =
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512";
constexpr size_t kMostCertificates = 16;

int no_password(char*, int, int, void*) { return -1; }

std::unexpected<Error> invalid(const char* what) {
  return fail(ErrorKind::kInvalid, std::string(what) + ": " + openssl_reason());
}

Result<std::vector<Owned<X509>>> read_chain(std::string_view pem) {
  ERR_clear_error();
  Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<Owned<X509>> chain;
  while (true) {
    Owned<X509> one(PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr));
    if (!one) break;
    chain.push_back(std::move(one));
    if (chain.size() > kMostCertificates) {
      return fail(ErrorKind::kInvalid, "more than 16 certificates");
    }
  }
  // The end of the text is one more "no start line".
  if (chain.empty() || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return invalid("not PEM certificates");
  }
  ERR_clear_error();
  return chain;
}

std::vector<std::string> dns_names(X509* leaf) {
  std::vector<std::string> out;
  Owned<GENERAL_NAMES> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS) continue;
    const auto* text = ASN1_STRING_get0_data(name->d.dNSName);
    std::string one(reinterpret_cast<const char*>(text),
                    static_cast<size_t>(ASN1_STRING_length(name->d.dNSName)));
    std::ranges::transform(one, one.begin(), [](unsigned char c) { return std::tolower(c); });
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

Result<PublicServer> make_public_server(std::string_view chain_pem, std::string_view key_pem,
                                        const std::vector<std::string>& alpn) {
  auto chain = read_chain(chain_pem);
  if (!chain) return std::unexpected(std::move(chain.error()));
  Owned<BIO> bio(BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())));
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  if (!key) return invalid("not a PEM private key");

  auto context = make_context(true, nullptr, {}, alpn, false);
  if (!context) return std::unexpected(std::move(context.error()));
  (*context)->alpn_optional = true;
  SSL_CTX* ssl = (*context)->ssl_context.get();
  if (SSL_CTX_set1_sigalgs_list(ssl, kPublicSignatures) != 1) {
    return openssl_failure("setting up TLS towards clients");
  }
  if (SSL_CTX_use_certificate(ssl, chain->front().get()) != 1) return invalid("the certificate");
  if (SSL_CTX_use_PrivateKey(ssl, key.get()) != 1 || SSL_CTX_check_private_key(ssl) != 1) {
    return invalid("the key is not that of the certificate");
  }
  for (size_t i = 1; i < chain->size(); ++i) {
    if (SSL_CTX_add1_chain_cert(ssl, (*chain)[i].get()) != 1) return invalid("the chain");
  }
  SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
  choose_alpn(**context);
  return PublicServer{std::move(*context), dns_names(chain->front().get()),
                      to_wall_time(X509_get0_notAfter(chain->front().get()))};
}

}  // namespace weft::trust
