#include "sim/deterministic_crypto.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace weft::sim {
namespace {

std::string key_and_signature() {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  unsigned char* der = nullptr;
  const int size = i2d_PrivateKey(key.get(), &der);
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> md(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::string signature(256, '\0');
  size_t length = signature.size();
  EXPECT_EQ(EVP_DigestSignInit(md.get(), nullptr, EVP_sha256(), nullptr, key.get()), 1);
  EXPECT_EQ(EVP_DigestSign(md.get(), reinterpret_cast<unsigned char*>(signature.data()), &length,
                           reinterpret_cast<const unsigned char*>("text"), 4),
            1);
  return out + signature.substr(0, length);
}

TEST(DeterministicCrypto, KeysAndSignaturesRepeatFromTheSeedAndOnlyWhileItLives) {
  std::string first;
  std::string second;
  std::string other;
  {
    const DeterministicCrypto crypto(1);
    first = key_and_signature();
  }
  {
    const DeterministicCrypto crypto(1);
    second = key_and_signature();
  }
  {
    const DeterministicCrypto crypto(2);
    other = key_and_signature();
  }
  EXPECT_EQ(first, second);
  EXPECT_NE(first, other);
  EXPECT_NE(key_and_signature(), key_and_signature());
}

}  // namespace
}  // namespace weft::sim
