// Worker: what all conversations of one worker loop stand on: who we are, the network, the present
// snapshot and certificates, and the ways to ask the main loop for more. One per loop, single-threaded;
// the main loop replaces snapshot and certificates by post_remote(). A proxy has one or more, which meet
// in the group, in the snapshot and nowhere else.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "base/ip.h"
#include "base/log.h"
#include "base/random.h"
#include "io/event.h"
#include "io/loop.h"
#include "io/network.h"
#include "model/identity.h"
#include "model/service.h"
#include "proxy/app_side.h"
#include "proxy/overload.h"
#include "proxy/snapshot.h"
#include "proxy/tls_set.h"
#include "proxy/worker_group.h"
#include "steer/rate_limit.h"
#include "telemetry/access_log.h"
#include "telemetry/edges.h"
#include "telemetry/policy_acts.h"

namespace weft::proxy {

// Who this sidecar's instance is.
struct Self {
  std::string instance;
  model::SpiffeId identity;
  std::string ns;
  std::map<std::string, std::string> labels;
  IpAddress mesh4, mesh6;
  std::string mesh4_range, mesh6_range;           // CIDR of all mesh and virtual addresses
  std::map<uint16_t, model::Protocol> app_ports;  // declared: what the app speaks there
  bool explicit_mode = false;
};

// How a sidecar's HTTP path shows itself to the parties on both sides of it.
//  kTransparent: as a part of its app. What one wrote is what the other reads: field lines, HTTP version,
//    reason phrase. What RFC 9110 asks of an intermediary that shows itself (Via, its own version, a Date
//    where there was none) is left out on purpose, because an app in the mesh must see what it would see
//    without the mesh.
//  kGateway: as an intermediary of its own between strangers. Adds Via, X-Forwarded-For and -Proto, Date;
//    speaks its own HTTP version; takes nobody's word for the fields that gateways say who calls with.
enum class Presence : uint8_t { kTransparent, kGateway };

// Copies of requests (mirrors.h). "dropped": never sent, because of the bounds.
struct MirrorCounts {
  telemetry::Counter answered, failed, dropped;
  telemetry::Counter received;  // for the own app
};

// Something discovery should subscribe to.
struct Want {
  model::ServiceName service;  // or
  std::string mesh_address;    // "240.241.0.7"
  bool again = false;          // what is held proved wrong: ask even if it is subscribed
};

struct Worker {
  Worker(io::Loop& loop, io::Network& network, AppSide& app, Random& random, Self self, Log log,
         telemetry::LineQueue* access)
      : loop(loop),
        network(network),
        app(app),
        random(random),
        self(std::move(self)),
        log(std::move(log)),
        snapshot_changed(loop),
        access(access) {}

  io::Loop& loop;
  io::Network& network;  // of the host
  AppSide& app;
  Random& random;
  Self self;
  Log log;

  SnapshotPtr snapshot = std::make_shared<Snapshot>();
  io::Event snapshot_changed;  // pulsed
  Presence presence = Presence::kTransparent;
  TlsSetPtr tls;
  std::shared_ptr<WorkerGroup> group = std::make_shared<WorkerGroup>(1);
  telemetry::EdgeTable edges;
  telemetry::PolicyActs policy_acts;
  Overload overload;
  steer::RateLimitsPtr rate_limits;  // of this instance, shared by the workers; null: none
  MirrorCounts mirrors;
  telemetry::LineQueue* access;  // may be null
  // Goes to the main loop.
  std::function<void(Want)> want;
  bool draining = false;  // no new inbound work
  // Of the host's loopback, which the app may reach (--host-port).
  std::set<uint16_t> host_ports;
};

}  // namespace weft::proxy
