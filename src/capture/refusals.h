// What was refused inside, as the kernel's packet log (nfnetlink_log) tells it: datagrams that may not
// leave, connects to an address of the instance's own where nothing listens, and connects to a port of
// the mesh that no service declares.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace weft::capture {

// One logged packet, decoded.
struct Refusal {
  enum Kind : uint8_t { kDatagram, kConnect, kUndeclared } kind = kDatagram;
  std::string protocol;  // "udp", "icmp", "protocol 132"
  std::string target;    // where the app wanted to go: "203.0.113.5:443"
  uint16_t port = 0;     // 0 for what has no ports
};

// Decodes the first bytes of an IP packet: a datagram names its destination, so does a SYN (kUndeclared),
// a reset its *source* (what it was sent from is where the app wanted to connect to). kInvalid when it is
// none of them.
Result<Refusal> decode_refused_packet(std::string_view packet);
// One sentence for the log, with the way out. Not for kUndeclared: the sidecar knows the service's name.
std::string explain(const Refusal& refusal);

class RefusalLog {
 public:
  // Subscribes to the three groups of the calling process's network namespace; needs CAP_NET_ADMIN there.
  static Result<RefusalLog> open();
  int fd() const { return socket_.get(); }

  struct News {
    std::vector<std::string> sentences;  // destinations not named before
    std::vector<std::string> ports;      // undeclared ones not named before: "240.240.0.9:81"
    // Refused since the last call, the unread ones included.
    uint64_t datagrams = 0;
    uint64_t connects = 0;  // to undeclared ports
  };
  // Takes what is there; never blocks. Remembers at most 1024 destinations, then names none anew.
  News read();
  // The last news: makes the kernel hand over what it still gathers, and unsubscribes.
  News finish();

 private:
  explicit RefusalLog(Fd socket) : socket_(std::move(socket)) {}
  void name(std::string_view packet, News& news);
  void take(std::string_view message, uint16_t type, News& news);

  Fd socket_;
  uint32_t next_datagram_ = 0, next_connect_ = 0;  // sequence numbers of the groups that count
  std::set<std::string> named_;
};

}  // namespace weft::capture
