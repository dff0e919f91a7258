// getifaddrs lists physical interfaces before bridges made later, which is the order people expect.
#include "app/weft/host_addresses.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <string_view>

namespace weft::app {
namespace {

bool dialable(const IpAddress& ip) {
  if (ip.is_loopback() || ip.is_unspecified()) return false;
  if (ip.is_v4()) return ip.v4_value() >> 16 != 0xa9fe;  // 169.254/16
  return ip.raw()[0] != 0xfe;                            // fe80::/10, fec0::/10
}

}  // namespace

std::vector<IpAddress> host_addresses() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {};
  std::vector<IpAddress> out, v6;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) continue;
    Result<IpAddress> ip = fail(ErrorKind::kUnsupported, "no IP");
    if (entry->ifa_addr->sa_family == AF_INET) {
      const auto* in = reinterpret_cast<const sockaddr_in*>(entry->ifa_addr);
      ip = IpAddress::from_bytes({reinterpret_cast<const char*>(&in->sin_addr), 4});
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      const auto* in = reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr);
      ip = IpAddress::from_bytes({reinterpret_cast<const char*>(&in->sin6_addr), 16});
    }
    if (!ip || !dialable(*ip)) continue;
    auto& family = ip->is_v4() ? out : v6;
    if (std::find(family.begin(), family.end(), *ip) == family.end()) family.push_back(*ip);
  }
  freeifaddrs(list);
  out.insert(out.end(), v6.begin(), v6.end());
  return out;
}

}  // namespace weft::app
