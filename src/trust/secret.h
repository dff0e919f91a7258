// Secrets that are no keys: join tokens. Bytes from OpenSSL's generator, and the hash under which a
// secret is stored. And the hash of old that one protocol wants as a checksum.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::trust {

Result<std::string> random_secret(size_t bytes);
// 32 bytes, binary.
std::string sha256(std::string_view bytes);
// 20 bytes, binary. Proves nothing to anybody: for the handshake of RFC 6455 only.
std::string sha1(std::string_view bytes);

}  // namespace weft::trust
