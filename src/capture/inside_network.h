// The instance's network, set up from within its namespaces by the process inside.
#pragma once

#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "capture/plan.h"
#include "capture/refusals.h"

namespace weft::capture {

struct InsideNetwork {
  // In the order of BootstrapFd, from kOutbound4 on.
  std::vector<Fd> sockets;
  // Absent where the kernel has no packet log.
  std::vector<RefusalLog> refusals;
};

// Addresses, routes, sysctls, ruleset, listeners. Needs CAP_NET_ADMIN in fresh namespaces; afterwards no
// packet leaves but through the sockets returned.
Result<InsideNetwork> set_up_network(const NetworkPlan& plan);

// A socket that lists what the app listens on (listeners.h), for one reader.
Result<Fd> make_sock_diag();

// Unconnected sockets for the sidecar, AF_INET or AF_INET6: non-blocking, marked, free to bind any
// address. As many as the kernel gives, up to `count`. Needs CAP_NET_ADMIN for the mark.
std::vector<Fd> make_sidecar_sockets(int family, int count);

}  // namespace weft::capture
