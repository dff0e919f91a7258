// A fixed header of 28 bytes and three small TLVs; bounded to 1 KiB on the way in.
#include "proxy/hop_preface.h"

#include <algorithm>

namespace weft::proxy {
namespace {

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kFixed = 16;
constexpr size_t kAddresses = 12;
constexpr size_t kMost = 1024;
constexpr char kVersionAndProxy = 0x21;
constexpr char kTcpOverV4 = 0x11;
constexpr uint8_t kTlvSource6 = 0xE0, kTlvService = 0xE1, kTlvInstance = 0xE2;

void append_u16(std::string& out, size_t value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value & 0xff);
}

uint16_t read_u16(std::string_view bytes) {
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes[0]) << 8 |
                               static_cast<uint8_t>(bytes[1]));
}

void append_tlv(std::string& out, uint8_t type, std::string_view value) {
  out += static_cast<char>(type);
  append_u16(out, value.size());
  out += value;
}

}  // namespace

std::string encode_hop_preface(const HopPreface& preface) {
  std::string body = preface.source4.to_bytes();
  body += std::string(4, '\0');  // destination: the server name has said it
  append_u16(body, preface.source_port);
  append_u16(body, 0);
  append_tlv(body, kTlvSource6, preface.source6.to_bytes());
  append_tlv(body, kTlvService, preface.service);
  append_tlv(body, kTlvInstance, preface.instance);
  std::string out(kSignature);
  out += kVersionAndProxy;
  out += kTcpOverV4;
  append_u16(out, body.size());
  return out + body;
}

Result<std::optional<DecodedPreface>> decode_hop_preface(std::string_view bytes) {
  auto bad = [](const char* why) {
    return fail(ErrorKind::kProtocol, std::string("hop preface: ") + why, ErrorSource::kDownstream);
  };
  size_t known = std::min(bytes.size(), kSignature.size());
  if (bytes.substr(0, known) != kSignature.substr(0, known)) return bad("wrong signature");
  if (bytes.size() < kFixed) return std::optional<DecodedPreface>();
  if (bytes[12] != kVersionAndProxy || bytes[13] != kTcpOverV4) return bad("unknown form");
  size_t size = read_u16(bytes.substr(14));
  if (size < kAddresses || size > kMost) return bad("wrong length");
  if (bytes.size() < kFixed + size) return std::optional<DecodedPreface>();

  std::string_view body = bytes.substr(kFixed, size);
  DecodedPreface decoded;
  decoded.size = kFixed + size;
  auto source = IpAddress::from_bytes(body.substr(0, 4));
  if (!source) return std::unexpected(std::move(source.error()));
  decoded.preface.source4 = *source;
  decoded.preface.source_port = read_u16(body.substr(8));
  body.remove_prefix(kAddresses);
  while (!body.empty()) {
    if (body.size() < 3) return bad("cut TLV");
    uint8_t type = static_cast<uint8_t>(body[0]);
    size_t length = read_u16(body.substr(1));
    if (body.size() < 3 + length) return bad("cut TLV");
    std::string_view value = body.substr(3, length);
    body.remove_prefix(3 + length);
    if (type == kTlvService) decoded.preface.service = value;
    if (type == kTlvInstance) decoded.preface.instance = value;
    if (type != kTlvSource6) continue;
    auto source6 = IpAddress::from_bytes(value);
    if (!source6) return std::unexpected(std::move(source6.error()));
    decoded.preface.source6 = *source6;
  }
  return decoded;
}

}  // namespace weft::proxy
