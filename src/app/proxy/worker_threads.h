// WorkerThreads: the workers of one proxy, each a loop on a thread of its own with everything a request
// passes, and the doors at which connections come in. All workers accept at every door; a connection goes
// to the one that has the fewest (proxy/worker_group.h), whoever accepted it. docs/design/workers.md.
// Main loop only; the main loop outlives it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/proxy/handover.h"
#include "base/log.h"
#include "io/epoll_loop.h"
#include "io/socket_listener.h"
#include "io/thread.h"
#include "proxy/sidecar.h"
#include "proxy/worker_group.h"
#include "telemetry/access_log.h"

namespace weft::app {

class WorkerThreads {
 public:
  // `tell_need` asks the keeper for sockets made inside, of the family "4" or "6"; called on the main loop;
  // false: it could not be told. Takes the sock_diag socket of the handover, which outlives this.
  WorkerThreads(io::EpollLoop& main, size_t workers, Handover& handover, const Log& log,
                telemetry::LineQueue& access, std::function<bool(const char* family)> tell_need);
  // Ends all of them before the first is destroyed: they post to each other.
  ~WorkerThreads();

  // For the sidecar; valid while this lives.
  std::vector<proxy::Sidecar::WorkerRef> refs() const;

  // Begins to accept at the doors of the handover, whose descriptors it takes, and at those that have none
  // yet and are made here. Returns what could not be listened on.
  std::vector<std::string> open_doors();
  // Accepts for this port of a Gateway too, at this place on the host.
  void open_gateway(const SocketAddress& at, uint16_t port, Fd listener);
  // And no more at these; what was accepted stays. Done when no descriptor of theirs is open here.
  io::Task<void> close_gateway(std::vector<SocketAddress> doors);
  // Accepts no more. What waits in the sockets then is for the next process that has them.
  io::Task<void> close_doors();

  // A batch has come; takes the descriptors.
  void add_sockets(bool v4, std::vector<int> fds);

 private:
  struct Member;  // what a worker's thread builds on its own stack
  struct Door;
  struct Asked {
    size_t worker;
    Instant at;
  };
  // Who waits for sockets of one family, in the order in which the keeper was asked.
  using Askers = std::deque<Asked>;

  void start(size_t index, std::function<void(const char*)> need);
  void need_sockets(size_t worker, const char* family);
  Askers& askers(bool v4) { return v4 ? askers4_ : askers6_; }
  // `gateway`: a door that may close by itself; its port is 0 for others.
  void add_door(Fd fd, proxy::Door kind, std::function<void(Member&, io::StreamPtr)> serve,
                SocketAddress gateway = {});
  // On each worker's thread; done when all have.
  io::Task<void> on_all(std::function<void(Member&)> act);
  void on_accepted(size_t worker, const Door& door, io::Accepted accepted);
  // An overloaded worker takes no more, or does again.
  void on_taking(size_t worker, bool takes);

  io::EpollLoop& main_;
  Handover& handover_;
  const Log log_;
  telemetry::LineQueue& access_;
  const std::function<bool(const char*)> tell_need_;
  const std::shared_ptr<proxy::WorkerGroup> group_;
  const proxy::UsageLimits limits_;
  Askers askers4_, askers6_;
  bool accepting_ = true;
  std::vector<std::unique_ptr<Door>> doors_;
  std::vector<Member*> members_;  // each of its thread; reached by post_remote only
  std::vector<std::unique_ptr<io::LoopThread>> threads_;
};

}  // namespace weft::app
