// Where the app inside really listens: asked of the kernel through the sock_diag socket that came with
// the bootstrap (BootstrapFd::kSockDiag). For apps bound to an address nobody would guess.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ip.h"
#include "base/result.h"

namespace weft::capture {

// The addresses to dial for TCP `port`, IPv4 first; a wildcard shows as its loopback. Empty: nobody
// listens. Two netlink dumps of listening sockets, some 20 microseconds; never waits.
Result<std::vector<IpAddress>> listening_addresses(int sock_diag, uint16_t port);

}  // namespace weft::capture
