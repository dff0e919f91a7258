// The ruleset in words. Order is meaning:
//   nat output      DNS goes to the sidecar wherever it was sent, loopback too (127.0.0.53 is common);
//                   the sidecar's own sockets pass; ports of the host's loopback go to the sidecar; what
//                   is for the instance itself stays; a port that is known not to be declared goes to
//                   a port that is bound but does not listen, so that the kernel itself refuses; every
//                   other TCP connection goes to the sidecar.
//   filter output   a SYN of the sidecar marks its connection, so that the answer to its probe of a port
//                   that does not listen yet is not taken for a mistake of the app. A reset with sequence
//                   number 0 answers a SYN (RFC 9293, 3.10.7.1): an aborted connection has another number.
//                   Those of undeclared ports were logged by the nat chain, with the address dialled.
//   filter input    all addresses are local inside, so what the app sent elsewhere comes back here. It is
//                   refused here and not on output because there a drop is EPERM to the sender, while an
//                   ICMP error is ECONNREFUSED: what clients that prefer QUIC fall back on at once.
// The nat chains see only the first packet of a connection; established traffic pays for connection
// tracking and two short chains.
#include "capture/plan.h"

#include <fmt/format.h>

#include <charconv>

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

std::string undeclared_rules(bool with_log) {
  const std::string verdict =
      (with_log ? fmt::format("log group {} snaplen 64 queue-threshold 32 ", kUndeclaredGroup)
                : std::string()) +
      fmt::format("redirect to :{}", kRefusingPort);
  return fmt::format(
      "    ip daddr @{} ip daddr . tcp dport != @{} {}\n"
      "    ip6 daddr @{} ip6 daddr . tcp dport != @{} {}\n",
      kKnown4, kDeclared4, verdict, kKnown6, kDeclared6, verdict);
}

std::string nat_chain(const NetworkPlan& plan, bool with_log) {
  std::string host_ports;
  if (!plan.host_ports.empty()) {
    host_ports = fmt::format(
        "    ip daddr 127.0.0.0/8 tcp dport {{ {0} }} redirect to :{1}\n"
        "    ip6 daddr ::1 tcp dport {{ {0} }} redirect to :{1}\n",
        join_ports(plan.host_ports), kOutboundPort);
  }
  return fmt::format(
      "  chain nat_output {{\n"
      "    type nat hook output priority -100; policy accept;\n"
      "    meta mark {mark:#x} return\n"
      "    udp dport 53 redirect to :{dns}\n"
      "    tcp dport 53 redirect to :{dns}\n"
      "{host_ports}"
      "    ip daddr {{ 127.0.0.0/8, {mesh4} }} return\n"
      "    ip6 daddr {{ ::1, {mesh6} }} return\n"
      "{undeclared}"
      "    meta l4proto tcp redirect to :{outbound}\n"
      "  }}\n",
      fmt::arg("mark", kSidecarMark), fmt::arg("dns", kDnsPort), fmt::arg("host_ports", host_ports),
      fmt::arg("mesh4", plan.mesh4.to_string()), fmt::arg("mesh6", plan.mesh6.to_string()),
      fmt::arg("undeclared", undeclared_rules(with_log)), fmt::arg("outbound", kOutboundPort));
}

std::string output_chain() {
  return fmt::format(
      "  chain output {{\n"
      "    type filter hook output priority 0; policy accept;\n"
      "    meta mark {0:#x} ct mark set meta mark\n"
      "    ct mark {0:#x} return\n"
      "    tcp sport {2} return\n"
      "    tcp flags == (rst | ack) tcp sequence 0 limit rate 20/second burst 50 packets "
      "log group {1} snaplen 64\n"
      "  }}\n",
      kSidecarMark, kResetGroup, kRefusingPort);
}

std::string input_chain(const NetworkPlan& plan, bool with_log) {
  return fmt::format(
      "  chain input {{\n"
      "    type filter hook input priority 0; policy accept;\n"
      "    ip daddr {{ 127.0.0.0/8, {} }} accept\n"
      "    ip6 daddr {{ ::1, {} }} accept\n"
      "    meta l4proto tcp accept\n"
      "    {}reject\n"
      "  }}\n",
      plan.mesh4.to_string(), plan.mesh6.to_string(),
      with_log ? fmt::format("log group {} snaplen 64 queue-threshold 32 ", kDatagramGroup) : "");
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
  std::string rules =
      fmt::format("table inet {} {{\n", kTable) + sets() + nat_chain(plan, with_log);
  if (with_log) rules += output_chain();
  return rules + input_chain(plan, with_log) + "}\n";
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
