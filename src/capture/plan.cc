// The ruleset in words. Only DNS is translated, so only DNS is tracked; every other connection keeps the
// addresses it was made with, and the kernel hands its first packet to the sidecar's listener (tproxy):
// every address is local inside, so no route or mark is needed for that. Order is meaning:
//   untracked   what is not DNS pays for no connection tracking and fills no table.
//   names       DNS goes to the sidecar wherever it was sent, loopback too (127.0.0.53 is common).
//   connects    the first packet of a connection: the sidecar's own sockets pass; ports of the host's
//               loopback go to the sidecar; what is for the instance itself stays; all else goes to the
//               sidecar.
//   arriving    data passes at once. A reset with sequence number 0 answers a connect (RFC 9293, 3.10.7.1;
//               an aborted connection has another number): a mistake of the app to explain, unless it
//               answers the sidecar's own probe (it bears that one's mark, fwmark_reflect) or comes from
//               a virtual address, where it is our own refusal: of a port that no service declares.
//               Datagrams sent elsewhere have come back here, all addresses being local; they are refused
//               here and not where they leave because there a drop is EPERM to the sender, while an ICMP
//               error is ECONNREFUSED: what clients that prefer QUIC fall back on at once.
#include "capture/plan.h"

#include <fmt/format.h>

#include <charconv>
#include <tuple>

#include "capture/handoff.h"

namespace weft::capture {
namespace {

std::string join_ports(const std::vector<uint16_t>& ports) {
  return fmt::format("{}", fmt::join(ports, ", "));
}

// Empty until the sidecar tells what is declared.
std::string sets() {
  return fmt::format(
      "  set {} {{ type ipv4_addr; }}\n"
      "  set {} {{ type ipv6_addr; }}\n"
      "  set {} {{ type ipv4_addr . inet_service; }}\n"
      "  set {} {{ type ipv6_addr . inet_service; }}\n",
      kKnown4, kKnown6, kDeclared4, kDeclared6);
}

std::string log_to(uint16_t group, bool with_log) {
  return with_log ? fmt::format("log group {} snaplen 64 queue-threshold 32 ", group) : "";
}

std::string dns_chains() {
  return fmt::format(
      "  chain untracked {{\n"
      "    type filter hook output priority -300; policy accept;\n"
      "    tcp dport != {{ 53, {0} }} tcp sport != {{ 53, {0} }} notrack\n"
      "  }}\n"
      "  chain names {{\n"
      "    type nat hook output priority -100; policy accept;\n"
      "    meta mark {1:#x} return\n"
      "    udp dport 53 redirect to :{0}\n"
      "    tcp dport 53 redirect to :{0}\n"
      "  }}\n",
      kDnsPort, kSidecarMark);
}

std::string connects_chain(const NetworkPlan& plan) {
  const std::string to4 = fmt::format("tproxy ip to 127.0.0.1:{} accept\n", kOutboundPort);
  const std::string to6 = fmt::format("tproxy ip6 to [::1]:{} accept\n", kOutboundPort);
  std::string rules = fmt::format(
      "  chain connects {{\n"
      "    type filter hook prerouting priority -150; policy accept;\n"
      "    tcp flags & (syn | ack) != syn return\n"
      "    meta mark {:#x} return\n",
      kSidecarMark);
  if (!plan.host_ports.empty()) {
    const std::string ports = join_ports(plan.host_ports);
    rules += fmt::format("    ip daddr 127.0.0.0/8 tcp dport {{ {} }} ", ports) + to4;
    rules += fmt::format("    ip6 daddr ::1 tcp dport {{ {} }} ", ports) + to6;
  }
  rules += fmt::format(
      "    ip daddr {{ 127.0.0.0/8, {} }} return\n"
      "    ip6 daddr {{ ::1, {} }} return\n",
      plan.mesh4.to_string(), plan.mesh6.to_string());
  return rules + "    meta nfproto ipv4 meta l4proto tcp " + to4 +
         "    meta nfproto ipv6 meta l4proto tcp " + to6 + "  }\n";
}

std::string arriving_chain(const NetworkPlan& plan, bool with_log) {
  std::string rules =
      "  chain arriving {\n"
      "    type filter hook input priority 0; policy accept;\n"
      "    tcp flags & (fin | syn | rst | ack) == ack accept\n";
  rules += fmt::format("    meta mark {:#x} accept\n", kSidecarMark);
  for (const auto& [ip, known, declared] :
       {std::tuple("ip", kKnown4, kDeclared4), std::tuple("ip6", kKnown6, kDeclared6)}) {
    rules += fmt::format("    {} saddr @{} accept\n", ip, known);
    rules += fmt::format(
        "    tcp flags & (syn | ack) == syn {0} daddr @{1} {0} daddr . tcp dport != @{2} "
        "{3}reject with tcp reset\n",
        ip, known, declared, log_to(kUndeclaredGroup, with_log));
  }
  if (with_log)
    rules += fmt::format(
        "    tcp flags == (rst | ack) tcp sequence 0 limit rate 20/second burst 50 packets "
        "log group {} snaplen 64\n",
        kResetGroup);
  return rules + fmt::format(
                     "    meta l4proto tcp accept\n"
                     "    ip daddr {{ 127.0.0.0/8, {} }} accept\n"
                     "    ip6 daddr {{ ::1, {} }} accept\n"
                     "    {}reject\n"
                     "  }}\n",
                     plan.mesh4.to_string(), plan.mesh6.to_string(),
                     log_to(kDatagramGroup, with_log));
}

Result<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0)
    return fail(ErrorKind::kInvalid, fmt::format("'{}' is no port", text));
  return port;
}

}  // namespace

std::string make_ruleset(const NetworkPlan& plan, bool with_log) {
  return fmt::format("table inet {} {{\n", kTable) + sets() + dns_chains() + connects_chain(plan) +
         arriving_chain(plan, with_log) + "}\n";
}

std::string NetworkPlan::to_text() const {
  std::string text = fmt::format("mesh4 {}\nmesh6 {}\n", mesh4.to_string(), mesh6.to_string());
  for (uint16_t port : host_ports) text += fmt::format("host-port {}\n", port);
  return text;
}

Result<NetworkPlan> NetworkPlan::from_text(std::string_view text) {
  NetworkPlan plan;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const size_t space = line.find(' ');
    if (space == std::string_view::npos)
      return fail(ErrorKind::kInvalid, fmt::format("network plan: '{}' has no value", line));
    const std::string_view key = line.substr(0, space), value = line.substr(space + 1);
    if (key == "host-port") {
      auto port = parse_port(value);
      if (!port) return std::unexpected(std::move(port.error()));
      plan.host_ports.push_back(*port);
      continue;
    }
    auto address = IpAddress::parse(value);
    if (!address) return std::unexpected(std::move(address.error()));
    if (key == "mesh4" && address->is_v4())
      plan.mesh4 = *address;
    else if (key == "mesh6" && !address->is_v4())
      plan.mesh6 = *address;
    else
      return fail(ErrorKind::kInvalid, fmt::format("network plan: '{}' is not known", line));
  }
  if (plan.mesh4.is_unspecified() || plan.mesh6.is_v4())
    return fail(ErrorKind::kInvalid, "network plan: a mesh address is missing");
  return plan;
}

}  // namespace weft::capture
