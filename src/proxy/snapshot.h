// Snapshot: all a sidecar knows of the mesh at one moment, immutable. Built on the main loop, handed to
// the workers by pointer; a request keeps the snapshot it began with. A new version copies the maps of
// pointers and shares every object that did not change.
//
// Cost: a few hundred bytes per subscribed service, tens of bytes per name of the index (which is
// shared between versions and copied only when names change).
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ip.h"
#include "model/service.h"
#include "proxy/live_gateway.h"
#include "proxy/pools.h"
#include "proxy/router.h"
#include "steer/backend_state.h"
#include "steer/ejection.h"
#include "steer/endpoint_health.h"

namespace weft::proxy {

// An endpoint as the balancer sees it.
struct LiveEndpoint {
  model::Endpoint endpoint;
  std::shared_ptr<steer::EndpointHealth> health;
  // What the outlier detection of the group's service thinks of it.
  std::shared_ptr<steer::Ejection> ejection = std::make_shared<steer::Ejection>();

  // May it be picked, as far as we have seen?
  bool in(Instant now) const { return !health->resting(now) && !ejection->out(now); }
};

struct EndpointGroup {
  model::ServiceName service;
  std::vector<LiveEndpoint> endpoints;
  model::BackendPolicyPtr policy = nullptr;      // of the Service
  std::shared_ptr<steer::BackendState> state{};  // null for a group of one instance by its address
  steer::Place own{};                            // where this sidecar is
  Pools pools{};
  // By service port, towards endpoints outside; the same object as in the version before while it says the same.
  std::map<uint16_t, model::OutsideTlsPtr> outside_tls{};
};

// When a service was last asked for, to a second; shared by its versions, written by workers, read by
// eviction. Workers that use it at the same time seldom write.
struct LastUse {
  static constexpr int64_t kStepNs = 1'000'000'000;
  std::atomic<int64_t> ns{0};
  void touch(Instant now) {
    if (now.ns - ns.load(std::memory_order_relaxed) >= kStepNs)
      ns.store(now.ns, std::memory_order_relaxed);
  }
  Instant at() const { return {ns.load(std::memory_order_relaxed)}; }
};

struct LiveService {
  std::shared_ptr<const CompiledService> compiled;
  std::shared_ptr<LastUse> last_use;
  const model::Service& model() const { return compiled->service; }
};

struct LiveWorkload {
  LiveEndpoint endpoint;
  std::map<uint16_t, model::Protocol> ports;
  std::shared_ptr<LastUse> last_use;
};

// The names a sidecar may see and their addresses.
struct NameIndex {
  std::unordered_map<model::ServiceName, model::NameEntry> by_name;
  std::unordered_map<IpAddress, model::ServiceName> by_address;
  bool complete = false;  // the control plane (or the disk) has told all of it at least once

  void put(const model::NameEntry& entry);
  void erase(const model::ServiceName& name);
};

struct Snapshot {
  uint64_t generation = 0;
  std::shared_ptr<const NameIndex> names = std::make_shared<NameIndex>();
  std::unordered_map<model::ServiceName, LiveService> services;
  std::unordered_map<model::ServiceName, std::shared_ptr<const EndpointGroup>> endpoints;
  std::unordered_map<IpAddress, std::shared_ptr<const LiveWorkload>> workloads;
  // Rate limits and health checks for what this instance serves; null: none.
  std::shared_ptr<const model::Inbound> inbound;
  // The one this proxy serves; null: none, or not known yet.
  std::shared_ptr<const LiveGateway> gateway;
  // Asked for, and the control plane said there is no such thing.
  std::set<std::string> absent;

  // The service whose virtual address this is.
  const model::NameEntry* name_at(const IpAddress& address) const;
  const LiveService* service(const model::ServiceName& name) const;
  std::shared_ptr<const EndpointGroup> group(const model::ServiceName& name) const;
  std::shared_ptr<const LiveWorkload> workload(const IpAddress& mesh_address) const;
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

// Keeps the health of endpoints from one version of an object to the next, by instance and address, what
// services think of them, and what is counted of services.
class HealthRegistry {
 public:
  std::shared_ptr<steer::EndpointHealth> of(const model::Endpoint& endpoint);
  std::shared_ptr<steer::BackendState> of(const model::ServiceName& service);
  std::shared_ptr<steer::Ejection> of(const model::ServiceName& service,
                                      const model::Endpoint& endpoint);
  // Forgets what no snapshot holds any more.
  void sweep();
  size_t size() const { return states_.size(); }

 private:
  std::map<std::string, std::weak_ptr<steer::EndpointHealth>> states_;
  std::map<std::string, std::weak_ptr<steer::Ejection>> ejections_;  // also by service
  std::unordered_map<model::ServiceName, std::weak_ptr<steer::BackendState>> backends_;
};

}  // namespace weft::proxy
