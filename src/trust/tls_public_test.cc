#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trust/tls.h"

namespace weft::trust {
namespace {

// openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj /CN=a
//   -addext subjectAltName=DNS:A.example,DNS:*.b.example
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
constexpr const char* kKey = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgG9CdRrsJFmE0fv+K
ZxI3/QtIz66rW41mox/dII4b6dyhRANCAATke4DIyxOKIhnuGQk1DSHwX9RilD4T
44rsmCwuGIi2BVauu6x9yPvny9F+aaStJSw9VwN2S3j9WqTpE9Sds+ay
-----END PRIVATE KEY-----
)";
constexpr const char* kOtherKey = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg/I8tuvG0QxSVh9H2
3l6KLBb5voyZ5mts6F9BMR12TQuhRANCAAQ08Mf1tg/iC2yjotN1OaukP57Qsfi6
fOJCOoZixEPBXyORojwVu/9V+d+qH8DnYGRlN/PoxlF1ySLTj8TpZ6CR
-----END PRIVATE KEY-----
)";

TEST(PublicServer, NamesOfTheLeafAreTold) {
  auto made = make_public_server(kCertificate, kKey, {"h2", "http/1.1"});
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_THAT(made->names, testing::ElementsAre("a.example", "*.b.example"));
}

TEST(PublicServer, WhatDoesNotFitIsRefused) {
  EXPECT_FALSE(make_public_server(kCertificate, kOtherKey, {}));
  EXPECT_FALSE(make_public_server(kCertificate, "", {}));
  EXPECT_FALSE(make_public_server("", kKey, {}));
  const std::string cut =
      std::string(kCertificate).substr(0, 200) + "\n-----END CERTIFICATE-----\n";
  EXPECT_FALSE(make_public_server(cut, kKey, {}));
  EXPECT_FALSE(make_public_server(std::string(kCertificate) + cut, kKey, {}));
}

}  // namespace
}  // namespace weft::trust
