// What the network inside shall look like: made by the keeper once it knows the instance's addresses,
// carried to the process inside as text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"

namespace weft::capture {

// Marks the sidecar's own sockets, so that the ruleset lets them pass ("weft" in ASCII).
constexpr uint32_t kSidecarMark = 0x77656674;
// NFLOG groups inside the namespace.
constexpr uint16_t kDatagramGroup = 1;    // refused datagrams: every one is counted
constexpr uint16_t kResetGroup = 2;       // refused connects to an address of the instance's own
constexpr uint16_t kUndeclaredGroup = 3;  // refused connects to a port no service declares: counted
// The table and its sets (port_sets.h).
constexpr const char* kTable = "weft";
constexpr const char* kKnown4 = "known4";
constexpr const char* kKnown6 = "known6";
constexpr const char* kDeclared4 = "declared4";
constexpr const char* kDeclared6 = "declared6";

struct NetworkPlan {
  IpAddress mesh4;
  IpAddress mesh6;
  std::vector<uint16_t> host_ports;  // loopback ports that lead to the host's loopback

  // One "key value" line each.
  std::string to_text() const;
  static Result<NetworkPlan> from_text(std::string_view text);
};

// The nftables table of an instance. `with_log` false leaves out what needs nfnetlink_log: refusals are
// then neither counted nor named.
std::string make_ruleset(const NetworkPlan& plan, bool with_log);

}  // namespace weft::capture
