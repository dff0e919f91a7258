// The server name that a TLS client asks for (SNI), read off its first bytes without taking part in the
// conversation: a pure function of all that has arrived so far, asked again as more comes. A ClientHello
// may be spread over any number of records. An answer other than kNeedMore is the same for every longer
// input.
// Sources: RFC 8446 sections 4.1.2 and 5.1, RFC 5246 section 7.4.1.2; RFC 6066 section 3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weft::wire {

// What is looked at; the largest usual ClientHello (post-quantum key shares, a certificate in early data's
// ticket) has 2 to 4 KiB.
inline constexpr size_t kClientHelloLimit = 16 * 1024;

struct ClientHello {
  enum Kind : uint8_t {
    kNeedMore,
    kHello,      // a whole ClientHello; `server_name` says what it asks for
    kNotTls,     // something else (SSLv2's hello among it)
    kMalformed,  // begins as TLS, then breaks its rules
    kTooLong,    // does not end within kClientHelloLimit
  } kind = kNeedMore;
  // Lower case; "" when the client gives none. With Encrypted ClientHello (RFC 9849) this is the outer
  // name, the only one there is to read. Unknown extensions (GREASE, RFC 8701, among them) are passed over.
  std::string server_name = {};
};

ClientHello read_client_hello(std::string_view first_bytes);

// A fatal alert as a record of its own, for a client whose ClientHello nothing was answered to yet
// (RFC 8446 section 6; the version is the one every client reads).
enum class TlsAlert : uint8_t {
  kDecodeError = 50,
  kMissingExtension = 109,
  kUnrecognizedName = 112,
};
std::string tls_alert(TlsAlert alert);

}  // namespace weft::wire
