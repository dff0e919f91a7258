// SocketAddress to and from the kernel's sockaddr. Internal to io's socket files and to those who make
// sockets themselves.
#pragma once

#include <sys/socket.h>

#include "base/ip.h"

namespace weft::io {

struct KernelAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// `family` is the socket's: a v4 address becomes ::ffff:a.b.c.d for an AF_INET6 socket.
KernelAddress to_kernel(const SocketAddress& address, int family);
// Anything but IP (a Unix socket) becomes 0.0.0.0:0.
SocketAddress from_kernel(const KernelAddress& address);

inline int family_of(const SocketAddress& address) {
  return address.ip.is_v4() ? AF_INET : AF_INET6;
}

// The local and remote address of a socket; 0.0.0.0:0 when it has none.
SocketAddress local_address(int fd);
SocketAddress peer_address(int fd);

}  // namespace weft::io
