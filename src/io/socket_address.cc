// The kernel's address structures are filled by memcpy only: reading them through casts would break
// aliasing rules for no gain.
#include "io/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

namespace weft::io {

KernelAddress to_kernel(const SocketAddress& address, int family) {
  KernelAddress out;
  const auto& raw = address.ip.raw();
  if (family == AF_INET) {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(address.port);
    std::memcpy(&four.sin_addr, raw.data(), 4);
    std::memcpy(&out.storage, &four, sizeof four);
    out.size = sizeof four;
    return out;
  }
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(address.port);
  if (address.ip.is_v4() && !address.ip.is_unspecified()) {
    six.sin6_addr.s6_addr[10] = six.sin6_addr.s6_addr[11] = 0xff;
    std::memcpy(&six.sin6_addr.s6_addr[12], raw.data(), 4);
  } else {
    std::memcpy(&six.sin6_addr, raw.data(), 16);
  }
  std::memcpy(&out.storage, &six, sizeof six);
  out.size = sizeof six;
  return out;
}

SocketAddress from_kernel(const KernelAddress& address) {
  if (address.storage.ss_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &address.storage, sizeof four);
    return {IpAddress::v4(ntohl(four.sin_addr.s_addr)), ntohs(four.sin_port)};
  }
  if (address.storage.ss_family == AF_INET6) {
    sockaddr_in6 six{};
    std::memcpy(&six, &address.storage, sizeof six);
    std::array<uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &six.sin6_addr, 16);
    return {IpAddress::v6(bytes), ntohs(six.sin6_port)};
  }
  return {};
}

SocketAddress local_address(int fd) {
  KernelAddress address;
  if (getsockname(fd, address.get(), &address.size) != 0) return {};
  return from_kernel(address);
}

SocketAddress peer_address(int fd) {
  KernelAddress address;
  if (getpeername(fd, address.get(), &address.size) != 0) return {};
  return from_kernel(address);
}

}  // namespace weft::io
