// The line a person pastes on the next machine. A token carries where the server is, which root it
// must show (so nothing is trusted on first use) and a secret that works once:
//   weft1.BASE64URL(serialized weft.v1.JoinToken)
// The secret is shown once; the server stores its hash.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"

namespace weft::xds {

struct JoinToken {
  std::vector<SocketAddress> servers;  // best first
  std::string root_spki_sha256;        // lower-case hex, 64 characters
  std::string trust_domain;
  std::string secret;  // 16 to 64 bytes, any

  std::string encode() const;
  // kInvalid says what is wrong in words for whoever pasted it.
  static Result<JoinToken> decode(std::string_view text);
};

// RFC 4648 section 5 without padding.
std::string base64url_encode(std::string_view bytes);
Result<std::string> base64url_decode(std::string_view text);

}  // namespace weft::xds
