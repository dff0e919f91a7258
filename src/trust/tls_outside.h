// TLS towards servers of no mesh: they show a certificate of any authority the caller names, under a host name or a
// URI, and may ask for one of ours. TLS 1.2 (ECDHE with AEAD only) and 1.3; OpenSSL carries the records. Contexts are
// immutable and may be shared between threads; sessions are made by make_client_session (tls.h), whose `expected_peer`
// here only tells servers apart, as their addresses do: a context keeps what each gave for resumption
// (outside_sessions.h). So whatever a connection is verified by needs a context of its own.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "trust/tls.h"

namespace weft::trust {

struct OutsideName {
  bool uri =
      false;  // compared octet by octet; else a host name (RFC 6125: a wildcard is one whole label)
  std::string value;
};

struct OutsideClientConfig {
  std::string authorities_pem;     // "": those the host trusts
  std::vector<OutsideName> names;  // one of them must be among the certificate's alternative names
  std::vector<std::string> alpn;   // in order of preference; the server may choose none
  std::string chain_pem, key_pem;  // ours, for a server that asks; "" = none
};

// kInvalid: something of it is damaged; kNotFound: the host has no authorities.
Result<TlsContextPtr> make_outside_client_context(const OutsideClientConfig& config);

}  // namespace weft::trust
