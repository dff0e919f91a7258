// One receive buffer on the stack serves all: datagrams are handed on before the next is read. 64 KiB
// holds the largest there can be, so nothing is ever cut short unnoticed.
#include "io/udp.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "io/socket_address.h"

namespace weft::io {

namespace {

constexpr int kBatch = 64;

int domain_of(int fd) {
  int domain = AF_INET;
  socklen_t size = sizeof domain;
  getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
  return domain;
}

}  // namespace

Result<std::unique_ptr<UdpSocket>> UdpSocket::bind(EpollLoop& loop, SocketAddress at,
                                                   OnDatagram on_datagram) {
  const int family = family_of(at);
  Fd fd(socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const KernelAddress address = to_kernel(at, family);
  if (!fd || ::bind(fd.get(), address.get(), address.size) != 0) {
    return std::unexpected(Error::from_errno(errno, "binding UDP " + at.to_string()));
  }
  return std::make_unique<UdpSocket>(loop, std::move(fd), std::move(on_datagram));
}

std::unique_ptr<UdpSocket> UdpSocket::adopt(EpollLoop& loop, int fd, OnDatagram on_datagram) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  return std::make_unique<UdpSocket>(loop, Fd(fd), std::move(on_datagram));
}

UdpSocket::UdpSocket(EpollLoop& loop, Fd fd, OnDatagram on_datagram)
    : loop_(loop),
      fd_(std::move(fd)),
      on_datagram_(std::move(on_datagram)),
      local_(local_address(fd_.get())),
      family_(domain_of(fd_.get())),
      watch_(std::in_place, loop, fd_.get(), [this](uint32_t) { receive_all(); }) {}

UdpSocket::~UdpSocket() {
  if (destroyed_) *destroyed_ = true;
}

void UdpSocket::receive_all() {
  std::array<char, 65536> datagram;
  bool destroyed = false;
  destroyed_ = &destroyed;
  // The callback may destroy this object and itself with it: it runs from here.
  OnDatagram on_datagram = std::move(on_datagram_);
  int count = 0;
  for (; count < kBatch; ++count) {
    KernelAddress from;
    const ssize_t got =
        recvfrom(fd_.get(), datagram.data(), datagram.size(), 0, from.get(), &from.size);
    // Other errors are ICMP's news of an earlier datagram: the queue goes on.
    if (got < 0 && errno == EAGAIN) break;
    if (got < 0) continue;
    on_datagram({datagram.data(), static_cast<size_t>(got)}, from_kernel(from));
    if (destroyed) return;
  }
  on_datagram_ = std::move(on_datagram);
  destroyed_ = nullptr;
  if (count == kBatch) loop_.ready(again_);
}

void UdpSocket::stop_receiving() {
  again_.unlink();
  watch_.reset();
}

bool UdpSocket::send_to(std::string_view bytes, const SocketAddress& to) {
  const KernelAddress address = to_kernel(to, family_);
  const ssize_t sent =
      sendto(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL, address.get(), address.size);
  return sent == static_cast<ssize_t>(bytes.size());
}

}  // namespace weft::io
