// One message of a Unix SOCK_SEQPACKET socket and the descriptors that travel on it (SCM_RIGHTS): what
// the keeper, the process inside and the sidecar speak over. Both calls may be used on blocking and
// non-blocking sockets. Received descriptors are close-on-exec.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace weft::capture {

constexpr size_t kMaxPacketFds = 64;

struct Packet {
  std::string bytes;  // never empty
  std::vector<Fd> fds;
};

// kUnavailable: a non-blocking socket is full. kClosed: the other end is gone. The caller keeps `fds`.
Result<void> send_packet(int socket, std::string_view bytes, std::span<const int> fds = {});
// kUnavailable: nothing there now (non-blocking). kClosed: the other end is gone.
Result<Packet> receive_packet(int socket);

// A connected pair, close-on-exec, blocking.
struct PacketPair {
  Fd first, second;
};
Result<PacketPair> make_packet_pair();

}  // namespace weft::capture
