// Which pending generations may be swapped in is a greatest fixed point: suppose all complete ones are,
// strike those that name something neither in use nor supposed, repeat until nothing is struck. So a
// chain of dependencies resolves as its parts arrive and a cycle resolves as a whole.
// A removal is an answer too: a backend the control plane says does not exist keeps nobody waiting.
// Parts of rules take no part in this: what they say is inert until a Service of theirs is swapped in.
// Cost: proportional to what changed, plus one copy of the snapshot's maps of pointers per swap.
#include "proxy/staging.h"

#include <algorithm>

#include "base/hash.h"
#include "proxy/staging_change.h"
#include "xds/convert.h"
#include "xds/convert_gateway.h"

namespace weft::proxy {
namespace {

using xds::ResourceType;

std::string absent_key(ResourceType type, const std::string& name) {
  return std::string(xds::short_name(type)) + "/" + name;
}

// Connections are kept by what they were made with: what says the same stays the same object.
void keep_equal(const EndpointGroup* before, std::map<uint16_t, model::OutsideTlsPtr>& now) {
  if (!before) return;
  for (auto& [port, tls] : now) {
    const auto it = before->outside_tls.find(port);
    if (it != before->outside_tls.end() && *it->second == *tls) tls = it->second;
  }
}

}  // namespace

Staging::~Staging() = default;
Staging::Staging(steer::Place own)
    : own_(std::move(own)), snapshot_(std::make_shared<Snapshot>()) {}

Result<Staging::Change> Staging::decode(ResourceType type, const std::string& name,
                                        const Held& held) {
  Change change{type, name, held};
  auto wrong_name = [&](const std::string& inside) {
    return fail(ErrorKind::kInvalid, "resource \"" + name + "\" holds \"" + inside + "\"");
  };
  switch (type) {
    case ResourceType::kName: {
      auto entry = xds::decode_name(held.payload);
      if (!entry) return std::unexpected(std::move(entry.error()));
      if (entry->service.to_string() != name) return wrong_name(entry->service.to_string());
      change.entry = std::make_shared<model::NameEntry>(std::move(*entry));
      break;
    }
    case ResourceType::kService: {
      auto service = xds::decode_service(held.payload);
      if (!service) return std::unexpected(std::move(service.error()));
      if (service->name.to_string() != name) return wrong_name(service->name.to_string());
      if (std::ranges::any_of(service->ports, [](const auto& p) { return !p.parts.empty(); })) {
        change.parted = std::move(*service);
        break;
      }
      auto compiled = CompiledService::compile(std::move(*service));
      if (!compiled) return std::unexpected(std::move(compiled.error()));
      change.service = std::move(*compiled);
      break;
    }
    case ResourceType::kRules: {
      auto service = model::ServiceName::parse(xds::subscription_of(type, name));
      if (!service) return std::unexpected(std::move(service.error()));
      if (name != xds::part_name(*service, xxh64(held.payload))) {
        return fail(ErrorKind::kInvalid, "these are not the rules of " + name);
      }
      auto rules = xds::decode_rules(held.payload);
      if (!rules) return std::unexpected(std::move(rules.error()));
      auto part = CompiledPart::compile(std::move(*rules));
      if (!part) return std::unexpected(std::move(part.error()));
      change.part = std::move(*part);
      break;
    }
    case ResourceType::kEndpoints: {
      auto set = xds::decode_endpoints(held.payload);
      if (!set) return std::unexpected(std::move(set.error()));
      if (set->service.to_string() != name) return wrong_name(set->service.to_string());
      change.endpoints = std::make_shared<model::EndpointSet>(std::move(*set));
      break;
    }
    case ResourceType::kWorkloadAddress: {
      auto address = IpAddress::parse(name);
      if (!address) return std::unexpected(std::move(address.error()));
      auto workload = xds::decode_workload_address(held.payload);
      if (!workload) return std::unexpected(std::move(workload.error()));
      change.workload = std::make_shared<model::WorkloadAddress>(std::move(*workload));
      break;
    }
    case ResourceType::kInbound: {
      auto inbound = xds::decode_inbound(held.payload);
      if (!inbound) return std::unexpected(std::move(inbound.error()));
      if (inbound->instance != name) return wrong_name(inbound->instance);
      change.inbound = std::make_shared<model::Inbound>(std::move(*inbound));
      break;
    }
    case ResourceType::kGateway: {
      auto gateway = xds::decode_gateway(held.payload);
      if (!gateway) return std::unexpected(std::move(gateway.error()));
      if (model::resource_name(gateway->name) != name)
        return wrong_name(model::resource_name(gateway->name));
      auto compiled = LiveGateway::compile(*gateway);
      if (!compiled) return std::unexpected(std::move(compiled.error()));
      change.gateway = std::move(*compiled);
      break;
    }
  }
  return change;
}

void Staging::take(xds::Update& update, Generation& generation) {
  Acknowledgement acknowledgement{update.id, {}};
  auto add = [&](Change change) {
    if (change.part) {
      refused_parts_.erase(change.name);
      parts_[change.name] = {std::move(change.part)};
      held_[index_of(change.type)][change.name] = std::move(change.held);
      return;
    }
    change.update = update.id;
    supersede(change);
    generation.changes.push_back(std::move(change));
  };
  for (xds::Update::Resource& resource : update.changed) {
    auto change =
        decode(update.type, resource.name, {resource.version, std::move(resource.payload)});
    if (change) {
      add(std::move(*change));
    } else {
      if (update.type == ResourceType::kRules)
        refused_parts_[resource.name] = change.error().message();
      acknowledgement.rejections.push_back({resource.name, change.error().message()});
    }
  }
  for (const std::string& name : update.removed) {
    if (update.type == ResourceType::kRules) {
      refused_parts_.erase(name);
      if (const auto part = parts_.find(name); part != parts_.end()) part->second.gone = true;
      continue;
    }
    Change change{update.type, name, {}};
    change.removed = true;
    add(std::move(change));
  }
  generation.updates.push_back(std::move(acknowledgement));
}

void Staging::supersede(const Change& newer) {
  for (Generation& generation : pending_) {
    std::erase_if(generation.changes, [&](const Change& older) {
      return older.type == newer.type && older.name == newer.name;
    });
  }
}

Staging::Outcome Staging::receive(xds::Update update) {
  auto found = std::find_if(pending_.begin(), pending_.end(), [&](const Generation& g) {
    return g.number == update.generation && !g.complete;
  });
  if (found == pending_.end()) {
    pending_.push_back(Generation{.number = update.generation});
    found = pending_.end() - 1;
  }
  found->complete = update.last_of_generation;
  if (update.type == ResourceType::kName) found->names = true;
  take(update, *found);
  Outcome outcome;
  outcome.rules = assemble();
  swap_in(outcome);
  sweep_parts();
  return outcome;
}

bool Staging::will_have(ResourceType type, const std::string& name,
                        const std::vector<size_t>& with) const {
  for (size_t i : with) {
    for (const Change& change : pending_[i].changes) {
      if (change.type == type && change.name == name) return true;
    }
  }
  return held_[index_of(type)].contains(name) || snapshot_->absent.contains(absent_key(type, name));
}

std::set<model::ServiceName> Staging::missing(const Change& change,
                                              const std::vector<size_t>& with) const {
  std::set<model::ServiceName> names;
  for (const model::ServiceName& name : change.dependencies()) {
    std::string text = name.to_string();
    if (!will_have(ResourceType::kService, text, with) ||
        !will_have(ResourceType::kEndpoints, text, with)) {
      names.insert(name);
    }
  }
  return names;
}

void Staging::swap_in(Outcome& outcome) {
  std::vector<size_t> chosen;
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (pending_[i].complete) chosen.push_back(i);
  }
  std::set<model::ServiceName> needs;
  for (bool struck = true; struck;) {
    struck = false;
    for (size_t at = 0; at < chosen.size(); ++at) {
      std::set<model::ServiceName> lacking;
      bool in_parts = false;  // and not all of them are here
      for (const Change& change : pending_[chosen[at]].changes) {
        lacking.merge(missing(change, chosen));
        in_parts = in_parts || change.parted;
      }
      if (lacking.empty() && !in_parts) continue;
      needs.merge(lacking);
      chosen.erase(chosen.begin() + static_cast<ptrdiff_t>(at));
      struck = true;
      break;
    }
  }
  outcome.needs.assign(needs.begin(), needs.end());
  if (chosen.empty()) return;

  auto next = std::make_shared<Snapshot>(*snapshot_);
  std::shared_ptr<NameIndex> names;
  for (size_t i : chosen) {
    if (pending_[i].names && !names) names = std::make_shared<NameIndex>(*next->names);
    if (pending_[i].names) names->complete = true;
    for (const Change& change : pending_[i].changes) apply(change, *next, names);
    for (Acknowledgement& done : pending_[i].updates) outcome.done.push_back(std::move(done));
    pending_[i].updates.clear();
    pending_[i].changes.clear();
    pending_[i].number = 0;
  }
  std::erase_if(pending_, [](const Generation& g) { return g.complete && g.updates.empty(); });
  if (names) next->names = std::move(names);
  publish(std::move(next));
  outcome.swapped = true;
}

void Staging::apply(const Change& change, Snapshot& next, std::shared_ptr<NameIndex>& names) {
  HeldByName& held = held_[index_of(change.type)];
  std::string key = absent_key(change.type, change.name);
  if (change.removed) {
    held.erase(change.name);
    if (change.type != ResourceType::kName) next.absent.insert(key);
  } else {
    held[change.name] = change.held;
    next.absent.erase(key);
  }

  if (change.type == ResourceType::kWorkloadAddress) {
    auto address = IpAddress::parse(change.name);
    if (!address) return;
    if (change.removed) {
      next.workloads.erase(*address);
      return;
    }
    auto live = std::make_shared<LiveWorkload>();
    live->endpoint = {change.workload->endpoint, health_.of(change.workload->endpoint)};
    live->ports = change.workload->ports;
    auto before = snapshot_->workload(*address);
    live->last_use = before ? before->last_use : std::make_shared<LastUse>();
    next.workloads[*address] = std::move(live);
    return;
  }

  // Of both one is subscribed; null when removed.
  if (change.type == ResourceType::kInbound) {
    next.inbound = change.inbound;
    return;
  }
  if (change.type == ResourceType::kGateway) {
    next.gateway = change.gateway;
    return;
  }

  auto service = model::ServiceName::parse(change.name);
  if (!service) return;
  switch (change.type) {
    case ResourceType::kName:
      if (!names) names = std::make_shared<NameIndex>(*next.names);
      if (change.removed) {
        names->erase(*service);
      } else {
        names->put(*change.entry);
      }
      break;
    case ResourceType::kService:
      if (change.removed) {
        next.services.erase(*service);
      } else {
        const LiveService* before = next.service(*service);
        next.services[*service] = {change.service,
                                   before ? before->last_use : std::make_shared<LastUse>()};
      }
      break;
    case ResourceType::kEndpoints:
      if (change.removed) {
        next.endpoints.erase(*service);
      } else {
        auto group = std::make_shared<EndpointGroup>();
        group->service = *service;
        group->policy = change.endpoints->policy;
        group->state = health_.of(*service);
        group->own = own_;
        group->outside_tls = change.endpoints->outside_tls;
        keep_equal(snapshot_->group(*service).get(), group->outside_tls);
        for (const model::Endpoint& endpoint : change.endpoints->endpoints) {
          group->endpoints.push_back(
              {endpoint, health_.of(endpoint), health_.of(*service, endpoint)});
        }
        // So that no request has to: for the ports that are known, by the Service's own policy.
        for (const LiveEndpoint& live : group->endpoints) {
          for (const auto& [port, target] : live.endpoint.target_ports) {
            group->pools.of(*group, port, nullptr);
          }
        }
        next.endpoints[*service] = std::move(group);
      }
      break;
    case ResourceType::kWorkloadAddress:
    case ResourceType::kInbound:
    case ResourceType::kGateway:
    case ResourceType::kRules: break;
  }
}

void Staging::publish(std::shared_ptr<Snapshot> next) {
  next->generation = snapshot_->generation + 1;
  snapshot_ = std::move(next);
  health_.sweep();
}

Result<void> Staging::restore(ResourceType type, const std::string& name, const Held& held) {
  auto change = decode(type, name, held);
  if (!change) return std::unexpected(std::move(change.error()));
  if (change->part) {
    parts_[name] = {std::move(change->part)};
    held_[index_of(type)][name] = held;
    return {};
  }
  if (change->parted) {
    auto compiled = CompiledService::compile(std::move(*change->parted), parts_of(name));
    if (!compiled) return std::unexpected(std::move(compiled.error()));
    change->service = std::move(*compiled);
  }
  auto next = std::make_shared<Snapshot>(*snapshot_);
  std::shared_ptr<NameIndex> names;
  apply(*change, *next, names);
  if (names) {
    names->complete = true;
    next->names = std::move(names);
  }
  publish(std::move(next));
  return {};
}

void Staging::forget(const model::ServiceName& service) {
  std::string name = service.to_string();
  auto next = std::make_shared<Snapshot>(*snapshot_);
  next->services.erase(service);
  next->endpoints.erase(service);
  for (ResourceType type : {ResourceType::kService, ResourceType::kEndpoints}) {
    next->absent.erase(absent_key(type, name));
    held_[index_of(type)].erase(name);
    supersede(Change{type, name, {}});
  }
  forget_parts(name);
  publish(std::move(next));
}

void Staging::forget_workload(const std::string& mesh_address) {
  auto address = IpAddress::parse(mesh_address);
  if (!address) return;
  auto next = std::make_shared<Snapshot>(*snapshot_);
  next->workloads.erase(*address);
  next->absent.erase(absent_key(ResourceType::kWorkloadAddress, mesh_address));
  held_[index_of(ResourceType::kWorkloadAddress)].erase(mesh_address);
  publish(std::move(next));
}

std::set<model::ServiceName> Staging::referenced() const {
  std::set<model::ServiceName> names;
  for (const auto& [name, service] : snapshot_->services) {
    names.insert(service.compiled->dependencies().begin(), service.compiled->dependencies().end());
  }
  if (snapshot_->gateway) {
    for (model::ServiceName& dependency : snapshot_->gateway->dependencies())
      names.insert(std::move(dependency));
  }
  for (const Generation& generation : pending_) {
    for (const Change& change : generation.changes) {
      for (model::ServiceName& dependency : change.dependencies()) {
        names.insert(std::move(dependency));
      }
    }
  }
  return names;
}

std::vector<std::string> Staging::waiting_for() const {
  std::vector<size_t> complete;
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (pending_[i].complete) complete.push_back(i);
  }
  std::vector<std::string> lines;
  for (size_t i : complete) {
    for (const Change& change : pending_[i].changes) {
      if (change.parted) lines.push_back(change.name + " waits for parts of its rules");
      for (const model::ServiceName& name : missing(change, complete)) {
        lines.push_back(change.name + " waits for " + name.to_string());
      }
    }
  }
  return lines;
}

}  // namespace weft::proxy
