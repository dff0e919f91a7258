#include "trust/authorities.h"

#include <gtest/gtest.h>

namespace weft::trust {
namespace {

// openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj /CN=a
constexpr const char* kCertificate = R"(-----BEGIN CERTIFICATE-----
MIIBkzCCATigAwIBAgIUBe/xQGblv8X1Gq9AO5uomIuVm0EwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBYTAgFw0yNjExMjMxODA2MjFaGA8yMTI2MTAzMDE4MDYyMVow
DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOR7gMjLE4oi
Ge4ZCTUNIfBf1GKUPhPjiuyYLC4YiLYFVq67rH3I++fL0X5ppK0lLD1XA3ZLeP1a
pOkT1J2z5rKjdjB0MB0GA1UdDgQWBBQZNrCQXsiaw0LiztWv9h272b+nkjAfBgNV
HSMEGDAWgBQZNrCQXsiaw0LiztWv9h272b+nkjAPBgNVHRMBAf8EBTADAQH/MCEG
A1UdEQQaMBiCCUEuZXhhbXBsZYILKi5iLmV4YW1wbGUwCgYIKoZIzj0EAwIDSQAw
RgIhAK4nID6iLk3JG/T75AGdwAq8b+oDnu1uolYAUjsjWY10AiEA3bZ3hwIZwXw+
ChYw5B45nfaFZQNyTxlf6LSyrTZSCpM=
-----END CERTIFICATE-----
)";

TEST(Authorities, ABundleIsReadInItsOrderWithWhatStandsBetween) {
  auto read = authorities_from_pem("# ours\n" + std::string(kCertificate) + "# theirs\n" +
                                   kCertificate + "# the end\n");
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_EQ(read->size(), 2u);
  EXPECT_EQ((*read)[0].size(), 407u);  // openssl x509 -outform der | wc -c
  EXPECT_EQ((*read)[0], (*read)[1]);
}

TEST(Authorities, WhatIsDamagedIsRefusedWhole) {
  const std::string good = kCertificate;
  const std::string cut = good.substr(0, 200) + "\n-----END CERTIFICATE-----\n";
  EXPECT_FALSE(authorities_from_pem(""));
  EXPECT_FALSE(authorities_from_pem("a text"));
  EXPECT_FALSE(authorities_from_pem(good + cut));
  std::string many;
  for (int i = 0; i < 257; ++i) many += good;
  auto read = authorities_from_pem(many);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message(), "more than 256 certificates");
}

}  // namespace
}  // namespace weft::trust
