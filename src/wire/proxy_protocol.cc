// Strict where the specification leaves no choice (one blank between the words of version 1, no leading
// zeros, families that do not exist), lenient where it asks for it: a valid family that means nothing here
// is taken as "unknown", and what LOCAL carries is passed over unread.
#include "wire/proxy_protocol.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "wire/byte_reader.h"

namespace weft::wire {
namespace {

constexpr std::string_view kLine = "PROXY ";
constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kFixed = 16;
constexpr char kLocal = 0x20, kProxy = 0x21;
constexpr unsigned char kTcp4 = 0x11, kTcp6 = 0x21;
constexpr uint8_t kTlvChecksum = 0x03;

std::unexpected<Error> bad(const std::string& why) {
  return fail(ErrorKind::kProtocol, "PROXY protocol: " + why, ErrorSource::kDownstream);
}

bool agrees(std::string_view bytes, std::string_view wanted) {
  const size_t known = std::min(bytes.size(), wanted.size());
  return bytes.substr(0, known) == wanted.substr(0, known);
}

// A port as version 1 writes it: 0 to 65535 without leading zeros.
std::optional<uint16_t> line_port(std::string_view text) {
  const auto value = parse_u64(text);
  if (!value || *value > 65535 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  return static_cast<uint16_t>(*value);
}

std::optional<IpAddress> line_ip(std::string_view text, bool v6) {
  if ((text.find(':') != std::string_view::npos) != v6) return std::nullopt;
  auto ip = IpAddress::parse(text);
  if (!ip) return std::nullopt;
  return *ip;
}

Result<std::optional<ProxyHeader>> read_line(std::string_view bytes) {
  const std::string_view look = bytes.substr(0, kProxyLine);
  const size_t end = look.find("\r\n");
  if (end == std::string_view::npos) {
    if (look.size() == kProxyLine) return bad("a line of more than 107 octets");
    return std::optional<ProxyHeader>();
  }
  const std::string_view line = look.substr(0, end);
  ProxyHeader header;
  header.version = 1;
  header.size = end + 2;
  const auto words = split(line.substr(kLine.size()), ' ');
  // Whatever follows UNKNOWN is to be ignored.
  if (words[0] == "UNKNOWN") return header;
  const bool v6 = words[0] == "TCP6";
  if (!v6 && words[0] != "TCP4") return bad("neither TCP4 nor TCP6 nor UNKNOWN");
  if (words.size() != 5) return bad("not two addresses and two ports");
  const auto source = line_ip(words[1], v6), destination = line_ip(words[2], v6);
  if (!source || !destination) return bad("a wrong address");
  const auto source_port = line_port(words[3]), destination_port = line_port(words[4]);
  if (!source_port || !destination_port) return bad("a wrong port");
  header.source = {*source, *source_port};
  header.destination = {*destination, *destination_port};
  return header;
}

// Well-formed to the end, and the checksum right if there is one. `before` is what precedes the TLVs.
Result<void> check_tlvs(std::string_view before, std::string_view tlvs) {
  std::optional<uint32_t> claimed;
  uint32_t crc = crc32c(before);
  ByteReader reader(tlvs);
  while (!reader.empty()) {
    const std::string_view head = reader.rest().substr(0, 3);
    const auto type = static_cast<uint8_t>(reader.number(1));
    const std::string_view value = reader.counted(2);
    if (reader.ran_short()) return bad("a cut TLV");
    crc = crc32c(head, crc);
    if (type != kTlvChecksum) {
      crc = crc32c(value, crc);
      continue;
    }
    if (value.size() != 4) return bad("a checksum that is not of 4 octets");
    if (claimed) return bad("two checksums");
    claimed = static_cast<uint32_t>(ByteReader(value).number(4));
    crc = crc32c(std::string_view("\0\0\0\0", 4), crc);  // it counts as zero
  }
  if (claimed && *claimed != crc) return bad("the checksum is wrong");
  return {};
}

Result<std::optional<ProxyHeader>> read_binary(std::string_view bytes, size_t longest) {
  if (bytes.size() < kFixed) return std::optional<ProxyHeader>();
  const char command = bytes[12];
  const auto family = static_cast<unsigned char>(bytes[13]);
  const size_t length = ByteReader(bytes.substr(14)).number(2);
  if (command != kLocal && command != kProxy) return bad("neither version 2 LOCAL nor PROXY");
  if (kFixed + length > longest) {
    return bad("a header of " + std::to_string(kFixed + length) + " octets, at most " +
               std::to_string(longest) + " are read");
  }
  constexpr std::array<unsigned char, 7> kFamilies{0x00, kTcp4, 0x12, kTcp6, 0x22, 0x31, 0x32};
  if (command == kProxy && std::ranges::find(kFamilies, family) == kFamilies.end()) {
    return bad("a family that does not exist");
  }
  const size_t address = family == kTcp4 ? 4 : 16;
  const bool addressed = command == kProxy && (family == kTcp4 || family == kTcp6);
  if (addressed && length < 2 * address + 4) return bad("cut addresses");
  if (bytes.size() < kFixed + length) return std::optional<ProxyHeader>();

  ProxyHeader header;
  header.version = 2;
  header.size = kFixed + length;
  if (!addressed) return header;
  ByteReader reader(bytes.substr(kFixed, length));
  auto source = IpAddress::from_bytes(reader.take(address));
  auto destination = IpAddress::from_bytes(reader.take(address));
  if (!source || !destination) return bad("a wrong address");
  header.source = {*source, static_cast<uint16_t>(reader.number(2))};
  header.destination = {*destination, static_cast<uint16_t>(reader.number(2))};
  header.tlvs = reader.rest();
  const std::string_view before = bytes.substr(0, header.size - header.tlvs.size());
  if (auto good = check_tlvs(before, header.tlvs); !good) {
    return std::unexpected(std::move(good.error()));
  }
  return header;
}

constexpr std::array<uint32_t, 256> make_crc_table() {
  constexpr uint32_t kCastagnoli = 0x82f63b78;  // bits reversed
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? kCastagnoli : 0);
    table[i] = value;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrcTable = make_crc_table();

void append_u16(std::string& out, size_t value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value & 0xff);
}

}  // namespace

Result<std::optional<ProxyHeader>> read_proxy_header(std::string_view bytes, size_t longest) {
  if (agrees(bytes, kSignature)) return read_binary(bytes, longest);
  if (agrees(bytes, kLine)) return read_line(bytes);
  return bad("no header");
}

std::optional<ProxyTlv> take_proxy_tlv(std::string_view& tlvs) {
  ByteReader reader(tlvs);
  ProxyTlv tlv;
  tlv.type = static_cast<uint8_t>(reader.number(1));
  tlv.value = reader.counted(2);
  if (reader.ran_short()) return std::nullopt;
  tlvs = reader.rest();
  return tlv;
}

std::string proxy_header_v2(const SocketAddress& source, const SocketAddress& destination,
                            std::string_view tlvs) {
  std::string body = source.ip.to_bytes() + destination.ip.to_bytes();
  append_u16(body, source.port);
  append_u16(body, destination.port);
  body += tlvs;
  std::string out(kSignature);
  out += kProxy;
  out += static_cast<char>(source.ip.is_v4() ? kTcp4 : kTcp6);
  append_u16(out, body.size());
  return out + body;
}

void append_proxy_tlv(std::string& tlvs, uint8_t type, std::string_view value) {
  tlvs += static_cast<char>(type);
  append_u16(tlvs, value.size());
  tlvs += value;
}

uint32_t crc32c(std::string_view bytes, uint32_t crc) {
  crc = ~crc;
  for (const char c : bytes) {
    crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  }
  return ~crc;
}

}  // namespace weft::wire
