// Registry: which instances there are, and whether they are there still. A state machine with
// injected time: the server feeds it registrations and reports, asks it now and then to end leases,
// and hands what changed to the compiler.
//
// Leases. An instance that reports keeps its lease. Time is monotonic; a server that starts again
// gives every lease a full term, so nobody is lost because the server was away. An instance silent
// for a term is removed once others serve everything it serves; the last instances of a service are
// never taken away by silence alone: they are marked stale and still served, until somebody takes them
// away by hand. One that left is gone when its sidecar hangs up, at the latest after a term without
// reports. Removed instances may come back under their id, with their addresses.
//
// Addresses. Mesh addresses are numbers of the store's pool "instance": assigned once per id, held
// for a day. Instances on the server's own host that named no address share its address: loopback
// until another machine has joined, then the one by which that machine reaches the server.
//
// What is stored survives a restart: registration, address, readiness, leaving. A failing disk
// refuses registrations; health and leaving go on in memory.
// Threading: the server's loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "control/address_pool.h"
#include "control/compile.h"
#include "control/store.h"

namespace weft::control {

// What an instance says of itself when it registers; checked (registry_codec.h).
struct Registration {
  std::string instance;  // "" = a new one
  std::string ns;
  std::vector<Instance::Claim> claims;
  Labels labels;
  std::string identity_name;  // used when it claims no service
  std::optional<IpAddress> advertise_ip;
  uint16_t advertise_port = 0;

  // Name of its service account: the first service, else identity_name.
  const std::string& account() const {
    return claims.empty() ? identity_name : claims.front().service;
  }
};

struct HealthReport {
  struct Port {
    uint16_t app_port = 0;
    bool ready = false;
    std::string why;
  };
  std::vector<Port> ports;
  bool draining = false;
  WallTime svid_expires{};
  uint32_t stale_tcp_connections = 0;
  std::vector<std::string> notes;
  std::string version;  // of the sidecar
};

// An instance with what only the server needs to know of it.
struct InstanceRecord {
  Instance instance;  // as the compiler takes it
  Registration registration;
  std::string machine;          // "" = the server's host
  bool on_server_host = false;  // its address is the server's own
  WallTime registered{};
  Instant heard{};        // last report, or start of the server
  bool reported = false;  // since the server started
  std::map<uint16_t, std::string> why_not_ready;
  WallTime svid_expires{};
  uint32_t stale_tcp_connections = 0;
  std::vector<std::string> notes;
  std::string sidecar_version;
  // The sidecar before this one, while it still carries something (`weft upgrade`).
  std::string retiring_version;
  std::optional<Instant> retiring_heard;
};

class Registry {
 public:
  static constexpr Duration kTerm = Duration::seconds(15);
  static constexpr size_t kInstances = 20'000;

  // Ids whose Instance is different now, new or gone.
  using Changed = std::set<std::string>;
  using ServicesOf = std::function<Affected(const std::string& id)>;

  // All outlive the registry.
  Registry(Store& store, const Clock& clock, Random& random, const AddressPool& pool,
           std::string trust_domain);

  // Reads the store; every lease begins a full term now.
  Result<void> load();

  // A new instance, or one that registers again under its id (then `machine` and identity must be
  // those it had: kDenied). `seen_from`: the address the call came from.
  Result<const InstanceRecord*> add(Registration registration, std::string machine,
                                    IpAddress seen_from);
  // Renews the lease. kNotFound: the lease is gone, register again. True: the Instance changed.
  Result<bool> report(const std::string& id, const HealthReport& health);
  // A sidecar that another has replaced still carries something; the other reports for the instance.
  void retiring(const std::string& id, std::string version);
  // No new requests for it from now on. kNotFound as above.
  Result<bool> leave(const std::string& id);
  // A sidecar with this identity hung up. True: its instance had left, and is gone now.
  bool hung_up(const std::string& id, const model::SpiffeId& identity);
  // By hand. Only what is stale: an instance that is heard ends with its program (kConflict).
  Result<void> remove(const std::string& id);
  // Ends leases; call about once a second.
  Changed expire(const ServicesOf& services_of);
  // From another machine the server's host is reached at this address.
  Changed set_host_ip(IpAddress ip);
  IpAddress host_ip() const { return host_ip_; }

  const InstanceRecord* find(const std::string& id) const;
  // An instance whose lease ended since the server started; it may come back by itself.
  struct Former {
    std::string machine;
    model::SpiffeId identity;
    bool on_server_host = false;
  };
  const Former* former(const std::string& id) const;
  const std::map<std::string, InstanceRecord>& all() const { return records_; }
  // Serving, or why not, in words: {"not ready", "port 8080 refuses connections"}.
  struct State {
    std::string state;
    std::string why;
  };
  State state_of(const InstanceRecord& record) const;

 private:
  Result<std::string> new_id(const std::string& account);
  Result<void> place(InstanceRecord& record);
  Result<void> persist(const InstanceRecord& record);
  void forget(const std::string& id);
  bool silent(const InstanceRecord& record) const;

  Store& store_;
  const Clock& clock_;
  Random& random_;
  const AddressPool& pool_;
  std::string trust_domain_;
  IpAddress host_ip_;
  std::map<std::string, InstanceRecord> records_;
  std::map<std::string, Former> former_;
};

}  // namespace weft::control
