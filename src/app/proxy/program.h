// Program: weft-proxy put together on real loops, sockets and files: the main thread with the keeper's
// socket, discovery, DNS and logs; the worker threads with everything a request passes.
#pragma once

#include <sys/types.h>

#include <map>
#include <set>

#include "app/proxy/admin.h"
#include "app/proxy/handover.h"
#include "app/proxy/log_files.h"
#include "app/proxy/worker_threads.h"
#include "base/random.h"
#include "capture/handoff.h"
#include "io/real_disk.h"
#include "io/socket_network.h"
#include "proxy/dns_listener.h"

namespace weft::app {

class Program {
 public:
  // Takes the keeper's socket. Runs on the thread that made `loop`.
  Program(io::EpollLoop& loop, int keeper, Handover handover, Credential credential);
  ~Program();

  // Begins; the keeper is told kReady when the sidecar serves.
  Result<void> start();

 private:
  // Accepts: at once, or when the keeper says so.
  void serve();
  io::Task<void> close_doors();
  // Of a Gateway.
  void listen(const std::set<uint16_t>& ports, const std::vector<IpAddress>& addresses);
  io::Task<void> leave(std::vector<SocketAddress> doors);
  void ask_for_doors();
  void on_listening(capture::HandoffMessage message);
  void on_keeper();
  void on_message(capture::HandoffMessage message);
  bool tell_keeper(capture::HandoffKind kind, std::string_view text = {});
  void answer_names();
  void take_over();
  io::Task<void> become_ready();
  io::Task<void> drain(bool app_ended);
  io::Task<void> retire(Duration limit);

  io::EpollLoop& loop_;
  Fd keeper_;
  Handover handover_;
  io::RealDisk disk_;
  LogFiles files_;
  Log log_;
  io::SocketNetwork network_;
  SeededRandom random_;
  std::unique_ptr<WorkerThreads> workers_;
  std::unique_ptr<proxy::DnsForwarder> forwarder_;
  std::unique_ptr<proxy::Sidecar> sidecar_;
  std::unique_ptr<proxy::DnsListener> dns_;
  std::unique_ptr<Admin> admin_;
  std::unique_ptr<io::FdWatch> keeper_watch_;
  // Of a Gateway, from where on the host to its port: doors that are to be, are open, and that the keeper was asked
  // for; and why some ports cannot be opened.
  using Doors = std::map<SocketAddress, uint16_t>;
  Doors wanted_doors_, open_doors_, asked_doors_;
  std::map<uint16_t, std::string> failed_ports_;
  ino_t network_namespace_ = 0;  // of the instance; 0: none of its own
  bool ended_ = false;           // the keeper said so
  bool retiring_ = false;
  io::TaskScope tasks_;
  Credential credential_;
};

}  // namespace weft::app
