#include "trust/authorities.h"

#include <gtest/gtest.h>

#include "trust/certificate_for_test.h"

namespace weft::trust {
namespace {

TEST(Authorities, ABundleIsReadInItsOrderWithWhatStandsBetween) {
  auto read = authorities_from_pem("# ours\n" + std::string(kTestCertificate) + "# theirs\n" +
                                   kTestCertificate + "# the end\n");
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_EQ(read->size(), 2u);
  EXPECT_EQ((*read)[0].size(), 407u);  // openssl x509 -outform der | wc -c
  EXPECT_EQ((*read)[0], (*read)[1]);
}

TEST(Authorities, WhatIsDamagedIsRefusedWhole) {
  const std::string good = kTestCertificate;
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
