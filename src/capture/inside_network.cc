// Where IPv6 is off in the kernel, the v6 sockets are stand-ins that nobody connects to, so that the
// order of descriptors is the same everywhere.
#include "capture/inside_network.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "capture/files.h"
#include "capture/handoff.h"
#include "capture/netlink.h"
#include "capture/nft.h"

namespace weft::capture {
namespace {

constexpr int kBacklog = 4096;  // connects wait here while a dead sidecar is replaced

struct Sysctl {
  const char* path;
  const char* value;
};
// Wishes: a kernel or container that does not let us only costs comfort, so refusals are ignored.
constexpr Sysctl kSysctls[] = {
    {"/proc/sys/net/ipv6/conf/all/disable_ipv6", "0"},
    {"/proc/sys/net/ipv6/conf/lo/disable_ipv6", "0"},
    // An app configured with an address of the host binds it; IPv4 has the local route for that.
    {"/proc/sys/net/ipv6/ip_nonlocal_bind", "1"},
    // The port space is the instance's own: nothing is protected by keeping 80 from it.
    {"/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"},
    // An app that opens and closes connections quickly must not run out of ports, each of which would wait
    // for a minute: with timestamps it is safe to take one again after a second (RFC 6191).
    {"/proc/sys/net/ipv4/tcp_tw_reuse", "1"},
    // A refusal of the sidecar's own connect bears its mark: nothing to explain to the app.
    {"/proc/sys/net/ipv4/fwmark_reflect", "1"},
    {"/proc/sys/net/ipv6/fwmark_reflect", "1"},
    // Questions to name servers are tracked: let finished ones go soon (nothing is lost on loopback).
    {"/proc/sys/net/netfilter/nf_conntrack_udp_timeout", "10"},
    {"/proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream", "10"},
    {"/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait", "1"},
    {"/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close", "1"},
};

bool kernel_has_ipv6() {
  return static_cast<bool>(Fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)));
}

// Lets a listener accept connections to any address (tproxy).
bool make_transparent(int socket, int family) {
  const int on = 1;
  return family == AF_INET6
             ? ::setsockopt(socket, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof on) == 0
             : ::setsockopt(socket, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof on) == 0;
}

// A socket on loopback; port 0 for a stand-in.
Result<Fd> loopback_socket(int family, int type, uint16_t port) {
  Fd socket(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return std::unexpected(Error::from_errno(errno, "making a listener inside"));
  int status;
  if (family == AF_INET6) {
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    address.sin6_port = htons(port);
    status = ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  } else {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    status = ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  if (status != 0) return std::unexpected(Error::from_errno(errno, "binding a listener inside"));
  if (port == kOutboundPort && !make_transparent(socket.get(), family))
    return std::unexpected(Error::from_errno(errno, "making the listener inside transparent"));
  if (type == SOCK_STREAM && ::listen(socket.get(), kBacklog) != 0)
    return std::unexpected(Error::from_errno(errno, "listening inside"));
  return socket;
}

Result<std::vector<Fd>> make_listeners(bool ipv6) {
  struct Wanted {
    int type;
    uint16_t port;
  };
  std::vector<Fd> sockets;
  for (const Wanted wanted : {Wanted{SOCK_STREAM, kOutboundPort}, Wanted{SOCK_DGRAM, kDnsPort},
                              Wanted{SOCK_STREAM, kDnsPort}}) {
    auto v4 = loopback_socket(AF_INET, wanted.type, wanted.port);
    if (!v4) return std::unexpected(std::move(v4.error()));
    auto v6 = ipv6 ? loopback_socket(AF_INET6, wanted.type, wanted.port)
                   : loopback_socket(AF_INET, wanted.type, 0);
    if (!v6) return std::unexpected(std::move(v6.error()));
    sockets.push_back(std::move(*v4));
    sockets.push_back(std::move(*v6));
  }
  auto diag = make_sock_diag();
  if (!diag) return std::unexpected(std::move(diag.error()));
  sockets.push_back(std::move(*diag));
  return sockets;
}

Result<void> set_up_addresses(const NetworkPlan& plan, bool ipv6) {
  auto netlink = RouteNetlink::open();
  if (!netlink) return std::unexpected(std::move(netlink.error()));
  if (auto up = netlink->loopback_up(); !up) return up;
  for (const IpAddress& address : {plan.mesh4, plan.mesh6}) {
    if (!address.is_v4() && !ipv6) continue;
    if (auto added = netlink->add_loopback_address(address); !added) return added;
    if (auto local = netlink->make_everything_local(address); !local) return local;
  }
  return {};
}

}  // namespace

Result<InsideNetwork> set_up_network(const NetworkPlan& plan) {
  const bool ipv6 = kernel_has_ipv6();
  for (const Sysctl& sysctl : kSysctls) (void)write_file(sysctl.path, sysctl.value);
  if (auto done = set_up_addresses(plan, ipv6); !done)
    return std::unexpected(std::move(done.error()));

  InsideNetwork network;
  if (auto log = RefusalLog::open()) network.refusals.push_back(std::move(*log));
  auto loaded = load_ruleset(make_ruleset(plan, !network.refusals.empty()));
  if (!loaded && !network.refusals.empty()) {
    network.refusals.clear();
    loaded = load_ruleset(make_ruleset(plan, false));
  }
  if (!loaded) return std::unexpected(std::move(loaded.error()));
  // Conntrack's settings appear with its module, which the ruleset may just have loaded.
  for (const Sysctl& sysctl : kSysctls) (void)write_file(sysctl.path, sysctl.value);

  auto sockets = make_listeners(ipv6);
  if (!sockets) return std::unexpected(std::move(sockets.error()));
  network.sockets = std::move(*sockets);
  return network;
}

Result<Fd> make_sock_diag() {
  Fd diag(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG));
  if (!diag) return std::unexpected(Error::from_errno(errno, "opening sock_diag inside"));
  return diag;
}

std::vector<Fd> make_sidecar_sockets(int family, int count) {
  std::vector<Fd> sockets;
  while (static_cast<int>(sockets.size()) < count) {
    Fd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) break;
    const int on = 1;
    const uint32_t mark = kSidecarMark;
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0) break;
    // Comfort: a port is chosen at connect (so one source address serves many connections to one
    // target), and any source address may be bound even where no sysctl allows it.
    ::setsockopt(socket.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    ::setsockopt(socket.get(), IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
    if (family == AF_INET6)
      ::setsockopt(socket.get(), IPPROTO_IPV6, 78 /* IPV6_FREEBIND */, &on, sizeof on);
    sockets.push_back(std::move(socket));
  }
  return sockets;
}

}  // namespace weft::capture
