// The order matters: a virtual address of the index, then an instance's address, then the mesh's ranges
// (nothing else may leave under a mesh address), and whatever is left is none of our business.
#include "proxy/destination.h"

#include "base/text.h"

namespace weft::proxy {
namespace {

Destination refused(SocketAddress original, std::string why) {
  Destination destination;
  destination.kind = Destination::kRefused;
  destination.original = original;
  destination.why = std::move(why);
  return destination;
}

}  // namespace

std::string Destination::name() const {
  return kind == kService || kind == kGateway ? service.to_string() : original.ip.to_string();
}

Result<AddressRange> AddressRange::parse(std::string_view cidr) {
  auto parts = split_once(cidr, '/');
  if (!parts) return fail(ErrorKind::kInvalid, "range \"" + std::string(cidr) + "\" has no length");
  auto base = IpAddress::parse(parts->first);
  if (!base) return std::unexpected(std::move(base.error()));
  std::optional<uint64_t> bits = parse_u64(parts->second);
  if (!bits || *bits > (base->is_v4() ? 32u : 128u)) {
    return fail(ErrorKind::kInvalid, "range \"" + std::string(cidr) + "\" has a wrong length");
  }
  return AddressRange{*base, static_cast<int>(*bits)};
}

bool AddressRange::contains(const IpAddress& address) const {
  if (address.is_v4() != base.is_v4()) return false;
  for (int bit = 0; bit < bits; ++bit) {
    size_t at = static_cast<size_t>(bit / 8);
    int mask = 0x80 >> (bit % 8);
    if ((address.raw()[at] & mask) != (base.raw()[at] & mask)) return false;
  }
  return true;
}

bool MeshRanges::contains(const IpAddress& address) const {
  return (v4 && v4->contains(address)) || (v6 && v6->contains(address));
}

Destination find_service(const Snapshot& snapshot, const model::ServiceName& name, uint16_t port) {
  Destination destination;
  destination.service = name;
  destination.port = port;
  destination.want.service = name;
  const LiveService* service = snapshot.service(name);
  if (!service) {
    if (snapshot.absent.contains("Service/" + name.to_string())) {
      destination.kind = Destination::kRefused;
      destination.why = "there is no service " + name.to_string();
    }
    return destination;
  }
  const CompiledPort* compiled_port = service->compiled->port(port);
  if (!compiled_port) {
    destination.kind = Destination::kRefused;
    destination.why = "service " + name.to_string() + " declares no port " + std::to_string(port);
    return destination;
  }
  // Without a route of its own the service is its own backend.
  if (!snapshot.group(name) && !compiled_port->port.routed &&
      !snapshot.absent.contains("Endpoints/" + name.to_string())) {
    return destination;
  }
  destination.kind = Destination::kService;
  destination.protocol = compiled_port->port.protocol;
  return destination;
}

Destination find_destination(const Snapshot& snapshot, const MeshRanges& ranges,
                             SocketAddress original) {
  if (const model::NameEntry* entry = snapshot.name_at(original.ip)) {
    Destination destination = find_service(snapshot, entry->service, original.port);
    destination.original = original;
    return destination;
  }
  if (!ranges.contains(original.ip)) {
    Destination destination;
    destination.kind = Destination::kExternal;
    destination.original = original;
    destination.port = original.port;
    destination.protocol = model::Protocol::kTcp;
    return destination;
  }
  if (auto workload = snapshot.workload(original.ip)) {
    Destination destination;
    destination.kind = Destination::kWorkload;
    destination.original = original;
    destination.port = original.port;
    auto declared = workload->ports.find(original.port);
    if (declared != workload->ports.end()) destination.protocol = declared->second;
    destination.workload = std::move(workload);
    return destination;
  }
  std::string address = original.ip.to_string();
  if (snapshot.absent.contains("WorkloadAddress/" + address)) {
    return refused(original, "no instance of the mesh has the address " + address);
  }
  Destination destination;
  destination.original = original;
  destination.port = original.port;
  destination.want.mesh_address = address;
  return destination;
}

std::shared_ptr<const EndpointGroup> group_of_one(const Destination& destination) {
  auto group = std::make_shared<EndpointGroup>();
  group->endpoints.push_back(destination.workload->endpoint);
  group->endpoints.back().endpoint.target_ports[destination.port] = destination.port;
  return group;
}

}  // namespace weft::proxy
