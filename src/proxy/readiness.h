// Readiness: is the app's port open, and does its probe pass? Until it is, the instance gets no traffic.
// A port is looked at often while it is closed and seldom while it is open; a connection that a caller's
// request found refused makes it be looked at at once.
// Lives on the worker loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/event.h"
#include "proxy/app_dialer.h"
#include "proxy/port_state.h"

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

  // `changed` hears the state of all ports once each has been looked at, and whenever it is another than
  // before.
  void start(std::function<void(std::vector<PortState>)> changed);
  // A caller found the port closed.
  void look_now(uint16_t app_port);

 private:
  struct Port {
    Port(io::Loop& loop, PortProbe probe) : probe(std::move(probe)), look(loop) {}
    PortProbe probe;
    io::Event look;
    PortState state;
    bool looked = false;  // the state is known
  };

  io::Task<void> watch(Port& port);
  io::Task<Result<void>> check(const PortProbe& probe);
  io::Task<Result<void>> check_http(const PortProbe& probe, io::StreamPtr stream);
  io::Task<Result<void>> check_grpc(const PortProbe& probe, io::StreamPtr stream);
  void tell();

  Worker& worker_;
  AppDialer& dialer_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::function<void(std::vector<PortState>)> changed_;
  io::TaskScope tasks_;
};

}  // namespace weft::proxy
