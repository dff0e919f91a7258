// Plain copying from the command line and the server's answer into the messages of proto/control.proto.
#include "app/weft/run_bootstrap.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "capture/files.h"
#include "capture/handoff.h"
#include "capture/resolver_files.h"
#include "control.pb.h"

namespace weft::app {
namespace {

void add_options(const RunOptions& options, const RunDoors& doors, v1::Bootstrap& bootstrap) {
  bootstrap.set_namespace_(options.ns);
  for (const RunService& service : options.services) {
    auto* claim = bootstrap.add_services();
    claim->set_name(service.name);
    claim->set_port(service.port);
    claim->set_app_port(service.app_port);
    if (service.protocol != model::Protocol::kAuto)
      claim->set_protocol(std::string(model::to_string(service.protocol)));
  }
  for (const auto& [key, value] : options.labels) (*bootstrap.mutable_labels())[key] = value;
  for (uint16_t port : options.host_ports) bootstrap.add_host_ports()->set_port(port);
  size_t at = 0;
  for (const RunPublish& publish : options.publishes) {
    auto* door = bootstrap.add_publishes();
    door->set_address(publish.address.to_string());
    door->set_port(publish.port);
    door->set_app_port(publish.app_port);
    door->set_proxy_protocol(publish.proxy_protocol);
    door->set_handed_over(static_cast<bool>(doors.publishes[at++]));
  }
  bootstrap.set_explicit_mode(options.explicit_mode);
  bootstrap.set_workers(options.workers);
  if (options.gateway) {
    auto* gateway = bootstrap.mutable_gateway();
    gateway->set_name(options.gateway->name);
    gateway->set_address(options.gateway->address.to_string());
    for (const auto& [port, local] : options.gateway->ports)
      (*gateway->mutable_ports())[port] = local;
  }
  at = 0;
  for (const RunUpstream& upstream : options.upstreams) {
    auto* way = bootstrap.add_upstreams();
    way->set_service(upstream.service);
    way->set_port(upstream.port);
    way->set_local_port(upstream.local_port);
    way->set_handed_over(static_cast<bool>(doors.upstreams[at++]));
  }
  for (const RunProbe& probe : options.probes) {
    auto* message = bootstrap.add_probes();
    message->set_app_port(probe.app_port);
    message->set_kind(probe.kind);
    message->set_path(probe.path);
  }
}

void add_resolvers(v1::Bootstrap& bootstrap) {
  auto text = capture::read_small_file("/etc/resolv.conf");
  const capture::ResolvConf conf = capture::parse_resolv_conf(text ? *text : "");
  for (const std::string& server : conf.nameservers) bootstrap.add_nameservers(server);
  for (const std::string& domain : conf.search) bootstrap.add_search(domain);
}

}  // namespace

std::string make_bootstrap(const RunOptions& options, const xds::Registered& registered,
                           const RunDoors& doors, const std::string& instance_dir, bool restarted) {
  v1::Bootstrap bootstrap;
  bootstrap.set_handoff_level(capture::kHandoffLevel);
  add_options(options, doors, bootstrap);
  add_resolvers(bootstrap);
  bootstrap.set_instance(registered.instance);
  bootstrap.set_identity(registered.svid->id().uri());
  bootstrap.set_mesh4(registered.mesh4.to_bytes());
  bootstrap.set_mesh6(registered.mesh6.to_bytes());
  bootstrap.set_mesh4_range(registered.mesh4_range);
  bootstrap.set_mesh6_range(registered.mesh6_range);
  for (const SocketAddress& address : registered.discovery)
    bootstrap.add_discovery(address.to_string());
  bootstrap.set_trust_domain(registered.bundle.trust_domain);
  bootstrap.set_state_dir(instance_dir);
  bootstrap.set_advertise(registered.advertise.to_string());
  bootstrap.set_restarted(restarted);
  return bootstrap.SerializeAsString();
}

Result<Fd> make_svid_memory(const xds::Registered& registered) {
  v1::SvidMemory memory;
  memory.set_key_pem(registered.svid->key().to_pem());
  for (const std::string& certificate : registered.svid->chain_der()) memory.add_chain(certificate);
  for (const std::string& root : registered.bundle.roots_der) memory.add_roots(root);
  memory.set_trust_domain(registered.bundle.trust_domain);
  const std::string body = memory.SerializeAsString();
  std::string bytes;
  for (size_t i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(body.size() >> (8 * i)));
  bytes += body;

  Fd fd(::memfd_create("weft-svid", MFD_CLOEXEC));
  if (!fd) return std::unexpected(Error::from_errno(errno, "making the credential's memory"));
  const ssize_t written = ::pwrite(fd.get(), bytes.data(), bytes.size(), 0);
  if (written != static_cast<ssize_t>(bytes.size()))
    return std::unexpected(
        Error::from_errno(written < 0 ? errno : ENOSPC, "writing the credential's memory"));
  return fd;
}

}  // namespace weft::app
