// Lookups of the immutable snapshot, and the registry that lets an endpoint's health outlive the
// versions of the object it came in.
#include "proxy/snapshot.h"

namespace weft::proxy {
namespace {

// What the slot still holds, or a new one.
template <typename T>
std::shared_ptr<T> kept(std::weak_ptr<T>& slot) {
  std::shared_ptr<T> state = slot.lock();
  if (!state) {
    state = std::make_shared<T>();
    slot = state;
  }
  return state;
}

std::string key_of(const model::Endpoint& endpoint) {
  return endpoint.workload + "@" + endpoint.address.to_string();
}

}  // namespace

void NameIndex::put(const model::NameEntry& entry) {
  erase(entry.service);
  by_name[entry.service] = entry;
  if (entry.headless) return;
  if (!entry.vip4.is_unspecified()) by_address[entry.vip4] = entry.service;
  if (!entry.vip6.is_unspecified()) by_address[entry.vip6] = entry.service;
}

void NameIndex::erase(const model::ServiceName& name) {
  auto found = by_name.find(name);
  if (found == by_name.end()) return;
  for (const IpAddress& address : {found->second.vip4, found->second.vip6}) {
    auto owner = by_address.find(address);
    if (owner != by_address.end() && owner->second == name) by_address.erase(owner);
  }
  by_name.erase(found);
}

const model::NameEntry* Snapshot::name_at(const IpAddress& address) const {
  auto found = names->by_address.find(address);
  if (found == names->by_address.end()) return nullptr;
  auto entry = names->by_name.find(found->second);
  return entry == names->by_name.end() ? nullptr : &entry->second;
}

const LiveService* Snapshot::service(const model::ServiceName& name) const {
  auto found = services.find(name);
  return found == services.end() ? nullptr : &found->second;
}

std::shared_ptr<const EndpointGroup> Snapshot::group(const model::ServiceName& name) const {
  auto found = endpoints.find(name);
  return found == endpoints.end() ? nullptr : found->second;
}

std::shared_ptr<const LiveWorkload> Snapshot::workload(const IpAddress& mesh_address) const {
  auto found = workloads.find(mesh_address);
  return found == workloads.end() ? nullptr : found->second;
}

std::shared_ptr<steer::EndpointHealth> HealthRegistry::of(const model::Endpoint& endpoint) {
  return kept(states_[key_of(endpoint)]);
}

std::shared_ptr<steer::Ejection> HealthRegistry::of(const model::ServiceName& service,
                                                    const model::Endpoint& endpoint) {
  return kept(ejections_[service.to_string() + " " + key_of(endpoint)]);
}

std::shared_ptr<steer::BackendState> HealthRegistry::of(const model::ServiceName& service) {
  return kept(backends_[service]);
}

void HealthRegistry::sweep() {
  std::erase_if(states_, [](const auto& entry) { return entry.second.expired(); });
  std::erase_if(ejections_, [](const auto& entry) { return entry.second.expired(); });
  std::erase_if(backends_, [](const auto& entry) { return entry.second.expired(); });
}

}  // namespace weft::proxy
