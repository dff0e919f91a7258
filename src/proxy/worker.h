// Worker: what all conversations of one worker loop stand on: who we are, the network, the present
// snapshot and certificates, and the ways to ask the main loop for more. One per loop, single-threaded;
// the main loop replaces snapshot and certificates by post_remote().
#pragma once

#include <functional>
#include <map>
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
#include "proxy/snapshot.h"
#include "proxy/tls_set.h"
#include "telemetry/access_log.h"
#include "telemetry/edges.h"

namespace weft::proxy {

// Who this sidecar's instance is.
struct Self {
  std::string instance;
  model::SpiffeId identity;
  std::string ns;
  IpAddress mesh4, mesh6;
  std::string mesh4_range, mesh6_range;           // CIDR of all mesh and virtual addresses
  std::map<uint16_t, model::Protocol> app_ports;  // declared: what the app speaks there
  bool explicit_mode = false;
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
  TlsSetPtr tls;
  telemetry::EdgeTable edges;
  telemetry::LineQueue* access;  // may be null
  // Goes to the main loop.
  std::function<void(Want)> want;
  bool draining = false;  // no new inbound work
};

}  // namespace weft::proxy
