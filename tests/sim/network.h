// SimNetwork: io::Network of one simulated thread on one host.
#pragma once

#include <string>

#include "io/network.h"
#include "sim/fabric.h"

namespace weft::sim {

class SimNetwork final : public io::Network {
 public:
  SimNetwork(Fabric& fabric, Host& host, io::Loop& loop)
      : fabric_(fabric), host_(host), loop_(loop) {}

  io::Task<Result<io::StreamPtr>> connect(SocketAddress to, Duration timeout) override;
  // The same with `source` as the address the peer sees, whoever owns it (what a sidecar does when it
  // dials its app from the caller's mesh address).
  io::Task<Result<io::StreamPtr>> connect_from(IpAddress source, SocketAddress to,
                                               Duration timeout);
  Result<std::unique_ptr<io::Listener>> listen(SocketAddress at, io::AcceptFn accept) override;
  io::Task<Result<io::StreamPtr>> connect_unix(std::string path, Duration timeout) override;
  Result<std::unique_ptr<io::Listener>> listen_unix(std::string path, io::AcceptFn accept) override;

 private:
  Fabric& fabric_;
  Host& host_;
  io::Loop& loop_;
};

}  // namespace weft::sim
