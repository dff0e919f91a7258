// The reading side of X.509. Everything here treats its input as hostile: certificates arrive from
// peers before anything about them has been verified.
#include "trust/openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <limits>

#include "base/assert.h"

namespace weft::trust {
namespace {

int no_password(char*, int, int, void*) { return -1; }

}  // namespace

std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "error " + std::to_string(code);
}

std::unexpected<Error> openssl_failure(std::string_view what) {
  return fail(ErrorKind::kInternal, std::string(what) + ": " + openssl_reason());
}

Result<Owned<X509>> parse_certificate(std::string_view der) {
  ERR_clear_error();
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* end = at + der.size();
  Owned<X509> certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!certificate || at != end) {
    ERR_clear_error();
    return fail(ErrorKind::kInvalid, "not one DER certificate");
  }
  return certificate;
}

Result<Owned<X509>> parse_certificate_pem(std::string_view pem) {
  ERR_clear_error();
  Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Owned<X509> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) {
    return fail(ErrorKind::kInvalid, "not a PEM certificate: " + openssl_reason());
  }
  return certificate;
}

Result<std::vector<Owned<X509>>> read_certificates_pem(std::string_view pem, size_t most) {
  ERR_clear_error();
  Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<Owned<X509>> out;
  while (true) {
    Owned<X509> one(PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr));
    if (!one) break;
    out.push_back(std::move(one));
    if (out.size() > most)
      return fail(ErrorKind::kInvalid, "more than " + std::to_string(most) + " certificates");
  }
  // The end of the text is one more "no start line".
  if (out.empty() || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
    return fail(ErrorKind::kInvalid, "not PEM certificates: " + openssl_reason());
  ERR_clear_error();
  return out;
}

std::string certificate_der(const X509* certificate) {
  unsigned char* bytes = nullptr;
  const int size = i2d_X509(certificate, &bytes);
  WEFT_ASSERT(size > 0);
  std::string der(reinterpret_cast<char*>(bytes), static_cast<size_t>(size));
  OPENSSL_free(bytes);
  return der;
}

std::string certificate_pem(const X509* certificate) {
  Owned<BIO> bio(BIO_new(BIO_s_mem()));
  WEFT_ASSERT(bio && PEM_write_bio_X509(bio.get(), const_cast<X509*>(certificate)) == 1);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &bytes);
  return std::string(bytes, static_cast<size_t>(size));
}

WallTime to_wall_time(const ASN1_TIME* time) {
  tm broken_down{};
  if (ASN1_TIME_to_tm(time, &broken_down) != 1) return WallTime{};
  constexpr int64_t kMaxSeconds = std::numeric_limits<int64_t>::max() / 1'000'000'000;
  const int64_t seconds = timegm(&broken_down);
  return WallTime::from_unix_seconds(std::clamp(seconds, -kMaxSeconds, kMaxSeconds));
}

Owned<ASN1_TIME> to_asn1_time(WallTime time) {
  Owned<ASN1_TIME> out(ASN1_TIME_set(nullptr, time.unix_seconds()));
  WEFT_ASSERT(out);
  return out;
}

bool is_p256(const EVP_PKEY* key) {
  char group[32];
  size_t size = 0;
  if (EVP_PKEY_is_a(key, "EC") != 1 ||
      EVP_PKEY_get_group_name(key, group, sizeof group, &size) != 1) {
    return false;
  }
  const std::string_view name(group, size);
  return name == "prime256v1" || name == "P-256";
}

std::string spki_sha256(const X509* certificate) {
  unsigned char* spki = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);
  WEFT_ASSERT(size > 0);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(spki, static_cast<size_t>(size), digest);
  OPENSSL_free(spki);
  constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += kHex[byte >> 4];
    hex += kHex[byte & 15];
  }
  return hex;
}

namespace {

std::string_view ia5_view(const ASN1_IA5STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<size_t>(ASN1_STRING_length(text))};
}

bool has_nul(const GENERAL_NAME* name) {
  switch (name->type) {
    case GEN_URI: return ia5_view(name->d.uniformResourceIdentifier).contains('\0');
    case GEN_DNS: return ia5_view(name->d.dNSName).contains('\0');
    case GEN_EMAIL: return ia5_view(name->d.rfc822Name).contains('\0');
    default: return false;
  }
}

std::unexpected<Error> bad_peer_certificate(std::string why) {
  return fail(ErrorKind::kUnauthenticated, "certificate is no X509-SVID: " + std::move(why));
}

}  // namespace

Result<model::SpiffeId> uri_san(const X509* certificate) {
  int found = 0;
  Owned<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, &found, nullptr)));
  if (!names) {
    ERR_clear_error();
    return bad_peer_certificate(found == -1 ? "no subject alternative name"
                                            : "unreadable or repeated subject alternative names");
  }
  const GENERAL_NAME* uri = nullptr;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (has_nul(name)) return bad_peer_certificate("a NUL byte in a subject alternative name");
    if (name->type != GEN_URI) continue;
    if (uri != nullptr) return bad_peer_certificate("more than one URI SAN");
    uri = name;
  }
  if (uri == nullptr) return bad_peer_certificate("no URI SAN");
  auto id = model::SpiffeId::parse(ia5_view(uri->d.uniformResourceIdentifier));
  if (!id) return bad_peer_certificate(id.error().message());
  return id;
}

Result<model::SpiffeId> check_svid_leaf(X509* certificate) {
  const uint32_t flags = X509_get_extension_flags(certificate);
  if (flags & EXFLAG_INVALID) return bad_peer_certificate("damaged extensions");
  if (flags & EXFLAG_CA) return bad_peer_certificate("it is a CA certificate");
  if (!(flags & EXFLAG_KUSAGE)) return bad_peer_certificate("no key usage");
  const uint32_t usage = X509_get_key_usage(certificate);
  if (!(usage & KU_DIGITAL_SIGNATURE)) return bad_peer_certificate("no digitalSignature key usage");
  if (usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) {
    return bad_peer_certificate("its key may sign certificates or revocation lists");
  }
  if (flags & EXFLAG_XKUSAGE) {
    const uint32_t extended = X509_get_extended_key_usage(certificate);
    if ((extended & XKU_SSL_SERVER) == 0 || (extended & XKU_SSL_CLIENT) == 0) {
      return bad_peer_certificate("extended key usage lacks serverAuth or clientAuth");
    }
  }
  return uri_san(certificate);
}

}  // namespace weft::trust
