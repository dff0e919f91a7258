// UdpSocket: datagrams on an EpollLoop, for DNS. Receives go to a callback, at most 64 per turn so that
// a flood leaves the loop its other work; what the kernel cannot take when sending is dropped, as UDP
// may. The callback may destroy the socket.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/fd.h"
#include "base/ip.h"
#include "base/result.h"
#include "io/epoll_loop.h"

namespace weft::io {

class UdpSocket {
 public:
  // The bytes live for the call.
  using OnDatagram =
      std::move_only_function<void(std::string_view bytes, const SocketAddress& from)>;

  // port 0 = a free one, chosen by the kernel at random: see local().
  static Result<std::unique_ptr<UdpSocket>> bind(EpollLoop& loop, SocketAddress at,
                                                 OnDatagram on_datagram);
  // A bound UDP socket made elsewhere, e.g. in another network namespace. Becomes non-blocking and
  // close-on-exec; takes the descriptor.
  static std::unique_ptr<UdpSocket> adopt(EpollLoop& loop, int fd, OnDatagram on_datagram);

  UdpSocket(EpollLoop& loop, Fd fd, OnDatagram on_datagram);
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;
  ~UdpSocket();

  // What arrives from now on stays in the socket, for another process that holds it too.
  void stop_receiving();
  // False when it was not sent: full queue, no route, too large.
  bool send_to(std::string_view bytes, const SocketAddress& to);
  const SocketAddress& local() const { return local_; }
  int descriptor() const { return fd_.get(); }

 private:
  struct Again final : Runnable {
    explicit Again(UdpSocket& socket) : socket(socket) {}
    void run() override { socket.receive_all(); }
    UdpSocket& socket;
  };
  void receive_all();

  EpollLoop& loop_;
  Fd fd_;
  OnDatagram on_datagram_;
  SocketAddress local_;
  int family_;
  bool* destroyed_ = nullptr;  // set while receive_all() is on the stack
  Again again_{*this};
  std::optional<FdWatch> watch_;  // until stop_receiving()
};

}  // namespace weft::io
