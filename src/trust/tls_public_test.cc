#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trust/certificate_for_test.h"
#include "trust/tls.h"

namespace weft::trust {
namespace {

constexpr const char* kOtherKey = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg/I8tuvG0QxSVh9H2
3l6KLBb5voyZ5mts6F9BMR12TQuhRANCAAQ08Mf1tg/iC2yjotN1OaukP57Qsfi6
fOJCOoZixEPBXyORojwVu/9V+d+qH8DnYGRlN/PoxlF1ySLTj8TpZ6CR
-----END PRIVATE KEY-----
)";

TEST(PublicServer, NamesOfTheLeafAreTold) {
  auto made = make_public_server(kTestCertificate, kTestKey, {"h2", "http/1.1"});
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_THAT(made->names, testing::ElementsAre("a.example", "*.b.example"));
}

TEST(PublicServer, WhatDoesNotFitIsRefused) {
  EXPECT_FALSE(make_public_server(kTestCertificate, kOtherKey, {}));
  EXPECT_FALSE(make_public_server(kTestCertificate, "", {}));
  EXPECT_FALSE(make_public_server("", kTestKey, {}));
  const std::string cut =
      std::string(kTestCertificate).substr(0, 200) + "\n-----END CERTIFICATE-----\n";
  EXPECT_FALSE(make_public_server(cut, kTestKey, {}));
  EXPECT_FALSE(make_public_server(std::string(kTestCertificate) + cut, kTestKey, {}));
}

}  // namespace
}  // namespace weft::trust
