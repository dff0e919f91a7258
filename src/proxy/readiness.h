// Readiness: is the app's port open, do its probe and the health checks of its services' policies pass?
// Until they do, the instance gets no traffic.
// A port is looked at often while it is closed and seldom while it is open; a connection that a caller's
// request found refused makes it be looked at at once. Checks (model::HealthCheck) have their own pace and
// thresholds; they begin anew when the port opens. A check that is new counts once it has a result; one that
// replaces a failing check of the same service goes on as failing until then.
// Lives on the worker loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/event.h"
#include "proxy/app_dialer.h"
#include "proxy/app_probe.h"
#include "proxy/port_state.h"
#include "steer/health_count.h"

namespace weft::proxy {

struct PortProbe {
  enum Kind : uint8_t { kConnect, kHttp, kGrpc } kind = kConnect;
  uint16_t app_port = 0;
  std::string path;  // kHttp: the target; kGrpc: the service to ask for, "" = the whole server
};

class Readiness {
 public:
  static constexpr Duration kWhileClosed = Duration::millis(100);
  static constexpr Duration kWhileOpen = Duration::seconds(5);
  static constexpr Duration kProbeTimeout = Duration::seconds(2);

  // One probe per declared port.
  Readiness(Worker& worker, AppDialer& dialer, std::vector<PortProbe> probes);
  ~Readiness();

  // `changed` hears the state of all ports once each has been looked at, and whenever it is another than
  // before.
  void start(std::function<void(std::vector<PortState>)> changed);
  // A caller found the port closed.
  void look_now(uint16_t app_port);
  // What the policies of this instance's services ask for; replaces what they asked for before. start()
  // takes the snapshot's; ports that are not declared are left out.
  void use_checks(const std::vector<model::Inbound::Check>& checks);

 private:
  struct Check;
  struct Port {
    Port(io::Loop& loop, PortProbe probe) : probe(std::move(probe)), look(loop) {}
    PortProbe probe;
    io::Event look;
    PortState state;      // of the probe alone
    bool looked = false;  // the state is known
  };

  io::Task<void> watch(Port& port);
  io::Task<Result<void>> probe(const PortProbe& probe);
  io::Task<void> keep_checking(Check& check);
  PortState overall(const Port& port) const;
  void tell();

  Worker& worker_;
  AppDialer& dialer_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<std::unique_ptr<Check>> checks_;
  std::vector<PortState> told_;
  std::function<void(std::vector<PortState>)> changed_;
  io::TaskScope tasks_;
};

}  // namespace weft::proxy
