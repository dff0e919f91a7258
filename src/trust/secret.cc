// Thin over OpenSSL. A token's secret has 256 random bits, so a plain hash is enough to store: there is
// nothing to guess.
#include "trust/secret.h"

#include <openssl/rand.h>
#include <openssl/sha.h>

#include "trust/openssl.h"

namespace weft::trust {

Result<std::string> random_secret(size_t bytes) {
  std::string out(bytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(bytes)) != 1) {
    return openssl_failure("making a secret");
  }
  return out;
}

std::string sha256(std::string_view bytes) {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

std::string sha1(std::string_view bytes) {
  std::string out(SHA_DIGEST_LENGTH, '\0');
  SHA1(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
       reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

}  // namespace weft::trust
