// A certificate for tests of what reads certificates of others, and its key. It is its own authority:
//   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj /CN=a
//     -addext subjectAltName=DNS:A.example,DNS:*.b.example
#pragma once

#include <string>
#include <string_view>

namespace weft::trust {

inline constexpr const char* kTestCertificate = R"(-----BEGIN CERTIFICATE-----
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
inline constexpr const char* kTestKey = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgG9CdRrsJFmE0fv+K
ZxI3/QtIz66rW41mox/dII4b6dyhRANCAATke4DIyxOKIhnuGQk1DSHwX9RilD4T
44rsmCwuGIi2BVauu6x9yPvny9F+aaStJSw9VwN2S3j9WqTpE9Sds+ay
-----END PRIVATE KEY-----
)";

// The lines of a block of text in YAML (`ca.crt: |`), `depth` spaces deep.
inline std::string yaml_block(std::string_view text, size_t depth) {
  std::string out;
  while (!text.empty()) {
    const size_t end = text.find('\n') + 1;
    out.append(depth, ' ').append(text.substr(0, end));
    text.remove_prefix(end);
  }
  return out;
}

}  // namespace weft::trust
