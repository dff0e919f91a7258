// nfnetlink by hand, as in netlink.cc: starting nft for each change would cost 10 ms of CPU in every
// instance of the mesh whenever a service gets a port, this costs some 50 microseconds. The kernel works
// a batch off within send(), so its answers are there when send() returns.
#include "capture/port_sets.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "capture/plan.h"

namespace weft::capture {
namespace {

template <typename T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

void add_attribute(std::string& message, int type, std::string_view value) {
  nlattr header{};
  header.nla_type = static_cast<uint16_t>(type);
  header.nla_len = static_cast<uint16_t>(NLA_HDRLEN + value.size());
  message.append(bytes_of(header)).append(value);
  message.resize(NLMSG_ALIGN(message.size()));
}

void add_text(std::string& message, int type, const char* text) {
  add_attribute(message, type, {text, std::strlen(text) + 1});
}

// The key of an element: the address, or address and port padded to four bytes each.
std::string key_of(const SocketAddress& place) {
  std::string key = place.ip.to_bytes();
  if (place.port == 0) return key;
  key += static_cast<char>(place.port >> 8);
  key += static_cast<char>(place.port & 0xff);
  key.append(2, '\0');
  return key;
}

const char* set_of(const SocketAddress& place) {
  if (place.port == 0) return place.ip.is_v4() ? kKnown4 : kKnown6;
  return place.ip.is_v4() ? kDeclared4 : kDeclared6;
}

class Batch {
 public:
  Batch() { control(NFNL_MSG_BATCH_BEGIN); }

  // All elements of a set; with NFT_MSG_DELSETELEM and no places, whatever it holds.
  void elements(int type, const char* set, const std::vector<SocketAddress>& places) {
    begin(static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), NFPROTO_INET, 0,
          static_cast<uint16_t>(NLM_F_ACK | (type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0)));
    add_text(bytes_, NFTA_SET_ELEM_LIST_TABLE, kTable);
    add_text(bytes_, NFTA_SET_ELEM_LIST_SET, set);
    if (!places.empty()) {
      std::string list;
      for (const SocketAddress& place : places) {
        std::string value, key;
        add_attribute(value, NFTA_DATA_VALUE, key_of(place));
        add_attribute(key, NLA_F_NESTED | NFTA_SET_ELEM_KEY, value);
        add_attribute(list, NLA_F_NESTED | NFTA_LIST_ELEM, key);
      }
      add_attribute(bytes_, NLA_F_NESTED | NFTA_SET_ELEM_LIST_ELEMENTS, list);
    }
    end();
    ++messages_;
  }

  // One message for each set that is named.
  void elements(int type, const std::vector<SocketAddress>& places) {
    for (const char* set : {kKnown4, kKnown6, kDeclared4, kDeclared6}) {
      std::vector<SocketAddress> of_set;
      std::copy_if(places.begin(), places.end(), std::back_inserter(of_set),
                   [set](const SocketAddress& place) { return set_of(place) == set; });
      if (!of_set.empty()) elements(type, set, of_set);
    }
  }

  std::string finish() && {
    control(NFNL_MSG_BATCH_END);
    return std::move(bytes_);
  }
  int messages() const { return messages_; }

 private:
  void control(uint16_t type) {
    begin(type, AF_UNSPEC, NFNL_SUBSYS_NFTABLES, 0);
    end();
  }
  void begin(uint16_t type, uint8_t family, uint16_t resource, uint16_t flags) {
    start_ = bytes_.size();
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    header.nlmsg_seq = ++sequence_;
    nfgenmsg generic{};
    generic.nfgen_family = family;
    generic.version = NFNETLINK_V0;
    generic.res_id = htons(resource);
    bytes_.append(bytes_of(header)).append(bytes_of(generic));
  }
  void end() {
    const auto size = static_cast<uint32_t>(bytes_.size() - start_);
    std::memcpy(bytes_.data() + start_, &size, sizeof size);
  }

  std::string bytes_;
  size_t start_ = 0;
  uint32_t sequence_ = 0;
  int messages_ = 0;
};

// Takes the acknowledgements that are there; the first error wins.
Result<int> take_answers(int socket) {
  int answers = 0;
  alignas(nlmsghdr) char buffer[8192];
  while (true) {
    const ssize_t size = ::recv(socket, buffer, sizeof buffer, MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return answers;
    auto left = static_cast<uint32_t>(size);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type != NLMSG_ERROR) continue;
      nlmsgerr answer;
      std::memcpy(&answer, NLMSG_DATA(header), sizeof answer);
      if (answer.error != 0)
        return std::unexpected(Error::from_errno(-answer.error, "changing the declared ports"));
      ++answers;
    }
  }
}

Result<SocketAddress> parse_place(std::string_view text) {
  const size_t space = text.find(' ');
  auto ip = IpAddress::parse(text.substr(0, space));
  if (!ip) return std::unexpected(std::move(ip.error()));
  if (space == std::string_view::npos) return SocketAddress{*ip, 0};
  text.remove_prefix(space + 1);
  uint16_t port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0)
    return fail(ErrorKind::kInvalid, fmt::format("'{}' is no port", text));
  return SocketAddress{*ip, port};
}

}  // namespace

Result<PortChange> PortChange::from_text(std::string_view text) {
  if (text.size() > kMaxChangeBytes)
    return fail(ErrorKind::kLimit, "a change of declared ports is too long");
  PortChange change;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line == "clear") {
      change.clear = true;
      continue;
    }
    if (line.empty() || (line[0] != '+' && line[0] != '-'))
      return fail(ErrorKind::kInvalid, fmt::format("declared ports: '{}' is not known", line));
    auto place = parse_place(line.substr(1));
    if (!place) return std::unexpected(std::move(place.error()).context("declared ports"));
    (line[0] == '+' ? change.added : change.removed).push_back(*place);
  }
  return change;
}

Result<PortSets> PortSets::open() {
  Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!socket) return std::unexpected(Error::from_errno(errno, "opening nf_tables"));
  const int on = 1;
  ::setsockopt(socket.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  return PortSets(std::move(socket));
}

Result<void> PortSets::apply(const PortChange& change) {
  Batch batch;
  if (change.clear)
    for (const char* set : {kKnown4, kKnown6, kDeclared4, kDeclared6})
      batch.elements(NFT_MSG_DELSETELEM, set, {});
  batch.elements(NFT_MSG_DELSETELEM, change.removed);
  batch.elements(NFT_MSG_NEWSETELEM, change.added);
  const int messages = batch.messages();
  if (messages == 0) return {};
  const std::string bytes = std::move(batch).finish();
  if (::send(socket_.get(), bytes.data(), bytes.size(), 0) < 0)
    return std::unexpected(Error::from_errno(errno, "changing the declared ports"));
  auto answers = take_answers(socket_.get());
  if (!answers) return std::unexpected(std::move(answers.error()));
  if (*answers != messages)
    return fail(ErrorKind::kProtocol, "changing the declared ports: nf_tables did not answer");
  return {};
}

}  // namespace weft::capture
