// What the sidecar got from its keeper, decoded: the bootstrap message, the sockets and the credential.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "proxy/sidecar.h"
#include "trust/svid.h"

namespace weft::app {

struct PublishedDoor {
  SocketAddress at;
  uint16_t app_port = 0;
  bool proxy_protocol = false;
  Fd listener;  // none: to be made
};
struct ExplicitDoor {
  model::ServiceName service;
  uint16_t port = 0;
  uint16_t local_port = 0;
  Fd listener;  // none: to be made
};

// Where the listeners of a Gateway are on the host.
struct GatewayDoors {
  IpAddress address;                   // unspecified: those the Gateway asks for, else every one
  std::map<uint16_t, uint16_t> ports;  // those not named stay
  std::vector<SocketAddress> at(uint16_t port, const std::vector<IpAddress>& asked) const {
    const auto it = ports.find(port);
    const uint16_t local = it == ports.end() ? port : it->second;
    if (!address.is_unspecified() || asked.empty()) return {{address, local}};
    std::vector<SocketAddress> out;
    for (const IpAddress& ip : asked) out.emplace_back(ip, local);
    return out;
  }
};

struct Handover {
  proxy::Sidecar::Options options;
  std::set<uint16_t> host_ports;
  std::vector<proxy::PortProbe> probes;
  std::vector<SocketAddress> nameservers;
  std::vector<PublishedDoor> published;
  std::vector<ExplicitDoor> upstreams;
  std::optional<GatewayDoors> gateway;
  bool restarted = false;
  size_t workers = 0;  // 0: default_workers()

  Fd svid_memory, inbound;
  std::vector<Fd> outbound, dns_udp, dns_tcp;  // none in explicit mode
  Fd sock_diag;                                // none in explicit mode
};

// `text` and `fds` of the kBootstrap or kStandBy message; takes the descriptors. kUnsupported: the keeper
// is too old for this sidecar.
Result<Handover> read_handover(const std::string& text, std::vector<int> fds);

// The memory that outlives a killed sidecar: an 8-byte header (low half: length, high half: offset, 0
// meaning 8) and a serialized weft.v1.SvidMemory. A renewal goes to the other place and becomes valid
// by the header's one write, so a kill at any moment leaves the old or the new.
struct Credential {
  std::shared_ptr<const trust::Svid> svid;
  trust::TrustBundle bundle;
};
Result<Credential> read_credential(int memory);
Result<void> write_credential(int memory, const trust::Svid& svid,
                              const trust::TrustBundle& bundle);

}  // namespace weft::app
