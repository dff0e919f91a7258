// Changes keep four small indexes up to date: routes by parent and by backend, instances by claim and by
// namespace. A change costs what it touches; a new instance is matched against the Service objects of its
// namespace, which is a handful of comparisons each.
#include <utility>

#include "control/compile_gateway.h"
#include "control/compile_listener_sets.h"
#include "control/compile_outside.h"
#include "control/compile_policies.h"
#include "control/compile_state.h"

namespace weft::control {
namespace {

void index_route(Compiler::State& state, const Object& object, bool add) {
  const ObjectKey key = object.key();
  const auto touch = [&](auto& index, const model::ServiceName& name) {
    auto& keys = index[name];
    add ? (void)keys.insert(key) : (void)keys.erase(key);
    if (keys.empty()) index.erase(name);
  };
  if (std::holds_alternative<ListenerSetSpec>(object.spec))
    touch(state.sets_of_gateway, gateway_of_set(object));
  const std::vector<ParentRef>* parents = parents_of(object);
  if (!parents) return;
  for (const ParentRef& parent : *parents) {
    if (parent.is_service()) touch(state.routes_of_parent, parent.service);
    if (parent.is_gateway()) touch(state.routes_of_gateway, parent.service);
    if (parent.is_listener_set()) touch(state.routes_of_listener_set, parent.service);
  }
  const auto refer = [&](const BackendRef& ref) {
    if (ref.is_service()) touch(state.routes_to_backend, ref.backend.service);
  };
  if (const auto* tcp = std::get_if<TcpRouteSpec>(&object.spec)) {
    for (const BackendRef& ref : tcp->backends) refer(ref);
    return;
  }
  for (const HttpRouteRule& rule : std::get<HttpRouteSpec>(object.spec).rules) {
    for (const BackendRef& ref : rule.backends) {
      refer(ref);
      for (const MirrorRef& mirror : ref.mirrors) refer(mirror.to);
    }
    for (const MirrorRef& mirror : rule.mirrors) refer(mirror.to);
  }
}

void index_policy(Compiler::State& state, const Object& object, bool add) {
  const PolicyTargets* targets = targets_of(object);
  if (!targets) return;
  for (const PolicyTarget& target : *targets) {
    const PolicyPlace place = place_of(object, target);
    auto& keys = state.policies_at[place];
    add ? (void)keys.insert(object.key()) : (void)keys.erase(object.key());
    if (keys.empty()) state.policies_at.erase(place);
  }
}

void index_instance(Compiler::State& state, const Instance& instance, bool add) {
  const auto touch = [&](auto& index, const auto& key) {
    auto& ids = index[key];
    add ? (void)ids.insert(instance.id) : (void)ids.erase(instance.id);
    if (ids.empty()) index.erase(key);
  };
  touch(state.instances_of_namespace, instance.ns);
  for (const Instance::Claim& claim : instance.claims) {
    if (claim.port != 0) touch(state.claimants, model::ServiceName{instance.ns, claim.service});
  }
}

// Claims bring services and their ports into being.
void mark_gateways_of_claims(Compiler::State& state, const Instance& instance) {
  for (const Instance::Claim& claim : instance.claims) {
    if (claim.port != 0) mark_gateways_of_backend(state, {instance.ns, claim.service});
  }
}

void add_parents(const Object& object, Affected& out) {
  const std::vector<ParentRef>* parents = parents_of(object);
  if (!parents) return;
  for (const ParentRef& parent : *parents) {
    if (parent.is_service()) out.insert(parent.service);
  }
}

// The service and everything whose rules name it as a backend.
void add_with_referrers(const Compiler::State& state, const model::ServiceName& name,
                        Affected& out) {
  out.insert(name);
  const auto it = state.routes_to_backend.find(name);
  if (it == state.routes_to_backend.end()) return;
  for (const ObjectKey& key : it->second) add_parents(state.objects.at(key), out);
}

// What routes refer to in the grant's namespace may have become allowed, or may not be any more.
void add_granted(const Compiler::State& state, const std::string& ns, Affected& out) {
  for (auto it = state.routes_to_backend.lower_bound({ns, ""});
       it != state.routes_to_backend.end() && it->first.ns == ns; ++it) {
    for (const ObjectKey& key : it->second) add_parents(state.objects.at(key), out);
  }
}

void add_affected(const Compiler::State& state, const Object& object, Affected& out) {
  if (std::holds_alternative<ServiceSpec>(object.spec)) {
    add_with_referrers(state, object.service_name(), out);
  } else if (std::holds_alternative<ReferenceGrantSpec>(object.spec)) {
    add_granted(state, object.meta.ns, out);
  } else {
    add_parents(object, out);
    add_targets(state, object, out);
    add_outside_services(state, object, out);
  }
}

}  // namespace

void add_services_of(const Compiler::State& state, const Instance& instance, Affected& out) {
  for (const Instance::Claim& claim : instance.claims) {
    // The claim may bring the service or one of its ports into being.
    if (claim.port != 0) add_with_referrers(state, {instance.ns, claim.service}, out);
  }
  const ObjectKey first{"Service", instance.ns, ""};
  for (auto it = state.objects.lower_bound(first);
       it != state.objects.end() && it->first.kind == "Service" && it->first.ns == instance.ns;
       ++it) {
    const model::ServiceName name{instance.ns, it->first.name};
    if (state.selects(std::get<ServiceSpec>(it->second.spec), name, instance)) out.insert(name);
  }
}

Affected Compiler::put(const Object& object) {
  Affected affected = remove(object.key());
  index_route(*state_, object, true);
  index_policy(*state_, object, true);
  index_slice(*state_, object, true);
  state_->objects[object.key()] = object;
  mark_inbounds(*state_, object);
  add_affected(*state_, object, affected);
  mark_gateways(*state_, object);
  return state_->changed(std::move(affected));
}

Affected Compiler::remove(const ObjectKey& key) {
  Affected affected;
  const auto it = state_->objects.find(key);
  if (it == state_->objects.end()) return affected;
  add_affected(*state_, it->second, affected);
  mark_gateways(*state_, it->second);
  mark_inbounds(*state_, it->second);
  const Object removed = std::move(it->second);
  index_route(*state_, removed, false);
  index_slice(*state_, removed, false);
  state_->objects.erase(it);
  // Who was selected by labels may be here by its claims now.
  mark_inbounds(*state_, removed);
  index_policy(*state_, removed, false);
  return state_->changed(std::move(affected));
}

Affected Compiler::put_instance(Instance instance) {
  Affected affected = remove_instance(instance.id);
  index_instance(*state_, instance, true);
  Instance& stored = state_->instances[instance.id] = std::move(instance);
  add_services_of(*state_, stored, affected);
  state_->changed_inbounds.insert(stored.id);
  mark_gateways_of_claims(*state_, stored);
  return state_->changed(std::move(affected));
}

Affected Compiler::remove_instance(const std::string& id) {
  Affected affected;
  const auto it = state_->instances.find(id);
  if (it == state_->instances.end()) return affected;
  add_services_of(*state_, it->second, affected);
  state_->changed_inbounds.insert(id);
  mark_gateways_of_claims(*state_, it->second);
  index_instance(*state_, it->second, false);
  state_->instances.erase(it);
  return state_->changed(std::move(affected));
}

Affected Compiler::put_implicit(const model::ServiceName& name, std::vector<ImplicitPort> ports) {
  if (ports.empty()) {
    state_->implicit.erase(name);
  } else {
    state_->implicit[name] = std::move(ports);
  }
  Affected affected;
  add_with_referrers(*state_, name, affected);
  mark_gateways_of_backend(*state_, name);
  return state_->changed(std::move(affected));
}

Affected Compiler::set_address(const model::ServiceName& name, IpAddress vip4, IpAddress vip6) {
  state_->addresses[name] = {vip4, vip6};
  return {name};
}

Affected Compiler::clear_address(const model::ServiceName& name) {
  state_->addresses.erase(name);
  return {name};
}

std::set<std::string> Compiler::take_changed_inbounds() {
  return std::exchange(state_->changed_inbounds, {});
}

void Compiler::set_trust_domain(std::string trust_domain) {
  state_->trust_domain = std::move(trust_domain);
}

}  // namespace weft::control
