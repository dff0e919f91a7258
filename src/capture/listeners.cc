// sock_diag(7): one dump a family, only sockets in state LISTEN; the port is compared here because a
// dump has no filter for it short of bytecode.
#include "capture/listeners.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace weft::capture {
namespace {

Result<void> ask(int socket, uint8_t family) {
  struct {
    nlmsghdr header{};
    inet_diag_req_v2 request{};
  } message;
  message.header.nlmsg_len = sizeof message;
  message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  message.request.sdiag_family = family;
  message.request.sdiag_protocol = IPPROTO_TCP;
  message.request.idiag_states = 1u << TCP_LISTEN;
  if (::send(socket, &message, sizeof message, 0) < 0)
    return std::unexpected(Error::from_errno(errno, "asking for the app's listeners"));
  return {};
}

IpAddress to_dial(const inet_diag_sockid& id, uint8_t family) {
  if (family == AF_INET) {
    const uint32_t address = ntohl(id.idiag_src[0]);
    return IpAddress::v4(address == 0 ? 0x7f000001 : address);
  }
  std::array<uint8_t, 16> bytes;
  std::memcpy(bytes.data(), id.idiag_src, 16);
  if (bytes == std::array<uint8_t, 16>{}) bytes[15] = 1;
  return IpAddress::v6(bytes);
}

// Adds what the answer names; true when the dump is complete.
Result<bool> take(std::string_view answer, uint16_t port, std::vector<IpAddress>& found) {
  while (answer.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    std::memcpy(&header, answer.data(), sizeof header);
    if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > answer.size()) break;
    if (header.nlmsg_type == NLMSG_DONE) return true;
    if (header.nlmsg_type == NLMSG_ERROR)
      return fail(ErrorKind::kUnsupported, "the kernel lists no sockets (tcp_diag is missing)");
    if (header.nlmsg_len >= NLMSG_HDRLEN + sizeof(inet_diag_msg)) {
      inet_diag_msg listener;
      std::memcpy(&listener, answer.data() + NLMSG_HDRLEN, sizeof listener);
      if (ntohs(listener.id.idiag_sport) == port)
        found.push_back(to_dial(listener.id, listener.idiag_family));
    }
    answer.remove_prefix(std::min<size_t>(answer.size(), NLMSG_ALIGN(header.nlmsg_len)));
  }
  return false;
}

}  // namespace

Result<std::vector<IpAddress>> listening_addresses(int sock_diag, uint16_t port) {
  std::vector<IpAddress> found;
  for (const uint8_t family : {AF_INET, AF_INET6}) {
    if (auto asked = ask(sock_diag, family); !asked)
      return std::unexpected(std::move(asked.error()));
    bool complete = false;
    while (!complete) {
      alignas(nlmsghdr) char buffer[16384];
      const ssize_t size = ::recv(sock_diag, buffer, sizeof buffer, 0);
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0)
        return std::unexpected(Error::from_errno(errno, "reading the app's listeners"));
      auto done = take({buffer, static_cast<size_t>(size)}, port, found);
      if (!done) return std::unexpected(std::move(done.error()));
      complete = *done;
    }
  }
  std::sort(found.begin(), found.end(),
            [](const IpAddress& a, const IpAddress& b) { return a.is_v4() > b.is_v4(); });
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace weft::capture
