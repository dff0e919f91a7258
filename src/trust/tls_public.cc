// The certificate of an edge: made elsewhere, given by the user as PEM. Nothing is asked of it but that it
// parses and that the key is its own: what clients think of it, they tell. What clients show is held against the
// authorities by OpenSSL (RFC 5280) at the time we say; any of them is an anchor, a root or not.
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cctype>

#include "trust/authorities.h"
#include "trust/tls_context.h"

namespace weft::trust {
namespace {

constexpr const char* kPublicSignatures =
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512";
constexpr size_t kMostCertificates = 16;

constexpr int kMaxIntermediates = 8;

int no_password(char*, int, int, void*) { return -1; }

std::unexpected<Error> invalid(const char* what) {
  return fail(ErrorKind::kInvalid, std::string(what) + ": " + openssl_reason());
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

// Without what would end a value: a name is whatever its authority let it be.
bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string subject_of(X509* certificate) {
  Owned<BIO> bio(BIO_new(BIO_s_mem()));
  // RFC 2253: controls and what is not ASCII are escaped.
  if (!bio ||
      X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) < 0)
    return "";
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &bytes);
  return std::string(bytes, static_cast<size_t>(size));
}

void describe_names(X509* certificate, std::string& out) {
  Owned<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS && name->type != GEN_URI) continue;
    const std::string_view text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.ia5)),
                                static_cast<size_t>(ASN1_STRING_length(name->d.ia5)));
    if (!is_plain(text)) continue;
    const bool bare = text.find_first_of(",;=\"\\") == std::string_view::npos;
    out += name->type == GEN_DNS ? ";DNS=" : ";URI=";
    out += bare ? std::string(text) : quoted(text);
  }
}

Result<void> ask_clients(TlsContext& context, const PublicClients& clients) {
  auto roots = authorities_from_pem(clients.roots_pem);
  if (!roots) return std::unexpected(std::move(roots.error()).context("authorities of clients"));
  SSL_CTX* ssl = context.ssl_context.get();
  for (const std::string& der : *roots) {
    auto root = parse_certificate(der);
    if (!root) return std::unexpected(std::move(root.error()));
    // A browser offers its user the certificates of these.
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), root->get()) != 1 ||
        SSL_CTX_add_client_CA(ssl, root->get()) != 1) {
      return openssl_failure("trusting an authority of clients");
    }
  }
  context.public_clients = true;
  context.fallback = clients.fallback;
  SSL_CTX_set_verify(
      ssl, SSL_VERIFY_PEER | (clients.fallback ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT), nullptr);
  return {};
}

}  // namespace

std::string describe_certificate(X509* certificate) {
  static constexpr char kHex[] = "0123456789abcdef";
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  std::string out = "Hash=";
  if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1) size = 0;
  for (unsigned int i = 0; i < size; ++i) out += {kHex[digest[i] >> 4], kHex[digest[i] & 15]};
  out += ";Subject=" + quoted(subject_of(certificate));
  describe_names(certificate, out);
  return out;
}

Result<std::string> verify_public_client(X509_STORE_CTX* store, WallTime now) {
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(store);
  X509_VERIFY_PARAM_set_time(param, now.unix_seconds());
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_depth(param, kMaxIntermediates);
  ERR_clear_error();
  const bool good = X509_verify_cert(store) == 1;
  ERR_clear_error();
  if (good) return describe_certificate(X509_STORE_CTX_get0_cert(store));
  return fail(ErrorKind::kUnauthenticated,
              std::string("the client's certificate was refused: ") +
                  X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)),
              ErrorSource::kDownstream);
}

Result<PublicServer> make_public_server(std::string_view chain_pem, std::string_view key_pem,
                                        const std::vector<std::string>& alpn,
                                        const PublicClients* clients) {
  auto chain = read_certificates_pem(chain_pem, kMostCertificates);
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
  if (clients != nullptr) {
    if (auto asked = ask_clients(**context, *clients); !asked)
      return std::unexpected(std::move(asked.error()));
  }
  choose_alpn(**context);
  return PublicServer{std::move(*context), dns_names(chain->front().get()),
                      to_wall_time(X509_get0_notAfter(chain->front().get()))};
}

}  // namespace weft::trust
