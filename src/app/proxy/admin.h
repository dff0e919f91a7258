// The sidecar's admin door: read-only HTTP on a free port of the host's loopback, whose address is written
// to the file "admin" of the instance's directory. GET /metrics (Prometheus), GET /status (JSON).
// Lives on the main loop.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "http/server.h"
#include "io/disk.h"
#include "io/network.h"
#include "proxy/sidecar.h"

namespace weft::app {

class Admin {
 public:
  // All outlive it.
  Admin(io::Loop& loop, proxy::Sidecar& sidecar) : loop_(loop), sidecar_(sidecar) {}
  Result<void> open(io::Network& network, io::Disk& disk, const std::string& directory);

 private:
  void accept(io::StreamPtr stream);
  io::Task<void> serve(http::ServerStreamPtr stream);

  io::Loop& loop_;
  proxy::Sidecar& sidecar_;
  std::unique_ptr<io::Listener> listener_;
  std::list<std::unique_ptr<http::ServerConnection>> served_;
};

}  // namespace weft::app
