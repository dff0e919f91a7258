// How the sidecar reaches its app: with sockets that were made inside the instance's network namespace
// and passed to us in batches by the keeper. A few are always in stock; using them up asks for more.
// Lives on the worker loop.
#pragma once

#include <functional>
#include <vector>

#include "base/fd.h"
#include "io/epoll_loop.h"
#include "io/event.h"
#include "io/network.h"
#include "proxy/app_side.h"

namespace weft::app {

class NamespaceSockets final : public proxy::AppSide {
 public:
  static constexpr size_t kLow = 8;

  // `need` asks the keeper for a batch of the family ("4" or "6"); called on the worker loop. `sock_diag`:
  // capture/listeners.h.
  NamespaceSockets(io::EpollLoop& loop, Fd sock_diag, std::function<void(const char* family)> need);

  // A batch has come; takes the descriptors.
  void add(bool v4, std::vector<int> fds);

  io::Task<Result<io::StreamPtr>> connect(SocketAddress to, std::optional<IpAddress> source,
                                          Duration timeout) override;
  std::vector<IpAddress> listening(uint16_t port) override;

 private:
  struct Stock {
    explicit Stock(io::Loop& loop) : arrived(loop) {}
    std::vector<Fd> sockets;
    io::Event arrived;
    bool asked = false;
  };
  void refill(Stock& stock, const char* family);

  io::EpollLoop& loop_;
  Fd sock_diag_;
  std::function<void(const char*)> need_;
  Stock v4_, v6_;
};

// In explicit mode the app is on the host itself.
class HostApp final : public proxy::AppSide {
 public:
  explicit HostApp(io::Network& network) : network_(network) {}
  io::Task<Result<io::StreamPtr>> connect(SocketAddress to, std::optional<IpAddress>,
                                          Duration timeout) override {
    return network_.connect(to, timeout);
  }

 private:
  io::Network& network_;
};

}  // namespace weft::app
