// AppSide: how a sidecar reaches into its own instance. The product dials with sockets that were made
// inside the instance's network namespace; a simulation dials its simulated app; in explicit mode there
// is no namespace and the app is on the host's loopback.
// Belongs to the worker loop.
#pragma once

#include <optional>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "base/time.h"
#include "io/stream.h"
#include "io/task.h"

namespace weft::proxy {

class AppSide {
 public:
  virtual ~AppSide() = default;
  // Connects from inside. `source`: the address the app is to see as its peer, of the family of `to`
  // (ignored where the instance has no namespace of its own). Errors carry retry = kYes.
  virtual io::Task<Result<io::StreamPtr>> connect(SocketAddress to, std::optional<IpAddress> source,
                                                  Duration timeout) = 0;
  // Where the app listens on this port, as far as that can be known: for apps that bind an address
  // nobody would guess.
  virtual std::vector<IpAddress> listening(uint16_t port) {
    (void)port;
    return {};
  }
};

}  // namespace weft::proxy
