// How the sidecar reaches its app: with sockets that were made inside the instance's network namespace
// and passed to us in batches by the keeper. A few are always in stock; using them up asks for more.
// One for each worker, on its loop.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/fd.h"
#include "io/epoll_loop.h"
#include "io/event.h"
#include "io/network.h"
#include "proxy/app_side.h"

namespace weft::app {

// Where the app listens, asked of the kernel through the socket of capture/listeners.h, which carries one
// question at a time. For all workers; any thread.
class ListeningPorts {
 public:
  explicit ListeningPorts(Fd sock_diag) : sock_diag_(std::move(sock_diag)) {}
  std::vector<IpAddress> of(uint16_t port);

 private:
  std::mutex asking_;
  Fd sock_diag_;
};

class NamespaceSockets final : public proxy::AppSide {
 public:
  static constexpr size_t kLow = 8;

  // `need` asks the keeper for a batch of the family ("4" or "6"); called on the worker loop.
  NamespaceSockets(io::EpollLoop& loop, std::shared_ptr<ListeningPorts> ports,
                   std::function<void(const char* family)> need);

  // A batch has come; takes the descriptors.
  void add(bool v4, std::vector<int> fds);

  io::Task<Result<io::StreamPtr>> connect(SocketAddress to, std::optional<IpAddress> source,
                                          Duration timeout) override;
  std::vector<IpAddress> listening(uint16_t port) override { return ports_->of(port); }

 private:
  struct Stock {
    explicit Stock(io::Loop& loop) : arrived(loop) {}
    std::vector<Fd> sockets;
    io::Event arrived;
    bool asked = false;
  };
  void refill(Stock& stock, const char* family);

  io::EpollLoop& loop_;
  std::shared_ptr<ListeningPorts> ports_;
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
