// The answers: what a service is, who is behind it, and what sidecars get. Compiling a service costs its
// own routes and members, whatever the size of the mesh. Changes are in compile_change.cc.
#include "control/compile.h"

#include <algorithm>
#include <tuple>

#include "control/compile_admission.h"
#include "control/compile_outside.h"
#include "control/compile_policies.h"
#include "control/compile_state.h"
#include "control/compile_tcp_routes.h"

namespace weft::control {
namespace {

// Is the app port ready for traffic?
bool port_ready(const Instance& instance, uint16_t app_port) {
  const auto it = instance.ready.find(app_port);
  if (it != instance.ready.end()) return it->second;
  // Nobody probes a port that no claim names: passive health has to do.
  return std::ranges::none_of(instance.claims,
                              [&](const Instance::Claim& c) { return c.app_port == app_port; });
}

model::Endpoint bare_endpoint(const Instance& instance) {
  model::Endpoint out;
  out.workload = instance.id;
  out.address = instance.address;
  out.identity = instance.identity;
  out.mesh4 = instance.mesh4;
  out.mesh6 = instance.mesh6;
  out.labels = effective_labels(instance);
  out.stale = instance.stale;
  return out;
}

}  // namespace

Labels effective_labels(const Instance& instance) {
  Labels labels = instance.labels;
  if (!instance.claims.empty()) labels.try_emplace("app", instance.claims.front().service);
  return labels;
}

// --- State: questions ---

const ServiceSpec* Compiler::State::service(const model::ServiceName& name) const {
  const auto it = objects.find({"Service", name.ns, name.name});
  return it == objects.end() ? nullptr : &std::get<ServiceSpec>(it->second.spec);
}

std::vector<ImplicitPort> Compiler::State::implicit_ports(const model::ServiceName& name) const {
  std::map<uint16_t, model::Protocol> ports;
  if (const auto it = claimants.find(name); it != claimants.end()) {
    for (const std::string& id : it->second) {
      for (const Instance::Claim& claim : instances.at(id).claims) {
        if (claim.port == 0 || claim.service != name.name) continue;
        model::Protocol& protocol = ports[claim.port];
        if (protocol == model::Protocol::kAuto) protocol = claim.protocol;
      }
    }
  }
  std::vector<ImplicitPort> out;
  if (ports.empty()) {
    const auto it = implicit.find(name);
    return it == implicit.end() ? out : it->second;
  }
  for (const auto& [port, protocol] : ports) out.push_back({port, protocol});
  return out;
}

std::vector<model::ServicePort> Compiler::State::ports(const model::ServiceName& name) const {
  std::vector<model::ServicePort> out;
  const ServiceSpec* spec = service(name);
  if (!spec) {
    for (const ImplicitPort& port : implicit_ports(name)) {
      out.push_back({.port = port.port, .protocol = port.protocol});
    }
    return out;
  }
  const std::vector<const Instance*> behind = members(name);
  for (const ServicePortSpec& port : spec->ports) {
    model::ServicePort one{.port = port.port, .name = port.name, .protocol = port.protocol};
    if (port.https && !policies_at.empty() && tls_policy(*this, name, port.name))
      one.protocol = model::Protocol::kHttp;
    // What the object leaves open, the workloads may have declared.
    for (const Instance* instance : behind) {
      const uint16_t target = target_port(name, port.port, *instance);
      for (const Instance::Claim& claim : instance->claims) {
        if (one.protocol == model::Protocol::kAuto && target != 0 && claim.app_port == target) {
          one.protocol = claim.protocol;
        }
      }
    }
    out.push_back(std::move(one));
  }
  return out;
}

bool Compiler::State::has_port(const model::ServiceName& name, uint16_t port) const {
  if (const ServiceSpec* spec = service(name)) {
    return std::ranges::find(spec->ports, port, &ServicePortSpec::port) != spec->ports.end();
  }
  const auto ports = implicit_ports(name);
  return std::ranges::find(ports, port, &ImplicitPort::port) != ports.end();
}

std::vector<const Object*> Compiler::State::routes(const model::ServiceName& parent) const {
  std::vector<const Object*> out;
  const auto it = routes_of_parent.find(parent);
  if (it == routes_of_parent.end()) return out;
  for (const ObjectKey& key : it->second) out.push_back(&objects.at(key));
  return out;
}

bool Compiler::State::selects(const ServiceSpec& spec, const model::ServiceName& name,
                              const Instance& instance) const {
  if (instance.ns != name.ns) return false;
  if (spec.selector.empty()) {
    return std::ranges::any_of(instance.claims, [&](const Instance::Claim& c) {
      return c.port != 0 && c.service == name.name;
    });
  }
  const Labels labels = effective_labels(instance);
  return std::ranges::all_of(spec.selector, [&](const auto& wanted) {
    const auto it = labels.find(wanted.first);
    return it != labels.end() && it->second == wanted.second;
  });
}

std::vector<const Instance*> Compiler::State::members(const model::ServiceName& name) const {
  std::vector<const Instance*> out;
  const ServiceSpec* spec = service(name);
  if (spec && !spec->selector.empty()) {
    const auto it = instances_of_namespace.find(name.ns);
    if (it == instances_of_namespace.end()) return out;
    for (const std::string& id : it->second) {
      const Instance& instance = instances.at(id);
      if (selects(*spec, name, instance)) out.push_back(&instance);
    }
    return out;
  }
  const auto it = claimants.find(name);
  if (it == claimants.end()) return out;
  for (const std::string& id : it->second) out.push_back(&instances.at(id));
  return out;
}

uint16_t Compiler::State::target_port(const model::ServiceName& name, uint16_t port,
                                      const Instance& instance) const {
  const auto claimed = [&](auto matches) -> uint16_t {
    const auto it = std::ranges::find_if(
        instance.claims, [&](const Instance::Claim& c) { return c.port != 0 && matches(c); });
    return it == instance.claims.end() ? 0 : it->app_port;
  };
  const uint16_t by_claim =
      claimed([&](const Instance::Claim& c) { return c.service == name.name && c.port == port; });
  const ServiceSpec* spec = service(name);
  if (!spec) return by_claim;
  const auto it = std::ranges::find(spec->ports, port, &ServicePortSpec::port);
  if (it == spec->ports.end()) return 0;
  if (it->target.number != 0) return it->target.number;
  if (it->target.name.empty()) {
    if (by_claim != 0) return by_claim;
    // A Service that selects by label: the workload's own claim still says where port 80 is.
    const uint16_t same = claimed([&](const Instance::Claim& c) { return c.port == port; });
    return same != 0 ? same : port;
  }
  // A named port: the claim of a service of that name, else the claim that declared that protocol.
  const std::string& wanted = it->target.name;
  if (const uint16_t p = claimed([&](const auto& c) { return c.service == wanted; })) return p;
  const auto protocol = model::parse_protocol(wanted);
  if (!protocol) return 0;
  return claimed([&](const auto& c) { return c.protocol == *protocol; });
}

Compiler::Compiler() : state_(std::make_unique<State>()) {}
Compiler::~Compiler() = default;

// --- Compiler: results ---

bool Compiler::exists(const model::ServiceName& name) const {
  return state_->service(name) || !state_->implicit_ports(name).empty();
}

std::set<model::ServiceName> Compiler::services() const {
  std::set<model::ServiceName> out;
  for (const auto& [key, object] : state_->objects) {
    if (key.kind == "Service") out.insert({key.ns, key.name});
  }
  for (const auto& [name, ids] : state_->claimants) out.insert(name);
  for (const auto& [name, ports] : state_->implicit) out.insert(name);
  return out;
}

std::vector<model::ServiceName> Compiler::without_address() const {
  std::vector<model::ServiceName> out;
  for (const model::ServiceName& name : services()) {
    const ServiceSpec* spec = state_->service(name);
    if (!(spec && spec->headless) && !state_->addresses.contains(name)) out.push_back(name);
  }
  return out;
}

std::vector<model::ServiceName> Compiler::with_idle_address() const {
  std::vector<model::ServiceName> out;
  for (const auto& [name, address] : state_->addresses) {
    const ServiceSpec* spec = state_->service(name);
    if ((spec && spec->headless) || !exists(name)) out.push_back(name);
  }
  return out;
}

std::vector<ImplicitServiceRow> Compiler::unrecorded_implicit() const {
  std::vector<ImplicitServiceRow> out;
  for (const auto& [name, ids] : state_->claimants) {
    std::vector<ImplicitPort> ports = state_->implicit_ports(name);
    const auto it = state_->implicit.find(name);
    if (it == state_->implicit.end() || it->second != ports)
      out.push_back({name, std::move(ports)});
  }
  return out;
}

bool Compiler::claimed(const model::ServiceName& name) const {
  return state_->claimants.contains(name);
}

std::optional<CompiledService> Compiler::compile(const model::ServiceName& name) const {
  if (!exists(name)) return std::nullopt;
  const ServiceSpec* spec = state_->service(name);
  CompiledService out;
  out.service.name = name;
  out.service.headless = spec && spec->headless;
  if (!out.service.headless) {
    const auto address = state_->addresses.find(name);
    if (address == state_->addresses.end()) return std::nullopt;
    std::tie(out.service.vip4, out.service.vip6) = address->second;
  }
  out.service.ports = state_->ports(name);
  // Thousands of rules have few backends among them.
  std::map<std::tuple<std::string, std::string, model::ServiceName, uint16_t>, bool> resolved;
  const auto usable = [&](const Object& route, const model::ServiceName& parent,
                          const BackendRef& ref) {
    const auto resolve = [&] {
      return resolve_backend(*state_, route, {parent}, ref).reason.empty();
    };
    if (!ref.is_service()) return resolve();
    const auto [it, fresh] =
        resolved.try_emplace({route.kind(), route.meta.ns, ref.backend.service, ref.backend.port});
    if (fresh) it->second = resolve();
    return it->second;
  };
  const std::vector<const Object*> routes = state_->routes(name);
  PolicyLookup policies(*state_);
  for (model::ServicePort& port : out.service.ports) {
    if (out.service.headless) continue;
    const RoutesLeftOut& without = left_out(*state_, name, port);
    std::vector<const Object*> with = routes;
    if (!without.empty()) {
      std::erase_if(with, [&](const Object* route) { return without.contains(route->key()); });
    }
    compile_rules(name, with, usable, port);
    compile_tcp_rules(name, with, usable, port);
    policies.give(port);
  }
  out.service.fault = policies.of_service(name).fault;
  out.endpoints.service = name;
  out.endpoints.policy = policies.of_service(name).policy;
  for (const Instance* instance : state_->members(name)) {
    if (instance->leaving) continue;
    model::Endpoint endpoint = bare_endpoint(*instance);
    std::map<uint16_t, uint16_t> ready_ports;
    for (const model::ServicePort& port : out.service.ports) {
      const uint16_t target = state_->target_port(name, port.port, *instance);
      if (target == 0) continue;
      endpoint.target_ports[port.port] = target;
      if (port_ready(*instance, target)) ready_ports[port.port] = target;
    }
    if (endpoint.target_ports.empty()) continue;
    // With some ports ready only those are served; with none the endpoint shows as not ready.
    endpoint.ready = !ready_ports.empty();
    if (endpoint.ready) endpoint.target_ports = std::move(ready_ports);
    out.endpoints.endpoints.push_back(std::move(endpoint));
  }
  add_outside(*state_, out.service.ports, out.endpoints);
  out.entry = {.service = name,
               .vip4 = out.service.vip4,
               .vip6 = out.service.vip6,
               .headless = out.service.headless};
  for (const model::ServicePort& port : out.service.ports) out.entry.ports.push_back(port.port);
  std::sort(out.entry.ports.begin(), out.entry.ports.end());
  return out;
}

std::optional<model::WorkloadAddress> Compiler::workload_address(const std::string& id) const {
  const auto it = state_->instances.find(id);
  if (it == state_->instances.end()) return std::nullopt;
  model::WorkloadAddress out{.endpoint = bare_endpoint(it->second)};
  for (const Instance::Claim& claim : it->second.claims) {
    if (claim.app_port == 0) continue;
    out.endpoint.target_ports[claim.app_port] = claim.app_port;
    out.ports[claim.app_port] = claim.protocol;
  }
  return out;
}

std::optional<model::Inbound> Compiler::inbound(const std::string& id) const {
  const auto it = state_->instances.find(id);
  if (it == state_->instances.end() || state_->policies_at.empty()) return std::nullopt;
  model::Inbound out = compile_inbound(*state_, it->second, services_of(id));
  if (out.rate_limits.empty() && out.checks.empty()) return std::nullopt;
  return out;
}

const Object* Compiler::object(const ObjectKey& key) const {
  const auto it = state_->objects.find(key);
  return it == state_->objects.end() ? nullptr : &it->second;
}

std::vector<const Object*> Compiler::objects() const {
  std::vector<const Object*> out;
  for (const auto& [key, object] : state_->objects) out.push_back(&object);
  return out;
}

const std::map<std::string, Instance>& Compiler::instances() const { return state_->instances; }

Affected Compiler::services_of(const std::string& id) const {
  Affected out;
  const auto it = state_->instances.find(id);
  if (it == state_->instances.end()) return out;
  Affected candidates;
  add_services_of(*state_, it->second, candidates);
  for (const model::ServiceName& name : candidates) {
    const auto members = state_->members(name);
    if (std::ranges::find(members, &it->second) != members.end()) out.insert(name);
  }
  return out;
}

Labels Compiler::labels_of(const Instance& instance) const { return effective_labels(instance); }

}  // namespace weft::control
