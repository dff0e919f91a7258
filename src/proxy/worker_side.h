// WorkerSide: everything of a sidecar that lives on one worker's loop, wired together. Made and destroyed
// on the worker's thread; the main loop reaches it by post_remote() only, but for counters.
#pragma once

#include <atomic>
#include <set>
#include <vector>

#include "proxy/gateway_side.h"
#include "proxy/inbound.h"
#include "proxy/outbound.h"
#include "proxy/overload_watch.h"
#include "proxy/readiness.h"
#include "proxy/upstream_pool.h"
#include "proxy/worker.h"

namespace weft::proxy {

class WorkerSide {
 public:
  struct Options {
    std::set<uint16_t> host_ports;
    std::vector<PortProbe> probes;
    Presence presence = Presence::kTransparent;
    std::function<Usage()> usage = nullptr;  // of the process; null: only lateness is watched
    UsageLimits limits{};
    std::shared_ptr<WorkerGroup> group = nullptr;  // null: it is alone
  };
  // Called on the worker loop.
  struct Hooks {
    std::function<void(Want)> want;
    // Null: another worker watches the app's ports,
    std::function<void(std::vector<PortState>)> ports_changed;
    // and is told that a caller found one closed.
    std::function<void(uint16_t)> port_refused = nullptr;
  };

  WorkerSide(io::Loop& loop, io::Network& network, AppSide& app, Random& random, Self self, Log log,
             telemetry::LineQueue* access, Options options)
      : worker(loop, network, app, random, std::move(self), std::move(log), access),
        pool(worker),
        outbound(worker, pool, options.host_ports),
        inbound(worker),
        gateway(worker, pool),
        readiness(worker, inbound.dialer(), std::move(options.probes)),
        overload_watch(worker, std::move(options.usage)) {
    worker.presence = options.presence;
    worker.host_ports = std::move(options.host_ports);
    worker.overload.limit(options.limits);
    if (options.group) worker.group = std::move(options.group);
  }

  // From the main loop, before anything is accepted.
  void start(Hooks hooks) {
    worker.want = std::move(hooks.want);
    if (hooks.ports_changed) {
      inbound.dialer().on_refused([this](uint16_t port) { readiness.look_now(port); });
      readiness.start(std::move(hooks.ports_changed));
    } else {
      inbound.dialer().on_refused(std::move(hooks.port_refused));
    }
    overload_watch.start();
  }
  void use_snapshot(SnapshotPtr snapshot) {
    // Requests copy the pointer: its count is the worker's own, or all workers would write one line.
    auto own = std::make_shared<const SnapshotPtr>(std::move(snapshot));
    const std::shared_ptr<const model::Inbound> before = worker.snapshot->inbound;
    worker.snapshot = SnapshotPtr(own, own->get());
    if (const auto& asked = worker.snapshot->inbound; asked != before)
      readiness.use_checks(asked ? asked->checks : std::vector<model::Inbound::Check>());
    worker.snapshot_changed.pulse();
  }
  void use_certificates(TlsSetPtr tls) {
    bool first = !worker.tls;
    worker.tls = std::move(tls);
    if (first) return;
    pool.rotated();
    inbound.rotated();
  }

  // Another sidecar of this instance accepts from now on; what is open here goes on until it ends.
  void retire() {
    inbound.retire();
    outbound.retire();
    gateway.retire();
  }
  void cut() {
    inbound.cut();
    outbound.cut();
    gateway.cut();
  }
  size_t open() const { return inbound.open() + outbound.open() + gateway.open(); }
  size_t busy() const { return inbound.busy() + outbound.busy() + gateway.busy(); }

  Worker worker;
  UpstreamPool pool;
  Outbound outbound;
  Inbound inbound;
  GatewaySide gateway;
  Readiness readiness;
  OverloadWatch overload_watch;
};

}  // namespace weft::proxy
