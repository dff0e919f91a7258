// The keeper is our own other half, but what it says is still checked: a field that cannot be read names
// itself in the error, which the keeper shows to the user.
#include "app/proxy/handover.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "capture/handoff.h"
#include "control.pb.h"

namespace weft::app {
namespace {

constexpr uint64_t kFirstPlace = 8;
constexpr uint64_t kOtherPlace = 64 * 1024;

Result<uint16_t> port_of(uint32_t number, const char* what) {
  if (number == 0 || number > 65535) {
    return fail(ErrorKind::kInvalid,
                std::string(what) + ": no such port: " + std::to_string(number));
  }
  return static_cast<uint16_t>(number);
}

Result<IpAddress> address_of(const std::string& bytes) {
  if (bytes.empty()) return IpAddress();
  return IpAddress::from_bytes(bytes);
}

Result<void> read_self(const v1::Bootstrap& message, proxy::Self& self) {
  self.instance = message.instance();
  auto identity = model::SpiffeId::parse(message.identity());
  if (!identity) return std::unexpected(std::move(identity.error()));
  self.identity = *identity;
  self.ns = message.namespace_();
  self.labels = {message.labels().begin(), message.labels().end()};
  auto mesh4 = address_of(message.mesh4());
  auto mesh6 = address_of(message.mesh6());
  if (!mesh4) return std::unexpected(std::move(mesh4.error()));
  if (!mesh6) return std::unexpected(std::move(mesh6.error()));
  self.mesh4 = *mesh4;
  self.mesh6 = *mesh6;
  self.mesh4_range = message.mesh4_range();
  self.mesh6_range = message.mesh6_range();
  self.explicit_mode = message.explicit_mode();
  return {};
}

uint16_t app_port_of(const v1::ServiceClaim& claim) {
  return static_cast<uint16_t>(claim.app_port() ? claim.app_port() : claim.port());
}

void read_ports(const v1::Bootstrap& message, Handover& handover) {
  std::set<uint16_t> seen;
  for (const v1::ServiceClaim& claim : message.services()) {
    uint16_t app_port = app_port_of(claim);
    if (app_port == 0) continue;
    if (auto protocol = model::parse_protocol(claim.protocol())) {
      handover.options.self.app_ports[app_port] = *protocol;
    }
    if (!seen.insert(app_port).second) continue;
    proxy::PortProbe probe{.app_port = app_port};
    for (const v1::Probe& declared : message.probes()) {
      if (declared.app_port() != app_port) continue;
      if (declared.kind() == "http") probe.kind = proxy::PortProbe::kHttp;
      if (declared.kind() == "grpc") probe.kind = proxy::PortProbe::kGrpc;
      if (!declared.path().empty()) probe.path = declared.path();
    }
    handover.probes.push_back(std::move(probe));
  }
  for (const v1::HostPort& port : message.host_ports()) {
    handover.host_ports.insert(static_cast<uint16_t>(port.port()));
  }
}

// What a server that has lost our lease needs to make it again.
std::string registration_of(const v1::Bootstrap& message) {
  v1::RegisterRequest request;
  request.set_namespace_(message.namespace_());
  *request.mutable_services() = message.services();
  *request.mutable_labels() = message.labels();
  request.set_instance(message.instance());
  if (auto advertise = SocketAddress::parse(message.advertise())) {
    request.set_advertise_ip(advertise->ip.to_bytes());
    request.set_advertise_port(advertise->port);
  }
  if (auto identity = model::SpiffeId::parse(message.identity())) {
    request.set_identity_name(std::string(identity->workload_name()));
  }
  return request.SerializeAsString();
}

Result<void> read_doors(const v1::Bootstrap& message, Handover& handover) {
  for (const v1::Publish& publish : message.publishes()) {
    auto ip = IpAddress::parse(publish.address().empty() ? "127.0.0.1" : publish.address());
    if (!ip) return std::unexpected(std::move(ip.error()));
    auto port = port_of(publish.port(), "--publish");
    auto app_port = port_of(publish.app_port() ? publish.app_port() : publish.port(), "--publish");
    if (!port) return std::unexpected(std::move(port.error()));
    if (!app_port) return std::unexpected(std::move(app_port.error()));
    handover.published.push_back({{*ip, *port}, *app_port, publish.proxy_protocol(), {}});
  }
  for (const v1::ExplicitUpstream& upstream : message.upstreams()) {
    auto service = model::ServiceName::parse(upstream.service(), message.namespace_());
    auto port = port_of(upstream.port(), "--upstream");
    auto local = port_of(upstream.local_port(), "--upstream");
    if (!service) return std::unexpected(std::move(service.error()));
    if (!port) return std::unexpected(std::move(port.error()));
    if (!local) return std::unexpected(std::move(local.error()));
    handover.upstreams.push_back({*service, *port, *local, {}});
  }
  return {};
}

Result<void> read_gateway(const v1::Bootstrap& message, Handover& handover) {
  if (!message.has_gateway()) return {};
  auto ip = IpAddress::parse(message.gateway().address());
  if (!ip) return std::unexpected(std::move(ip.error()));
  GatewayDoors doors{*ip, {}};
  for (const auto& [listener, local] : message.gateway().ports()) {
    auto from = port_of(listener, "--port");
    auto to = port_of(local, "--port");
    if (!from) return std::unexpected(std::move(from.error()));
    if (!to) return std::unexpected(std::move(to.error()));
    doors.ports[*from] = *to;
  }
  handover.gateway = std::move(doors);
  handover.options.gateway = {message.namespace_(), message.gateway().name()};
  return {};
}

void read_addresses(const v1::Bootstrap& message, Handover& handover) {
  for (const std::string& server : message.discovery()) {
    if (auto address = SocketAddress::parse(server)) handover.options.servers.push_back(*address);
  }
  for (const std::string& server : message.nameservers()) {
    if (auto ip = IpAddress::parse(server)) {
      handover.nameservers.push_back({*ip, 53});
    } else if (auto address = SocketAddress::parse(server)) {
      handover.nameservers.push_back(*address);
    }
  }
}

Result<void> check_level(const v1::Bootstrap& message) {
  // Keepers of level 1 did not say so.
  const uint32_t level = std::max(message.handoff_level(), 1u);
  if (level >= capture::kLeastHandoffLevel) return {};
  return fail(ErrorKind::kUnsupported,
              "the `weft run` of this instance is too old for weft-proxy " WEFT_VERSION
              " (hand-over level " +
                  std::to_string(level) +
                  ", needed: " + std::to_string(capture::kLeastHandoffLevel) +
                  "); start the program anew with the new weft");
}

// The listeners of doors, behind the fixed descriptors.
void take_doors(const v1::Bootstrap& message, std::vector<Fd>& owned, size_t next,
                Handover& handover) {
  const auto take = [&](bool handed_over, Fd& listener) {
    if (handed_over && next < owned.size()) listener = std::move(owned[next++]);
  };
  for (int i = 0; i < message.publishes_size(); ++i)
    take(message.publishes(i).handed_over(), handover.published[static_cast<size_t>(i)].listener);
  for (int i = 0; i < message.upstreams_size(); ++i)
    take(message.upstreams(i).handed_over(), handover.upstreams[static_cast<size_t>(i)].listener);
}

std::vector<Fd> two(std::vector<Fd>& fds, capture::BootstrapFd first) {
  std::vector<Fd> pair;
  size_t at = static_cast<size_t>(first);
  for (size_t i = at; i < at + 2 && i < fds.size(); ++i) pair.push_back(std::move(fds[i]));
  return pair;
}

}  // namespace

Result<Handover> read_handover(const std::string& text, std::vector<int> fds) {
  std::vector<Fd> owned;
  for (int fd : fds) owned.emplace_back(fd);
  v1::Bootstrap message;
  if (!message.ParseFromString(text))
    return fail(ErrorKind::kInvalid, "the bootstrap message is damaged");
  if (owned.size() < 2) return fail(ErrorKind::kInvalid, "the bootstrap message lacks its sockets");

  if (auto level = check_level(message); !level) return std::unexpected(std::move(level.error()));
  Handover handover;
  auto self = read_self(message, handover.options.self);
  if (!self) return std::unexpected(std::move(self.error()).context("bootstrap"));
  auto doors = read_doors(message, handover);
  if (!doors) return std::unexpected(std::move(doors.error()).context("bootstrap"));
  auto gateway = read_gateway(message, handover);
  if (!gateway) return std::unexpected(std::move(gateway.error()).context("bootstrap"));
  read_ports(message, handover);
  read_addresses(message, handover);
  handover.options.trust_domain = message.trust_domain();
  handover.options.registration = registration_of(message);
  handover.options.state_dir = message.state_dir();
  handover.options.search = {message.search().begin(), message.search().end()};
  handover.options.version = WEFT_VERSION;
  handover.restarted = message.restarted();
  if (message.workers() > proxy::WorkerGroup::kMostWorkers) {
    return fail(ErrorKind::kInvalid, "bootstrap: at most " +
                                         std::to_string(proxy::WorkerGroup::kMostWorkers) +
                                         " workers, not " + std::to_string(message.workers()));
  }
  handover.workers = message.workers();

  handover.svid_memory = std::move(owned[static_cast<size_t>(capture::BootstrapFd::kSvidMemory)]);
  handover.inbound = std::move(owned[static_cast<size_t>(capture::BootstrapFd::kInboundListen)]);
  const size_t fixed =
      static_cast<size_t>(handover.options.self.explicit_mode ? capture::BootstrapFd::kOutbound4
                                                              : capture::BootstrapFd::kSockDiag) +
      (handover.options.self.explicit_mode ? 0 : 1);
  take_doors(message, owned, fixed, handover);
  if (handover.options.self.explicit_mode) return handover;
  handover.outbound = two(owned, capture::BootstrapFd::kOutbound4);
  handover.dns_udp = two(owned, capture::BootstrapFd::kDnsUdp4);
  handover.dns_tcp = two(owned, capture::BootstrapFd::kDnsTcp4);
  const size_t diag = static_cast<size_t>(capture::BootstrapFd::kSockDiag);
  if (diag < owned.size()) handover.sock_diag = std::move(owned[diag]);
  return handover;
}

Result<Credential> read_credential(int memory) {
  auto broken = [](const char* why) {
    return fail(ErrorKind::kInvalid, std::string("the credential's memory: ") + why);
  };
  uint64_t header = 0;
  if (::pread(memory, &header, sizeof header, 0) != sizeof header) return broken("no header");
  uint64_t size = header & 0xffffffff;
  uint64_t offset = header >> 32 ? header >> 32 : kFirstPlace;
  if (size > kOtherPlace) return broken("too long");
  std::string bytes(size, '\0');
  if (::pread(memory, bytes.data(), size, static_cast<off_t>(offset)) !=
      static_cast<ssize_t>(size)) {
    return broken("cut");
  }
  v1::SvidMemory message;
  if (!message.ParseFromString(bytes)) return broken("damaged");
  auto key = trust::PrivateKey::from_pem(message.key_pem());
  if (!key) return std::unexpected(std::move(key.error()));
  auto svid = trust::Svid::make({message.chain().begin(), message.chain().end()}, std::move(*key));
  if (!svid) return std::unexpected(std::move(svid.error()));
  return Credential{std::move(*svid),
                    {message.trust_domain(), {message.roots().begin(), message.roots().end()}}};
}

Result<void> write_credential(int memory, const trust::Svid& svid,
                              const trust::TrustBundle& bundle) {
  v1::SvidMemory message;
  message.set_key_pem(svid.key().to_pem());
  for (const std::string& certificate : svid.chain_der()) message.add_chain(certificate);
  for (const std::string& root : bundle.roots_der) message.add_roots(root);
  message.set_trust_domain(bundle.trust_domain);
  std::string bytes = message.SerializeAsString();
  if (bytes.size() > kOtherPlace - kFirstPlace)
    return fail(ErrorKind::kLimit, "the credential is too long");

  uint64_t header = 0;
  if (::pread(memory, &header, sizeof header, 0) != sizeof header) header = 0;
  uint64_t offset = header >> 32 == kOtherPlace ? kFirstPlace : kOtherPlace;
  if (::pwrite(memory, bytes.data(), bytes.size(), static_cast<off_t>(offset)) !=
      static_cast<ssize_t>(bytes.size())) {
    return std::unexpected(Error::from_errno(errno, "writing the credential's memory"));
  }
  header = bytes.size() | offset << 32;
  if (::pwrite(memory, &header, sizeof header, 0) != sizeof header) {
    return std::unexpected(Error::from_errno(errno, "writing the credential's memory"));
  }
  return {};
}

}  // namespace weft::app
