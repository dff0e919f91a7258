// Two system calls a received message: one to learn its size (a bootstrap with long search lists has no
// fixed bound), one to take it. These sockets carry a few messages a second, so nothing is pooled.
#include "capture/packet.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace weft::capture {
namespace {

Error socket_error(int errno_value, std::string_view what) {
  if (errno_value == EPIPE || errno_value == ECONNRESET || errno_value == ENOTCONN)
    return Error(ErrorKind::kClosed, std::string(what) + ": the other end is gone");
  if (errno_value == EAGAIN)
    return Error(ErrorKind::kUnavailable, std::string(what) + ": would have to wait");
  return Error::from_errno(errno_value, what);
}

// An end that goes without having read all leaves an error that comes before the messages it had sent,
// and comes once. So the first of its kind is no end yet: its last words may be behind it.
template <typename Call>
ssize_t receive(Call call) {
  bool told_once = false;
  while (true) {
    const ssize_t size = call();
    if (size >= 0) return size;
    if (errno == ECONNRESET && !told_once) {
      told_once = true;
    } else if (errno != EINTR) {
      return size;
    }
  }
}

}  // namespace

Result<void> send_packet(int socket, std::string_view bytes, std::span<const int> fds) {
  if (bytes.empty() || fds.size() > kMaxPacketFds)
    return fail(ErrorKind::kInternal, "a packet needs bytes and at most 64 descriptors");
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPacketFds)];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  ssize_t sent;
  do {
    sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return std::unexpected(socket_error(errno, "sending a packet"));
  return {};
}

Result<Packet> receive_packet(int socket) {
  char probe;
  ssize_t size = receive([&] { return ::recv(socket, &probe, 1, MSG_PEEK | MSG_TRUNC); });
  if (size < 0) return std::unexpected(socket_error(errno, "receiving a packet"));
  if (size == 0) return fail(ErrorKind::kClosed, "receiving a packet: the other end is gone");

  Packet packet;
  packet.bytes.resize(static_cast<size_t>(size));
  iovec part{packet.bytes.data(), packet.bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPacketFds)];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  size = receive([&] { return ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC); });
  if (size < 0) return std::unexpected(socket_error(errno, "receiving a packet"));

  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      packet.fds.emplace_back(fd);
    }
  }
  return packet;
}

Result<PacketPair> make_packet_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return std::unexpected(Error::from_errno(errno, "making a socket pair"));
  return PacketPair{Fd(ends[0]), Fd(ends[1])};
}

}  // namespace weft::capture
