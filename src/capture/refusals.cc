// The kernel numbers every logged packet of a group (NFULA_SEQ), so the counts stay exact even when the socket's
// buffer overflows: a gap in the numbers is the part that was lost. Messages come in batches of up to 32
// or after 100 ms, which bounds the cost of an app that sends thousands a second.
#include "capture/refusals.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/ip.h"
#include "capture/plan.h"

namespace weft::capture {
namespace {

constexpr size_t kMaxNamed = 1024;

constexpr size_t kTcpFlagsAt = 13;
constexpr uint8_t kSynAlone = 0x02, kSynAndAck = 0x12;

uint16_t big_endian16(std::string_view bytes, size_t at) {
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes[at]) << 8 |
                               static_cast<uint8_t>(bytes[at + 1]));
}

template <typename T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

void add_attribute(std::string& message, uint16_t type, std::string_view value) {
  nlattr header{};
  header.nla_type = type;
  header.nla_len = static_cast<uint16_t>(NLA_HDRLEN + value.size());
  message.append(bytes_of(header)).append(value);
  message.resize(NLMSG_ALIGN(message.size()));
}

// The start of a configuration request for a group.
std::string config_request(uint16_t group, uint8_t config, uint16_t flags) {
  nlmsghdr header{};
  header.nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  nfgenmsg family{};
  family.nfgen_family = AF_UNSPEC;
  family.version = NFNETLINK_V0;
  family.res_id = htons(group);
  std::string message(bytes_of(header));
  message.append(bytes_of(family));

  const nfulnl_msg_config_cmd command{config};
  add_attribute(message, NFULA_CFG_CMD, bytes_of(command));
  return message;
}

void set_length(std::string& message) {
  const auto size = static_cast<uint32_t>(message.size());
  std::memcpy(message.data(), &size, sizeof size);
}

// Bind the group, copy 64 bytes of each packet, number and batch them.
std::string bind_request(uint16_t group) {
  std::string message = config_request(group, NFULNL_CFG_CMD_BIND, NLM_F_ACK);
  nfulnl_msg_config_mode mode{};
  mode.copy_mode = NFULNL_COPY_PACKET;
  mode.copy_range = htonl(64);
  add_attribute(message, NFULA_CFG_MODE, bytes_of(mode));
  add_attribute(message, NFULA_CFG_FLAGS, bytes_of(htons(NFULNL_CFG_F_SEQ)));
  add_attribute(message, NFULA_CFG_QTHRESH, bytes_of(htonl(32)));
  add_attribute(message, NFULA_CFG_TIMEOUT, bytes_of(htonl(10)));  // 1/100 s
  set_length(message);
  return message;
}

Result<void> configure(int socket, uint16_t group) {
  const std::string request = bind_request(group);
  if (::send(socket, request.data(), request.size(), 0) < 0)
    return std::unexpected(Error::from_errno(errno, "subscribing to the packet log"));
  alignas(nlmsghdr) char reply[1024];
  const ssize_t size = ::recv(socket, reply, sizeof reply, 0);
  if (size < static_cast<ssize_t>(sizeof(nlmsghdr) + sizeof(nlmsgerr)))
    return fail(ErrorKind::kIo, "subscribing to the packet log: no acknowledgement");
  nlmsgerr result;
  std::memcpy(&result, reply + NLMSG_HDRLEN, sizeof result);
  if (result.error != 0)
    return std::unexpected(Error::from_errno(-result.error, "subscribing to the packet log"));
  return {};
}

std::string protocol_name(uint8_t protocol) {
  if (protocol == IPPROTO_UDP) return "udp";
  if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) return "icmp";
  return fmt::format("protocol {}", protocol);
}

}  // namespace

Result<Refusal> decode_refused_packet(std::string_view packet) {
  const auto invalid = [] { return fail(ErrorKind::kInvalid, "not an IP packet"); };
  if (packet.size() < 20) return invalid();
  const int version = static_cast<uint8_t>(packet[0]) >> 4;
  size_t header = 0, source_at = 0, address_size = 0;
  uint8_t protocol = 0;
  if (version == 4) {
    header = (static_cast<uint8_t>(packet[0]) & 15u) * 4;
    protocol = static_cast<uint8_t>(packet[9]);
    source_at = 12, address_size = 4;
  } else if (version == 6 && packet.size() >= 40) {
    header = 40;
    protocol = static_cast<uint8_t>(packet[6]);
    source_at = 8, address_size = 16;
  } else {
    return invalid();
  }

  Refusal refusal;
  const bool tcp = protocol == IPPROTO_TCP;
  const bool syn = tcp && packet.size() > header + kTcpFlagsAt &&
                   (static_cast<uint8_t>(packet[header + kTcpFlagsAt]) & kSynAndAck) == kSynAlone;
  refusal.kind = syn ? Refusal::kUndeclared : tcp ? Refusal::kConnect : Refusal::kDatagram;
  refusal.protocol = tcp ? "tcp" : protocol_name(protocol);
  const bool reset = refusal.kind == Refusal::kConnect;
  auto ip =
      IpAddress::from_bytes(packet.substr(source_at + (reset ? 0 : address_size), address_size));
  if (!ip) return std::unexpected(std::move(ip.error()));
  const bool has_ports = tcp || protocol == IPPROTO_UDP;
  if (!has_ports || packet.size() < header + 4) {
    refusal.target = ip->to_string();
    return refusal;
  }
  refusal.port = big_endian16(packet, header + (reset ? 0 : 2));
  refusal.target = SocketAddress{*ip, refusal.port}.to_string();
  return refusal;
}

std::string explain(const Refusal& refusal) {
  if (refusal.kind == Refusal::kDatagram)
    return fmt::format("{} to {} was refused: only DNS may leave the instance as datagrams",
                       refusal.protocol, refusal.target);
  return fmt::format(
      "the app connected to {0}, where nothing listens inside the instance; if the program is on "
      "the "
      "host's loopback, start with --host-port {1}",
      refusal.target, refusal.port);
}

Result<RefusalLog> RefusalLog::open() {
  Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!socket) return std::unexpected(Error::from_errno(errno, "opening the packet log"));
  for (uint16_t group : {kDatagramGroup, kResetGroup, kUndeclaredGroup})
    if (auto bound = configure(socket.get(), group); !bound)
      return std::unexpected(std::move(bound.error()));
  return RefusalLog(std::move(socket));
}

void RefusalLog::name(std::string_view packet, News& news) {
  auto refusal = decode_refused_packet(packet);
  if (!refusal || named_.size() >= kMaxNamed) return;
  if (!named_.insert(refusal->protocol + " " + refusal->target).second) return;
  if (refusal->kind == Refusal::kUndeclared)
    news.ports.push_back(refusal->target);
  else
    news.sentences.push_back(explain(*refusal));
}

void RefusalLog::take(std::string_view message, uint16_t type, News& news) {
  if (type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) || message.size() < sizeof(nfgenmsg))
    return;
  const uint16_t group = big_endian16(message, offsetof(nfgenmsg, res_id));
  message.remove_prefix(NLMSG_ALIGN(sizeof(nfgenmsg)));
  while (message.size() >= NLA_HDRLEN) {
    nlattr attribute;
    std::memcpy(&attribute, message.data(), sizeof attribute);
    if (attribute.nla_len < NLA_HDRLEN || attribute.nla_len > message.size()) return;
    const std::string_view value = message.substr(NLA_HDRLEN, attribute.nla_len - NLA_HDRLEN);
    const int kind = attribute.nla_type & NLA_TYPE_MASK;
    if (kind == NFULA_SEQ && group != kResetGroup && value.size() == 4) {
      const bool datagram = group == kDatagramGroup;
      uint32_t& next = datagram ? next_datagram_ : next_connect_;
      uint32_t sequence;
      std::memcpy(&sequence, value.data(), 4);
      sequence = ntohl(sequence);
      // The gap included, wrapping as the kernel does.
      (datagram ? news.datagrams : news.connects) += sequence + 1 - next;
      next = sequence + 1;
    } else if (kind == NFULA_PAYLOAD) {
      name(value, news);
    }
    message.remove_prefix(std::min<size_t>(message.size(), NLA_ALIGN(attribute.nla_len)));
  }
}

RefusalLog::News RefusalLog::read() {
  News news;
  alignas(nlmsghdr) char buffer[32768];
  while (true) {
    const ssize_t size = ::recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (size < 0 && (errno == ENOBUFS || errno == EINTR)) continue;  // the numbers show the loss
    if (size <= 0) return news;
    std::string_view rest(buffer, static_cast<size_t>(size));
    while (rest.size() >= sizeof(nlmsghdr)) {
      nlmsghdr header;
      std::memcpy(&header, rest.data(), sizeof header);
      if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > rest.size()) break;
      take(rest.substr(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN), header.nlmsg_type, news);
      rest.remove_prefix(std::min<size_t>(rest.size(), NLMSG_ALIGN(header.nlmsg_len)));
    }
  }
}

RefusalLog::News RefusalLog::finish() {
  for (uint16_t group : {kDatagramGroup, kResetGroup, kUndeclaredGroup}) {
    std::string request = config_request(group, NFULNL_CFG_CMD_UNBIND, 0);
    set_length(request);
    (void)::send(socket_.get(), request.data(), request.size(), 0);
  }
  return read();
}

}  // namespace weft::capture
