// What was refused inside, as the kernel's packet log (nfnetlink_log) tells it: datagrams that may not
// leave, and connects to an address of the instance's own where nothing listens.
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
  enum Kind : uint8_t { kDatagram, kConnect } kind = kDatagram;
  std::string protocol;  // "udp", "icmp", "protocol 132"
  std::string target;    // where the app wanted to go: "203.0.113.5:443"
  uint16_t port = 0;     // 0 for what has no ports
};

// Decodes the first bytes of an IP packet: a datagram names its destination, a reset its *source* (what
// it was sent from is where the app wanted to connect to). kInvalid when it is neither.
Result<Refusal> decode_refused_packet(std::string_view packet);
// One sentence for the log, with the way out.
std::string explain(const Refusal& refusal);

class RefusalLog {
 public:
  // Subscribes to both groups of the calling process's network namespace; needs CAP_NET_ADMIN there.
  static Result<RefusalLog> open();
  int fd() const { return socket_.get(); }

  struct News {
    std::vector<std::string> sentences;  // destinations not named before
    uint64_t datagrams = 0;              // refused since the last call, the unread ones included
  };
  // Takes what is there; never blocks. Remembers at most 1024 destinations, then names none anew.
  News read();
  // The last news: makes the kernel hand over what it still gathers, and unsubscribes.
  News finish();

 private:
  explicit RefusalLog(Fd socket) : socket_(std::move(socket)) {}
  void take(std::string_view message, uint16_t type, News& news);

  Fd socket_;
  uint32_t next_sequence_ = 0;  // of the datagram group
  std::set<std::string> named_;
};

}  // namespace weft::capture
