// A group of one instance, as most direct connections have it, needs no pool.
#include "proxy/balancer.h"

#include <algorithm>
#include <set>

#include "model/policy_section.h"

namespace weft::proxy {
namespace {

bool serves(const LiveEndpoint& one, uint16_t service_port) {
  return one.endpoint.ready && one.endpoint.target_ports.contains(service_port);
}

const LiveEndpoint* only(const LiveEndpoint& one, uint16_t service_port,
                         const steer::PickQuery& query, bool again) {
  if (!serves(one, service_port)) return nullptr;
  if (!again && query.tried.has(one.health.get())) return nullptr;
  one.health->claim(query.now);
  return &one;
}

std::set<const steer::EndpointHealth*> in_use(const EndpointGroup& group) {
  std::set<const steer::EndpointHealth*> ready;
  for (const LiveEndpoint& live : group.endpoints) {
    if (live.endpoint.ready) ready.insert(live.health.get());
  }
  return ready;
}

}  // namespace

const LiveEndpoint* pick_endpoint(const EndpointGroup& group, uint16_t service_port,
                                  const model::BackendPolicy* rule, const steer::PickQuery& query,
                                  bool again) {
  if (group.endpoints.size() == 1) return only(group.endpoints.front(), service_port, query, again);
  const steer::Pool& pool = group.pools.of(group, service_port, rule);
  std::optional<uint32_t> chosen = pool.pick(query);
  if (!chosen && again && !query.tried.empty()) {
    steer::PickQuery anew{query.now, query.random, Tried(), query.key, query.connection};
    chosen = pool.pick(anew);
  }
  return chosen ? &group.endpoints[*chosen] : nullptr;
}

bool could_serve(const EndpointGroup& group, uint16_t service_port) {
  return std::ranges::any_of(group.endpoints,
                             [&](const LiveEndpoint& one) { return serves(one, service_port); });
}

const std::vector<model::RequestKey>* hash_keys(const EndpointGroup& group,
                                                const model::BackendPolicy* rule) {
  if (!rule && !group.policy) return nullptr;
  const auto* said =
      model::section(rule, group.policy.get(), &model::BackendPolicy::load_balancing);
  if (!said || said->value.hash_by.empty()) return nullptr;
  const auto algorithm = said->value.algorithm;
  const bool hashes =
      algorithm == model::LoadBalancing::kRingHash || algorithm == model::LoadBalancing::kMaglev;
  return hashes ? &said->value.hash_by : nullptr;
}

void mark_joined(const Snapshot& before, const Snapshot& after, Instant now) {
  for (const auto& [name, group] : after.endpoints) {
    auto found = before.endpoints.find(name);
    if (found == before.endpoints.end() || found->second == group) continue;
    const std::set<const steer::EndpointHealth*> before_it = in_use(*found->second);
    for (const LiveEndpoint& live : group->endpoints) {
      if (live.endpoint.ready && !before_it.contains(live.health.get())) live.health->joined(now);
    }
  }
}

}  // namespace weft::proxy
