// The keeper: what `weft run` is from the moment its instance is registered. It starts the sidecar,
// replaces it when it dies or is upgraded (run_upgrade.h), has the app started once the sidecar is ready, relays sockets and refusals
// between the two, turns SIGTERM into leave → drain → signal, and ends when the instance has ended.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/time.h"
#include "capture/inside.h"

namespace weft::app {

struct KeeperConfig {
  std::string directory;  // of the instance: for the control socket; "" = none, and no upgrades
  std::string proxy_program;
  std::string proxy_output;  // file for what the sidecar says before it has a log
  std::function<std::string(bool restarted)> bootstrap;  // a serialized weft.v1.Bootstrap
  std::vector<Fd> bootstrap_fds;                         // in the order of capture::BootstrapFd
  std::vector<std::string> environment;                  // NAME=VALUE, added to the app's
  Duration ready_within;                                 // for the sidecar's first start
  Duration next_ready_within = Duration::seconds(20);    // for the next one, in an upgrade
  std::function<void(const std::string&)> log;           // one line of the keeper's own
  // Called now and then while the instance lives; must not wait. Returns when to call it again. May be
  // empty. Children it leaves are reaped.
  std::function<Duration()> chore;
};

// Runs the instance to its end and returns the exit status of `weft run`. What stops a start goes to
// stderr. The process has one thread and is a child subreaper; signals are the keeper's from here on.
int keep(capture::Inside inside, KeeperConfig config);

}  // namespace weft::app
