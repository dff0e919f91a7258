// Parsing and printing lean on inet_pton/inet_ntop, which glibc keeps right; only the port syntax is
// ours, and v4 in print: every access line has one, and glibc goes through printf.
#include "base/ip.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

#include "base/assert.h"

namespace weft {

IpAddress IpAddress::v4(uint32_t host_order) {
  IpAddress a;
  for (int i = 0; i < 4; ++i) a.bytes_[i] = static_cast<uint8_t>(host_order >> (24 - 8 * i));
  return a;
}

IpAddress IpAddress::v6(const std::array<uint8_t, 16>& bytes) {
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  IpAddress a;
  if (std::memcmp(bytes.data(), kMapped, sizeof kMapped) == 0) {
    std::memcpy(a.bytes_.data(), bytes.data() + 12, 4);
    return a;
  }
  a.v4_ = false;
  a.bytes_ = bytes;
  return a;
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string z(text);
  in_addr four{};
  if (inet_pton(AF_INET, z.c_str(), &four) == 1) return v4(ntohl(four.s_addr));
  std::array<uint8_t, 16> six{};
  if (inet_pton(AF_INET6, z.c_str(), six.data()) == 1) return v6(six);
  return fail(ErrorKind::kInvalid, "'" + z + "' is not an IP address");
}

Result<IpAddress> IpAddress::from_bytes(std::string_view bytes) {
  if (bytes.size() == 4) {
    IpAddress a;
    std::memcpy(a.bytes_.data(), bytes.data(), 4);
    return a;
  }
  if (bytes.size() == 16) {
    std::array<uint8_t, 16> six{};
    std::memcpy(six.data(), bytes.data(), 16);
    return v6(six);
  }
  return fail(ErrorKind::kInvalid,
              "an IP address has 4 or 16 bytes, not " + std::to_string(bytes.size()));
}

bool IpAddress::is_loopback() const {
  if (v4_) return bytes_[0] == 127;
  static constexpr std::array<uint8_t, 16> kOne = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return bytes_ == kOne;
}

bool IpAddress::is_unspecified() const { return bytes_ == std::array<uint8_t, 16>{}; }

uint32_t IpAddress::v4_value() const {
  WEFT_ASSERT(v4_);
  return uint32_t{bytes_[0]} << 24 | uint32_t{bytes_[1]} << 16 | uint32_t{bytes_[2]} << 8 |
         bytes_[3];
}

std::string IpAddress::to_bytes() const {
  return std::string(reinterpret_cast<const char*>(bytes_.data()), v4_ ? 4 : 16);
}

namespace {

// Room for "[", any address, "]", ":" and a port.
constexpr size_t kTextRoom = INET6_ADDRSTRLEN + 8;

char* print(const IpAddress& ip, char* out) {
  if (!ip.is_v4()) {
    inet_ntop(AF_INET6, ip.raw().data(), out, INET6_ADDRSTRLEN);
    return out + std::strlen(out);
  }
  for (size_t i = 0; i < 4; ++i) {
    if (i > 0) *out++ = '.';
    out = std::to_chars(out, out + 3, ip.raw()[i]).ptr;
  }
  return out;
}

}  // namespace

std::string IpAddress::to_string() const {
  char text[kTextRoom];
  return std::string(text, print(*this, text));
}

Result<SocketAddress> SocketAddress::parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  auto bad = [&] {
    return fail(ErrorKind::kInvalid, "'" + std::string(text) + "' is not ADDRESS:PORT");
  };
  if (colon == std::string_view::npos) return bad();
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad();
  }
  auto ip = IpAddress::parse(host);
  if (!ip) return bad();
  const std::string_view digits = text.substr(colon + 1);
  uint16_t port = 0;
  auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (ec != std::errc() || end != digits.data() + digits.size()) return bad();
  return SocketAddress{*ip, port};
}

std::string SocketAddress::to_string() const {
  char text[kTextRoom];
  char* out = text;
  if (!ip.is_v4()) *out++ = '[';
  out = print(ip, out);
  if (!ip.is_v4()) *out++ = ']';
  *out++ = ':';
  return std::string(text, std::to_chars(out, out + 5, port).ptr);
}

}  // namespace weft
