// Staging: from discovery's updates to snapshots. One apply is one version to this proxy: the updates
// of one generation are held until the last of them is here and until everything the services in them
// name is known, and are then swapped in together. Until then the old version serves. Updates that
// come later and complete an earlier generation take effect with it; services that name each other are
// swapped in together.
//
// Parts of a Service's rules never change and nothing follows from them: they are kept from when they
// come until the control plane takes them back and no Service in use or staged names them. A Service is staged
// until all parts it names are here, and compiled of them then: a request meets the rules of one version. One
// that names a part which was refused is refused for the same reason, at once.
//
// An update is to be acknowledged when it is reported in `done`, after every worker uses the snapshot
// of the same outcome. Objects that cannot be used are refused one by one; what was held stays.
// Pure: no sockets, no clock. Belongs to the main loop.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "proxy/snapshot.h"
#include "xds/delta_client.h"

namespace weft::proxy {

class Staging {
 public:
  struct Acknowledgement {
    uint64_t update = 0;
    std::vector<xds::Rejection> rejections;
  };
  struct Outcome {
    bool swapped = false;  // snapshot() is a new one
    std::vector<Acknowledgement> done;
    std::vector<model::ServiceName> needs;  // staged services wait for these: subscribe them
    std::vector<model::ServiceName> rules;  // staged services wait for parts of their rules
  };

  // What was taken in, as it came: for the last good state on disk.
  struct Held {
    std::string version;
    std::string payload;
  };
  using HeldByName = std::map<std::string, Held>;

  // `own`: where this sidecar is.
  explicit Staging(steer::Place own = {});
  ~Staging();

  Outcome receive(xds::Update update);
  // Takes a resource of the last good state at once; an Error if it cannot be used.
  Result<void> restore(xds::ResourceType type, const std::string& name, const Held& held);
  // Forgets objects whose subscription ended (eviction).
  void forget(const model::ServiceName& service);
  void forget_workload(const std::string& mesh_address);

  const SnapshotPtr& snapshot() const { return snapshot_; }
  const HeldByName& held(xds::ResourceType type) const { return held_[static_cast<size_t>(type)]; }
  // Services that others in use send to: not to be evicted.
  std::set<model::ServiceName> referenced() const;
  // Generations that wait for something, and for what: for status.
  std::vector<std::string> waiting_for() const;

 private:
  // One object of an update, decoded; empty pointers: removed.
  struct Change;
  struct Generation {
    uint64_t number = 0;
    bool complete = false;
    bool names = false;  // tells about the index, even if only that it is empty
    std::vector<Change> changes;
    std::vector<Acknowledgement> updates;
  };

  struct Part {
    CompiledPartPtr compiled;
    bool gone = false;  // the control plane has none such any more
  };

  static Result<Change> decode(xds::ResourceType type, const std::string& name, const Held& held);
  CompiledService::Parts parts_of(const std::string& service) const;
  std::string refused_part_of(const model::Service& service) const;
  std::vector<model::ServiceName> assemble();
  void sweep_parts();
  void forget_parts(const std::string& service);
  void take(xds::Update& update, Generation& generation);
  void supersede(const Change& newer);
  std::set<model::ServiceName> missing(const Change& change, const std::vector<size_t>& with) const;
  bool will_have(xds::ResourceType type, const std::string& name,
                 const std::vector<size_t>& with) const;
  void swap_in(Outcome& outcome);
  void apply(const Change& change, Snapshot& next, std::shared_ptr<NameIndex>& names);
  void publish(std::shared_ptr<Snapshot> next);

  const steer::Place own_;
  SnapshotPtr snapshot_;
  std::vector<Generation> pending_;
  HealthRegistry health_;
  std::array<HeldByName, xds::kResourceTypes> held_;
  std::map<std::string, Part> parts_;  // by resource name
  std::map<std::string, std::string>
      refused_parts_;  // and why, while a staged Service may name them
};

}  // namespace weft::proxy
