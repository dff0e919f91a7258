// The order of things matters here: a snapshot is published first, and only when every worker says that
// it uses it is the update acknowledged; so "served by N of M" at the control plane counts proxies that
// answer by the new version, not proxies that have read it.
#include "proxy/discovery.h"

#include <utility>

#include "proxy/balancer.h"

namespace weft::proxy {

using xds::ResourceType;

Discovery::Discovery(const Clock& clock, xds::NodeInfo node, LastGood last_good, Hooks hooks,
                     Log log, steer::Place own)
    : clock_(clock),
      client_(node),
      staging_(std::move(own)),
      last_good_(std::move(last_good)),
      hooks_(std::move(hooks)),
      log_(std::move(log)) {
  client_.subscribe(ResourceType::kInbound, node.id);
  client_.subscribe(ResourceType::kName, "*");
}

void Discovery::serve_gateway(const model::GatewayName& name) {
  client_.subscribe(ResourceType::kGateway, model::resource_name(name));
}

void Discovery::restore() {
  auto entries = last_good_.load();
  if (!entries) {
    if (entries.error().kind() != ErrorKind::kNotFound) {
      log_.warn("starting without the last good state", {{"why", entries.error().message()}});
    }
    return;
  }
  for (const GoodEntry& entry : *entries) {
    auto taken = staging_.restore(entry.type, entry.name, entry.held);
    if (!taken) {
      log_.warn("an object of the last good state is left out",
                {{"name", entry.name}, {"why", taken.error().message()}});
      continue;
    }
    if (entry.type != ResourceType::kName) {
      client_.subscribe(entry.type, xds::subscription_of(entry.type, entry.name));
    }
    client_.restore(entry.type, entry.name, entry.held.version);
  }
  hooks_.publish(staging_.snapshot(), [] {});
}

Result<void> Discovery::receive(std::string_view message) {
  auto update = client_.receive(message);
  if (!update) return std::unexpected(std::move(update.error()));
  for (const xds::Rejection& error : update->errors) {
    log_.warn("the control plane could not make an object",
              {{"name", error.name}, {"why", error.why}});
  }
  // The index is asked for last, and answered in any case.
  heard_names_ = heard_names_ || update->type == ResourceType::kName;
  const SnapshotPtr before = staging_.snapshot();
  Staging::Outcome outcome = staging_.receive(std::move(*update));
  for (const model::ServiceName& needed : outcome.needs) subscribe(needed, false);
  for (const model::ServiceName& parted : outcome.rules) {
    client_.subscribe(ResourceType::kRules, parted.to_string());
  }
  if (hooks_.heard && heard_names_ && outcome.needs.empty() && outcome.rules.empty()) {
    hooks_.heard();
  }
  if (!outcome.swapped) {
    acknowledge(std::move(outcome.done));
    return {};
  }
  dirty_ = true;
  mark_joined(*before, *staging_.snapshot(), clock_.now());
  // New ones count as used now: the question that subscribed them is about to be followed by a call.
  for (const auto& [name, service] : staging_.snapshot()->services) {
    if (service.last_use->at() == Instant{}) service.last_use->touch(clock_.now());
  }
  for (const auto& [address, workload] : staging_.snapshot()->workloads) {
    if (workload->last_use->at() == Instant{}) workload->last_use->touch(clock_.now());
  }
  hooks_.publish(staging_.snapshot(), [this, done = std::move(outcome.done)]() mutable {
    acknowledge(std::move(done));
  });
  if (client_.has_output()) hooks_.output();
  return {};
}

void Discovery::acknowledge(std::vector<Staging::Acknowledgement> done) {
  for (const Staging::Acknowledgement& ack : done) {
    for (const xds::Rejection& rejection : ack.rejections) {
      log_.warn("refusing an object; what was held stays in use",
                {{"name", rejection.name}, {"why", rejection.why}});
    }
    client_.acknowledge(ack.update, ack.rejections);
  }
  if (client_.has_output()) hooks_.output();
}

void Discovery::subscribe(const model::ServiceName& service, bool again) {
  const std::string name = service.to_string();
  for (ResourceType type : {ResourceType::kEndpoints, ResourceType::kService}) {
    if (again && client_.subscribed(type, name)) {
      client_.refresh(type, name);
    } else {
      client_.subscribe(type, name);
    }
  }
}

void Discovery::want(const Want& want) {
  if (!want.mesh_address.empty()) {
    if (want.again && client_.subscribed(ResourceType::kWorkloadAddress, want.mesh_address)) {
      client_.refresh(ResourceType::kWorkloadAddress, want.mesh_address);
    } else {
      client_.subscribe(ResourceType::kWorkloadAddress, want.mesh_address);
    }
  } else {
    subscribe(want.service, want.again);
    const LiveService* held = staging_.snapshot()->service(want.service);
    if (held) held->last_use->touch(clock_.now());
  }
  if (client_.has_output()) hooks_.output();
}

void Discovery::evict() {
  const Instant idle_since = clock_.now() - kIdle;
  const SnapshotPtr before = staging_.snapshot();
  const std::set<model::ServiceName> referenced = staging_.referenced();
  for (const auto& [name, service] : before->services) {
    if (service.last_use->at() > idle_since || referenced.contains(name)) continue;
    client_.unsubscribe(ResourceType::kService, name.to_string());
    client_.unsubscribe(ResourceType::kEndpoints, name.to_string());
    client_.unsubscribe(ResourceType::kRules, name.to_string());
    staging_.forget(name);
  }
  for (const auto& [address, workload] : before->workloads) {
    if (workload->last_use->at() > idle_since) continue;
    client_.unsubscribe(ResourceType::kWorkloadAddress, address.to_string());
    staging_.forget_workload(address.to_string());
  }
  if (staging_.snapshot() != before) {
    dirty_ = true;
    hooks_.publish(staging_.snapshot(), [] {});
  }
  if (client_.has_output()) hooks_.output();
}

void Discovery::save() {
  if (!dirty_) return;
  dirty_ = false;
  if (auto saved = last_good_.save(staging_); !saved) {
    dirty_ = true;  // tried again at the next call
    log_.warn("the last good state could not be written", {{"why", saved.error().message()}});
  }
}

}  // namespace weft::proxy
