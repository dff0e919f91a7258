// Sidecar: the main loop's half of weft-proxy and the wiring of both halves: discovery and certificates
// flow from here to the workers, wants and port health come back. It knows loops, networks and disks by
// their interfaces only, so a simulation runs it as the program does.
//
// Life: construct both halves, then start() (main loop). drain() leaves the registry and empties the
// inbound side. In an upgrade two sidecars of one instance live at once: the next is made as a standby,
// which learns all and tells nobody, until take_over(); the one before it has retire()d by then and goes
// on until what it carries has ended (docs/design/upgrade.md). Destroy this before the WorkerSide, when neither loop turns any more or from the main loop
// while the worker still takes posts.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "io/disk.h"
#include "proxy/control_link.h"
#include "proxy/declared_ports.h"
#include "proxy/discovery.h"
#include "proxy/dns_server.h"
#include "proxy/worker_side.h"

namespace weft::proxy {

class Sidecar {
 public:
  struct Options {
    Self self;
    std::string trust_domain;
    std::vector<SocketAddress> servers;
    std::string registration;  // serialized weft.v1.RegisterRequest
    std::string state_dir;
    std::vector<std::string> search;
    std::string version;
    bool standby = false;
    std::optional<model::GatewayName> gateway;  // it serves this; then there is no app
  };
  struct Hooks {
    // A renewed credential, to be kept where a restarted proxy finds it.
    std::function<void(const trust::Svid&, const trust::TrustBundle&)> keep_svid;
    // Questions that are not of the mesh; may be null: they are answered SERVFAIL.
    std::function<void(std::string query, bool tcp, DnsServer::Reply)> forward_dns;
    // Tells the instance's ruleset which ports are declared (a change of capture/port_sets.h); declared()
    // is called when it is done. False: it cannot be told. Null: there is no ruleset.
    std::function<bool(const std::string& change)> declare;
    // Of a Gateway: accept at these of its ports and no others; listening() is called when that is so.
    // `addresses`: where, unless the operator says otherwise; none: everywhere.
    std::function<void(const std::set<uint16_t>& ports, const std::vector<IpAddress>& addresses)>
        listen;
  };

  // One of the workers, all of the same group; `side` belongs to `loop`.
  struct WorkerRef {
    io::Loop* loop;
    WorkerSide* side;
  };

  // Everything outlives the sidecar. The first of `workers` watches the app's ports.
  Sidecar(io::Loop& loop, io::Network& network, Random& random, io::Disk& disk,
          std::vector<WorkerRef> workers, Options options, std::shared_ptr<const trust::Svid> svid,
          trust::TrustBundle bundle, Hooks hooks, Log log);
  ~Sidecar();

  // Puts the last good state and the certificate in use and connects to the control plane.
  Result<void> start();
  // The index of names is here: connects can be told mesh from outside.
  io::Task<bool> wait_ready(Duration timeout);
  // Leaves the registry, lets callers learn it if there can be any, takes no new inbound work, waits for
  // what is in flight, at most `limit`, and reports for the last time. `app_ended`: nobody is there to
  // serve callers any more, so there is nothing they would have to learn first.
  io::Task<void> drain(Duration limit, bool app_ended = false);

  // A standby has heard from the control plane what is new since the last good state was written.
  io::Task<bool> wait_heard(Duration timeout);
  // A standby becomes the sidecar that speaks for the instance.
  void take_over();
  // Another sidecar accepts and speaks for the instance from now on. What is open here goes on until it
  // ends or `limit` has passed (a later call may shorten that); then it is cut. Reports for the last time
  // before it returns. `left` is told how many connections are open, at first and whenever that has
  // changed.
  struct Retired {
    size_t ended = 0;  // connections, by themselves
    size_t cut = 0;    // requests and opaque connections that had to be
  };
  io::Task<Retired> retire(Duration limit, std::function<void(size_t)> left);
  void retire_within(Duration limit);
  // Waits until nothing is in hand that others brought; how much still is.
  io::Task<size_t> inbound_ended(Instant until);

  // What would become of a request or a connection: of the app, from the name it dials on; of a client of the
  // Gateway that is served, from the port it connects to on.
  io::Task<Explanation> explain(Question question);

  DnsServer& dns() { return dns_; }
  // The answer to the change under way: "" or why it could not be made.
  void declared(const std::string& failure);
  // The last `listen` asked for has been carried out: ports that could not be opened, and why.
  void listening(const std::map<uint16_t, std::string>& failed);
  // The kernel refused a connect to a port that is not declared.
  void refused_port(const std::string& destination);
  // So many more datagrams, and connects to ports that are not declared.
  void count_refusals(uint64_t datagrams, uint64_t connects);
  // Something a person should see in `weft status`.
  void note(std::string text);
  std::string status_json() const;
  // Prometheus text for a scrape with this Accept header, and its content type.
  std::string metrics(std::string_view accept, std::string* content_type) const;

 private:
  void publish(SnapshotPtr snapshot, std::move_only_function<void()> in_use);
  void use_inbound(const Snapshot& snapshot);
  Result<void> use_certificate(std::shared_ptr<const trust::Svid> svid,
                               const trust::TrustBundle& bundle);
  std::optional<ReportContent> collect();
  io::Task<void> housekeeping();
  // The sum of what `count` says on the workers' loops.
  io::Task<size_t> ask_workers(size_t (*count)(WorkerSide&));
  // Sends the next change of the ruleset, or lets those go on who wait for all to be made.
  void declare_next();
  void follow_listeners();
  void say_where_closed(uint16_t port, Explanation& explanation) const;
  bool declares() const { return hooks_.declare && stage_ == Stage::kServing; }
  std::vector<telemetry::EdgeTotals> edges() const;
  static void post_to(const WorkerRef& worker, std::move_only_function<void(WorkerSide&)> work);
  void to_workers(const std::function<void(WorkerSide&)>& work);
  WorkerSide::Hooks worker_hooks(bool first);

  io::Loop& loop_;
  const std::vector<WorkerRef> workers_;
  Random& random_;
  Options options_;
  Hooks hooks_;
  Log log_;
  std::shared_ptr<const trust::Svid> svid_;
  trust::TrustBundle bundle_;
  uint64_t tls_generation_ = 0;
  std::shared_ptr<const model::Inbound> inbound_;
  steer::RateLimitsPtr rate_limits_;  // of it; null: none

  // Nothing until all have been looked at once: a restarted sidecar must not call a port closed because it
  // does not know yet.
  std::optional<std::vector<PortState>> ports_;
  bool draining_ = false;
  enum class Stage : uint8_t { kStandby, kServing, kRetiring } stage_;
  Instant retire_by_;
  DeclaredPorts declared_ports_;
  std::shared_ptr<const NameIndex> declared_index_;
  std::set<uint16_t> listener_ports_;  // asked for last
  std::vector<IpAddress> listener_addresses_;
  bool opening_ = false;  // and not carried out yet
  std::vector<std::move_only_function<void()>> when_declared_;
  uint64_t refused_datagrams_ = 0, refused_connects_ = 0;
  std::vector<std::string> notes_;
  telemetry::EdgeReporter reporter_;
  // Written by a worker, read here.
  struct Gauges {
    std::atomic<uint32_t> outlived{0}, active_inbound{0}, active_outbound{0},
        upstream_connections{0};
  };
  uint64_t sum(std::atomic<uint32_t> Gauges::* gauge) const;
  std::vector<std::shared_ptr<Gauges>> gauges_;  // by worker
  io::Event index_ready_;
  io::Event heard_;  // from the control plane

  Discovery discovery_;
  ControlLink link_;
  DnsServer dns_;
  // What other threads post holds this weakly: after the end it does nothing.
  std::shared_ptr<Sidecar*> alive_;
  io::TaskScope tasks_;
};

}  // namespace weft::proxy
