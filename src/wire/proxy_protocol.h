// The PROXY protocol, versions 1 and 2: a header before a connection's own bytes with which a load balancer
// says for whom it connects. Versions are told apart by their first bytes.
// Pure functions. A reader must be given a header only where one is agreed on: nothing about it can be
// checked, so whoever may write it may claim any address.
// Source: haproxy's doc/proxy-protocol.txt (2020/03/05 and later), sections 2.1 and 2.2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ip.h"
#include "base/result.h"

namespace weft::wire {

// Version 1 is a line of at most this many octets, its end included.
inline constexpr size_t kProxyLine = 107;

struct ProxyHeader {
  // What the sender says of the connection it stands for; none where it speaks for itself (LOCAL), does
  // not know (UNKNOWN, UNSPEC) or means something else than TCP over IP. Both or none.
  std::optional<SocketAddress> source, destination;
  int version = 0;
  // Version 2, TCP over IP: what follows the addresses, well-formed; read with take_proxy_tlv(). Points
  // into the bytes that were read.
  std::string_view tlvs;
  size_t size = 0;  // octets it took
};

// Nothing: more octets are needed. kProtocol: this is no header, or a broken one; version 2 with more than
// `longest` octets in all, or whose checksum (TLV 0x03, CRC-32C) is wrong.
Result<std::optional<ProxyHeader>> read_proxy_header(std::string_view bytes, size_t longest);

struct ProxyTlv {
  uint8_t type = 0;
  std::string_view value;
};
// The next one; nothing at the end.
std::optional<ProxyTlv> take_proxy_tlv(std::string_view& tlvs);

// A version 2 header. Both addresses are of one family; `tlvs` as append_proxy_tlv() made them.
std::string proxy_header_v2(const SocketAddress& source, const SocketAddress& destination,
                            std::string_view tlvs);
void append_proxy_tlv(std::string& tlvs, uint8_t type, std::string_view value);

// Castagnoli's CRC (RFC 9260 appendix A), continued from `crc` of the octets before.
uint32_t crc32c(std::string_view bytes, uint32_t crc = 0);

}  // namespace weft::wire
