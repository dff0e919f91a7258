// IP addresses and socket addresses as plain values, v4 and v6 alike. Text forms follow RFC 5952
// ("240.240.0.9", "fd00::9", "[fd00::9]:80"). A v4-mapped v6 address is turned into the v4 address on
// the way in, so one host has one spelling.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft {

class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  static IpAddress v4(uint32_t host_order);
  static IpAddress v6(const std::array<uint8_t, 16>& bytes);
  static Result<IpAddress> parse(std::string_view text);
  // 4 or 16 bytes in network order.
  static Result<IpAddress> from_bytes(std::string_view bytes);

  bool is_v4() const { return v4_; }
  bool is_loopback() const;
  bool is_unspecified() const;
  uint32_t v4_value() const;  // host order; is_v4() only
  std::string to_bytes() const;
  std::string to_string() const;
  const std::array<uint8_t, 16>& raw() const { return bytes_; }  // v4: first four

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  bool v4_ = true;
  std::array<uint8_t, 16> bytes_{};
};

struct SocketAddress {
  IpAddress ip;
  uint16_t port = 0;

  // "127.0.0.1:80", "[::1]:80".
  static Result<SocketAddress> parse(std::string_view text);
  std::string to_string() const;
  friend auto operator<=>(const SocketAddress&, const SocketAddress&) = default;
};

}  // namespace weft

template <>
struct std::hash<weft::IpAddress> {
  size_t operator()(const weft::IpAddress& a) const noexcept {
    return std::hash<std::string_view>{}(
        {reinterpret_cast<const char*>(a.raw().data()), a.raw().size()});
  }
};
template <>
struct std::hash<weft::SocketAddress> {
  size_t operator()(const weft::SocketAddress& a) const noexcept {
    return std::hash<weft::IpAddress>{}(a.ip) * 31 + a.port;
  }
};
