// The first bytes of an opaque connection between sidecars (ALPN weft-tcp), before the app's own: a
// PROXY protocol version 2 header (wire/proxy_protocol.h) that says for whom the
// connection is made: the caller's mesh addresses (the v4 one as source address, the v6 one in TLV 0xE0),
// the name dialled (TLV 0xE1) and the caller's instance (TLV 0xE2). The peer's identity is what its
// certificate says; the preface only makes the app see its caller's address.
// Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/ip.h"
#include "base/result.h"

namespace weft::proxy {

struct HopPreface {
  IpAddress source4, source6;
  uint16_t source_port = 0;
  std::string service;  // "cart.default:80"
  std::string instance;
  friend bool operator==(const HopPreface&, const HopPreface&) = default;
};

std::string encode_hop_preface(const HopPreface& preface);

struct DecodedPreface {
  HopPreface preface;
  size_t size = 0;  // bytes it took
};
// Nothing: more bytes are needed. kProtocol: this is no preface of ours.
Result<std::optional<DecodedPreface>> decode_hop_preface(std::string_view bytes);

}  // namespace weft::proxy
