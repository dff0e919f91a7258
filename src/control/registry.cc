// Records are few (thousands) and change rarely, so everything is a scan over one map; expire()
// costs one pass and the compiler's answer of what each instance serves.
#include "control/registry.h"

#include <algorithm>

#include <fmt/format.h>

#include "control/object_catalog.h"
#include "control/registry_codec.h"

namespace weft::control {
namespace {

constexpr std::string_view kPool = "instance";
constexpr size_t kAccountBytes = 48;  // in an id, which must fit a DNS label in the SNI

// Accepts on every port it claims.
bool serves(const InstanceRecord& record) {
  if (record.instance.leaving) return false;
  for (const auto& claim : record.instance.claims) {
    if (claim.app_port == 0) continue;
    auto it = record.instance.ready.find(claim.app_port);
    if (it == record.instance.ready.end() || !it->second) return false;
  }
  return true;
}

std::string short_account(const std::string& account) {
  std::string out = account.substr(0, kAccountBytes);
  while (out.ends_with('-')) out.pop_back();
  return out;
}

}  // namespace

Registry::Registry(Store& store, const Clock& clock, Random& random, const AddressPool& pool,
                   std::string trust_domain)
    : store_(store),
      clock_(clock),
      random_(random),
      pool_(pool),
      trust_domain_(std::move(trust_domain)),
      host_ip_(IpAddress::v4(0x7f000001)) {}

Result<void> Registry::load() {
  auto host = store_.meta("host_ip");
  if (!host) return std::unexpected(host.error());
  if (*host) {
    auto ip = IpAddress::parse(**host);
    if (ip) host_ip_ = *ip;
  }
  auto rows = store_.instances();
  if (!rows) return std::unexpected(rows.error());
  for (const auto& row : *rows) {
    auto record = unpack_instance(row.registration);
    if (!record) {
      return std::unexpected(std::move(record.error()).context(fmt::format("instance {}", row.id)));
    }
    record->instance.id = row.id;
    record->machine = row.machine;
    record->registered = row.registered;
    record->heard = clock_.now();
    if (record->on_server_host) record->instance.address.ip = host_ip_;
    if (auto ok = place(*record); !ok) return ok;
    records_.emplace(row.id, std::move(*record));
  }
  return {};
}

// Identity, claims, labels and mesh addresses follow from id and registration.
Result<void> Registry::place(InstanceRecord& record) {
  auto& instance = record.instance;
  const auto& registration = record.registration;
  auto identity =
      model::SpiffeId::for_workload(trust_domain_, registration.ns, registration.account());
  if (!identity) return std::unexpected(identity.error());
  auto number = store_.allocate(kPool, instance.id, ObjectCatalog::kAddresses, clock_.wall_now(),
                                ObjectCatalog::kAddressHold);
  if (!number) return std::unexpected(std::move(number.error()).context("mesh address"));
  instance.ns = registration.ns;
  instance.identity = std::move(*identity);
  instance.claims = registration.claims;
  instance.labels = registration.labels;
  instance.mesh4 = pool_.mesh4(*number);
  instance.mesh6 = pool_.mesh6(*number);
  return {};
}

Result<void> Registry::persist(const InstanceRecord& record) {
  InstanceRow row;
  row.id = record.instance.id;
  row.machine = record.machine;
  row.mesh_index = record.instance.mesh4.v4_value() - pool_.mesh4(0).v4_value();
  row.registered = record.registered;
  row.registration = pack_instance(record);
  row.address = record.instance.address.to_string();
  return store_.put_instance(row);
}

Result<std::string> Registry::new_id(const std::string& account) {
  for (int i = 0; i < 100; ++i) {
    std::string id = fmt::format("{}-{:06x}", short_account(account), random_.below(1u << 24));
    if (!records_.contains(id)) return id;
  }
  return fail(ErrorKind::kInternal, "no free instance id was found");
}

Result<const InstanceRecord*> Registry::add(Registration registration, std::string machine,
                                            IpAddress seen_from) {
  if (records_.size() >= kInstances) {
    return fail(ErrorKind::kLimit,
                fmt::format("this server holds {} instances already", kInstances));
  }
  InstanceRecord record;
  auto old = records_.find(registration.instance);
  if (old != records_.end()) {
    if (old->second.machine != machine || old->second.registration.ns != registration.ns ||
        old->second.registration.account() != registration.account()) {
      return fail(ErrorKind::kDenied, fmt::format("the instance id {} belongs to another workload",
                                                  registration.instance));
    }
    // Its sidecar was restarted or the connection was lost: what is known of its health holds.
    record.instance.ready = old->second.instance.ready;
    record.registered = old->second.registered;
  } else {
    record.registered = clock_.wall_now();
    bool may_keep = registration.instance.starts_with(short_account(registration.account()) + "-");
    if (!may_keep) {
      auto id = new_id(registration.account());
      if (!id) return std::unexpected(id.error());
      registration.instance = std::move(*id);
    }
  }
  record.instance.id = registration.instance;
  record.machine = std::move(machine);
  record.on_server_host = record.machine.empty() && !registration.advertise_ip;
  IpAddress ip = registration.advertise_ip ? *registration.advertise_ip
                 : record.on_server_host   ? host_ip_
                                           : seen_from;
  record.instance.address = {ip, registration.advertise_port};
  record.heard = clock_.now();
  record.reported = true;
  record.registration = std::move(registration);

  auto stored = store_.transact([&]() -> Result<void> {
    if (auto ok = place(record); !ok) return ok;
    return persist(record);
  });
  if (!stored) return std::unexpected(std::move(stored.error()).context("registering"));
  former_.erase(record.instance.id);
  auto [it, fresh] = records_.insert_or_assign(record.instance.id, std::move(record));
  return &it->second;
}

Result<bool> Registry::report(const std::string& id, const HealthReport& health) {
  auto it = records_.find(id);
  if (it == records_.end()) return fail(ErrorKind::kNotFound, fmt::format("no instance {}", id));
  auto& record = it->second;
  bool changed = record.instance.stale;
  record.instance.stale = false;
  record.heard = clock_.now();
  record.reported = true;
  record.svid_expires = health.svid_expires;
  record.stale_tcp_connections = health.stale_tcp_connections;
  record.notes = health.notes;
  record.sidecar_version = health.version;

  std::map<uint16_t, bool> ready;
  record.why_not_ready.clear();
  for (const auto& port : health.ports) {
    ready[port.app_port] = port.ready;
    if (!port.ready) record.why_not_ready[port.app_port] = port.why;
  }
  bool stored_changes =
      ready != record.instance.ready || (health.draining && !record.instance.leaving);
  record.instance.ready = std::move(ready);
  record.instance.leaving = record.instance.leaving || health.draining;
  if (stored_changes) {
    // Health that cannot be written is still acted on; after a restart it is heard again.
    (void)persist(record);
    changed = true;
  }
  return changed;
}

void Registry::retiring(const std::string& id, std::string version) {
  auto it = records_.find(id);
  if (it == records_.end()) return;
  it->second.retiring_version = std::move(version);
  it->second.retiring_heard = clock_.now();
}

Result<bool> Registry::leave(const std::string& id) {
  auto it = records_.find(id);
  if (it == records_.end()) return fail(ErrorKind::kNotFound, fmt::format("no instance {}", id));
  it->second.heard = clock_.now();
  if (it->second.instance.leaving) return false;
  it->second.instance.leaving = true;
  (void)persist(it->second);
  return true;
}

bool Registry::hung_up(const std::string& id, const model::SpiffeId& identity) {
  auto it = records_.find(id);
  if (it == records_.end() || !it->second.instance.leaving) return false;
  if (it->second.instance.identity != identity) return false;
  forget(id);
  return true;
}

Result<void> Registry::remove(const std::string& id) {
  auto it = records_.find(id);
  if (it == records_.end()) return fail(ErrorKind::kNotFound, fmt::format("no workload {}", id));
  if (!it->second.instance.stale) {
    return fail(ErrorKind::kConflict,
                fmt::format("{} is there: its sidecar was heard {} s ago. It ends with its program "
                            "(SIGTERM to its `weft run`); only a workload that is stale is taken "
                            "away by hand",
                            id, (clock_.now() - it->second.heard).to_seconds()));
  }
  forget(id);
  return {};
}

void Registry::forget(const std::string& id) {
  // A row that cannot be removed now comes back after a restart and ends again after a term.
  (void)store_.transact([&]() -> Result<void> {
    if (auto ok = store_.remove_instance(id); !ok) return ok;
    return store_.release(kPool, id, clock_.wall_now());
  });
  auto it = records_.find(id);
  if (it == records_.end()) return;
  if (former_.size() >= kInstances) former_.clear();
  former_[id] = {it->second.machine, it->second.instance.identity, it->second.on_server_host};
  records_.erase(it);
}

bool Registry::silent(const InstanceRecord& record) const {
  return clock_.now() - record.heard > kTerm;
}

Registry::Changed Registry::expire(const ServicesOf& services_of) {
  Changed changed;
  if (std::none_of(records_.begin(), records_.end(),
                   [&](const auto& e) { return silent(e.second); })) {
    return changed;
  }
  Affected served;  // by somebody who is heard and accepts
  for (const auto& [id, record] : records_) {
    if (silent(record) || !serves(record)) continue;
    served.merge(services_of(id));
  }
  Changed ended;
  for (auto& [id, record] : records_) {
    if (!silent(record)) continue;
    Affected services = record.instance.leaving ? Affected{} : services_of(id);
    if (std::includes(served.begin(), served.end(), services.begin(), services.end())) {
      ended.insert(id);
    } else if (!record.instance.stale) {
      record.instance.stale = true;
      changed.insert(id);
    }
  }
  for (const auto& id : ended) forget(id);
  changed.merge(ended);
  return changed;
}

Registry::Changed Registry::set_host_ip(IpAddress ip) {
  Changed changed;
  if (ip == host_ip_) return changed;
  host_ip_ = ip;
  (void)store_.set_meta({{"host_ip", ip.to_string()}});
  for (auto& [id, record] : records_) {
    if (!record.on_server_host) continue;
    record.instance.address.ip = ip;
    changed.insert(id);
  }
  return changed;
}

const InstanceRecord* Registry::find(const std::string& id) const {
  auto it = records_.find(id);
  return it == records_.end() ? nullptr : &it->second;
}

const Registry::Former* Registry::former(const std::string& id) const {
  auto it = former_.find(id);
  return it == former_.end() ? nullptr : &it->second;
}

Registry::State Registry::state_of(const InstanceRecord& record) const {
  if (record.instance.leaving) return {"leaving", "it drains: requests in flight are finished"};
  if (record.instance.stale) {
    return {"stale",
            fmt::format("its sidecar has been silent for {} s; served because nobody else is left "
                        "(if it is gone for good: weft delete workload {} -n {})",
                        (clock_.now() - record.heard).to_seconds(), record.instance.id,
                        record.instance.ns)};
  }
  if (serves(record)) {
    return record.instance.claims.empty() ? State{"calls only", ""} : State{"serving", ""};
  }
  for (const auto& claim : record.instance.claims) {
    if (claim.app_port == 0) continue;
    auto why = record.why_not_ready.find(claim.app_port);
    if (why != record.why_not_ready.end()) {
      return {"not ready", why->second.empty()
                               ? fmt::format("port {} does not accept", claim.app_port)
                               : why->second};
    }
    if (!record.instance.ready.contains(claim.app_port)) {
      return {"not ready", fmt::format("port {} has not been probed yet", claim.app_port)};
    }
  }
  return {"not ready", "its port does not accept"};
}

}  // namespace weft::control
