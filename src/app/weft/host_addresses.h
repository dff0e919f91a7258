// Which addresses of this host another machine could dial.
#pragma once

#include <vector>

#include "base/ip.h"

namespace weft::app {

// Of interfaces that are up: no loopback, no link-local. IPv4 first, in the kernel's order.
std::vector<IpAddress> host_addresses();

}  // namespace weft::app
