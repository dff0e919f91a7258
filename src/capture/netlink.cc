// Requests are built as bytes: a header, a family struct, attributes; three requests do not justify a
// library, and the `ip` program need not be installed.
#include "capture/netlink.h"

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace weft::capture {
namespace {

constexpr uint32_t kLoopbackIndex = 1;  // in every network namespace

// A request under construction: the netlink header (its length filled in when sent) and its family part.
template <typename Family>
std::string begin(uint16_t type, uint16_t flags, const Family& family) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  std::string message(reinterpret_cast<const char*>(&header), sizeof header);
  message.append(reinterpret_cast<const char*>(&family), sizeof family);
  message.resize(NLMSG_ALIGN(message.size()));
  return message;
}

void add_attribute(std::string& message, uint16_t type, std::string_view value) {
  rtattr header{};
  header.rta_type = type;
  header.rta_len = static_cast<uint16_t>(RTA_LENGTH(value.size()));
  message.append(reinterpret_cast<const char*>(&header), sizeof header);
  message.append(value);
  message.resize(RTA_ALIGN(message.size()));
}

std::string_view bytes_of(const uint32_t& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

uint8_t family_of(const IpAddress& address) { return address.is_v4() ? AF_INET : AF_INET6; }

}  // namespace

Result<RouteNetlink> RouteNetlink::open() {
  Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket) return std::unexpected(Error::from_errno(errno, "opening a netlink socket"));
  return RouteNetlink(std::move(socket));
}

Result<void> RouteNetlink::request(std::string message, std::string_view what) {
  auto* header = reinterpret_cast<nlmsghdr*>(message.data());
  header->nlmsg_len = static_cast<uint32_t>(message.size());
  header->nlmsg_seq = ++sequence_;
  if (::send(socket_.get(), message.data(), message.size(), 0) < 0)
    return std::unexpected(Error::from_errno(errno, what));

  alignas(nlmsghdr) char reply[4096];
  const ssize_t size = ::recv(socket_.get(), reply, sizeof reply, 0);
  if (size < 0) return std::unexpected(Error::from_errno(errno, what));
  const auto* answer = reinterpret_cast<const nlmsghdr*>(reply);
  if (!NLMSG_OK(answer, static_cast<uint32_t>(size)) || answer->nlmsg_type != NLMSG_ERROR)
    return fail(ErrorKind::kProtocol, std::string(what) + ": netlink gave no acknowledgement");
  nlmsgerr result;
  std::memcpy(&result, NLMSG_DATA(answer), sizeof result);
  if (result.error != 0) return std::unexpected(Error::from_errno(-result.error, what));
  return {};
}

Result<void> RouteNetlink::loopback_up() {
  ifinfomsg link{};
  link.ifi_family = AF_UNSPEC;
  link.ifi_index = kLoopbackIndex;
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  return request(begin(RTM_NEWLINK, 0, link), "bringing loopback up");
}

Result<void> RouteNetlink::add_loopback_address(const IpAddress& address) {
  ifaddrmsg body{};
  body.ifa_family = family_of(address);
  body.ifa_prefixlen = address.is_v4() ? 32 : 128;
  body.ifa_flags = IFA_F_NODAD;
  body.ifa_scope = RT_SCOPE_UNIVERSE;
  body.ifa_index = kLoopbackIndex;
  std::string message = begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body);
  const std::string bytes = address.to_bytes();
  add_attribute(message, IFA_LOCAL, bytes);
  add_attribute(message, IFA_ADDRESS, bytes);
  return request(std::move(message), "adding the mesh address " + address.to_string());
}

Result<void> RouteNetlink::make_everything_local(const IpAddress& source) {
  rtmsg body{};
  body.rtm_family = family_of(source);
  body.rtm_dst_len = 0;
  body.rtm_table = RT_TABLE_LOCAL;
  body.rtm_protocol = RTPROT_STATIC;
  body.rtm_scope = RT_SCOPE_HOST;
  body.rtm_type = RTN_LOCAL;
  std::string message = begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, body);
  add_attribute(message, RTA_OIF, bytes_of(kLoopbackIndex));
  add_attribute(message, RTA_PREFSRC, source.to_bytes());
  return request(std::move(message), "adding the default route of " + source.to_string());
}

}  // namespace weft::capture
