// Policies are compared by value: a route's new version brings equal sections in a new object. Two threads
// that miss the same pool at once both make it, which wastes a little memory and hurts nobody.
#include "proxy/pools.h"

#include <memory>
#include <utility>

#include "base/hash.h"
#include "model/policy_section.h"
#include "proxy/snapshot.h"

namespace weft::proxy {
namespace {

const model::LoadBalancing kBalancing;
const model::Locality kLocality;

// The sections in force, where they stand.
struct Sections {
  const model::LoadBalancing* balancing;
  const model::SlowStart* slow_start;
  const model::Locality* locality;
};

Sections sections_of(const model::BackendPolicy* rule, const model::BackendPolicy* service) {
  const auto* balancing = model::section(rule, service, &model::BackendPolicy::load_balancing);
  const auto* slow_start = model::section(rule, service, &model::BackendPolicy::slow_start);
  const auto* locality = model::section(rule, service, &model::BackendPolicy::locality);
  return {balancing ? &balancing->value : &kBalancing, slow_start ? &slow_start->value : nullptr,
          locality ? &locality->value : &kLocality};
}

bool is(const steer::PickPolicy& policy, const Sections& sections) {
  if (policy.slow_start.has_value() != (sections.slow_start != nullptr)) return false;
  return policy.balancing == *sections.balancing && policy.locality == *sections.locality &&
         (!sections.slow_start || *policy.slow_start == *sections.slow_start);
}

bool says_nothing(const model::BackendPolicy* rule) {
  return !rule || (!rule->load_balancing && !rule->slow_start && !rule->locality);
}

std::vector<steer::Member> members_of(const EndpointGroup& group, uint16_t service_port,
                                      const model::Locality& locality) {
  std::vector<steer::Member> members;
  for (uint32_t i = 0; i < group.endpoints.size(); ++i) {
    const model::Endpoint& endpoint = group.endpoints[i].endpoint;
    if (!endpoint.target_ports.contains(service_port)) continue;
    members.push_back(
        {.health = group.endpoints[i].health.get(),
         .ejection = group.endpoints[i].ejection.get(),
         .at = i,
         .ready = endpoint.ready,
         .distance = steer::distance(locality, group.own, steer::place_of(endpoint.labels)),
         .name = xxh64(endpoint.workload)});
  }
  return members;
}

}  // namespace

struct Pools::Node {
  Node(uint16_t port, bool services, std::vector<steer::Member> members, steer::PickPolicy policy)
      : port(port), services(services), pool(std::move(members), std::move(policy)) {}
  uint16_t port;
  bool services;  // of the Service's own policy
  steer::Pool pool;
  Node* next = nullptr;
};

Pools::~Pools() {
  for (Node* node = first_.load(); node;) delete std::exchange(node, node->next);
}

const steer::Pool& Pools::of(const EndpointGroup& group, uint16_t service_port,
                             const model::BackendPolicy* rule) const {
  const bool services = says_nothing(rule);
  const Sections sections = services ? Sections{} : sections_of(rule, group.policy.get());
  for (const Node* node = first_.load(std::memory_order_acquire); node; node = node->next) {
    if (node->port != service_port || node->services != services) continue;
    if (services || is(node->pool.policy(), sections)) return node->pool;
  }
  const Sections made_of = services ? sections_of(nullptr, group.policy.get()) : sections;
  steer::PickPolicy policy{
      .balancing = *made_of.balancing, .slow_start = std::nullopt, .locality = *made_of.locality};
  if (made_of.slow_start) policy.slow_start = *made_of.slow_start;
  auto members = members_of(group, service_port, policy.locality);
  auto made = std::make_unique<Node>(service_port, services, std::move(members), std::move(policy));
  made->next = first_.load(std::memory_order_relaxed);
  while (!first_.compare_exchange_weak(made->next, made.get(), std::memory_order_release,
                                       std::memory_order_relaxed)) {
  }
  return made.release()->pool;
}

}  // namespace weft::proxy
