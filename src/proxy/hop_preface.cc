// A PROXY header of 28 octets and three small TLVs, bounded to 1 KiB on the way in.
#include "proxy/hop_preface.h"

#include "wire/proxy_protocol.h"

namespace weft::proxy {
namespace {

constexpr size_t kLongest = 1024;
constexpr uint8_t kTlvSource6 = 0xE0, kTlvService = 0xE1, kTlvInstance = 0xE2;

}  // namespace

std::string encode_hop_preface(const HopPreface& preface) {
  std::string tlvs;
  wire::append_proxy_tlv(tlvs, kTlvSource6, preface.source6.to_bytes());
  wire::append_proxy_tlv(tlvs, kTlvService, preface.service);
  wire::append_proxy_tlv(tlvs, kTlvInstance, preface.instance);
  // The destination is what the server name has said.
  return wire::proxy_header_v2({preface.source4, preface.source_port}, {IpAddress::v4(0), 0}, tlvs);
}

Result<std::optional<DecodedPreface>> decode_hop_preface(std::string_view bytes) {
  auto header = wire::read_proxy_header(bytes, kLongest);
  if (!header) return std::unexpected(std::move(header.error()).context("hop preface"));
  if (!*header) return std::optional<DecodedPreface>();
  if ((*header)->version != 2 || !(*header)->source || !(*header)->source->ip.is_v4()) {
    return fail(ErrorKind::kProtocol, "hop preface: unknown form", ErrorSource::kDownstream);
  }
  DecodedPreface decoded;
  decoded.size = (*header)->size;
  decoded.preface.source4 = (*header)->source->ip;
  decoded.preface.source_port = (*header)->source->port;
  std::string_view left = (*header)->tlvs;
  while (const auto tlv = wire::take_proxy_tlv(left)) {
    if (tlv->type == kTlvService) decoded.preface.service = tlv->value;
    if (tlv->type == kTlvInstance) decoded.preface.instance = tlv->value;
    if (tlv->type != kTlvSource6) continue;
    auto source6 = IpAddress::from_bytes(tlv->value);
    if (!source6) return std::unexpected(std::move(source6.error()));
    decoded.preface.source6 = *source6;
  }
  return decoded;
}

}  // namespace weft::proxy
