// A socket keeps the namespace it was made in; that is all the magic. Asking takes a round trip to the
// keeper and the process inside (some 100 microseconds), so it happens before the stock is empty.
#include "app/proxy/namespace_sockets.h"

#include "capture/listeners.h"
#include "io/socket_network.h"

namespace weft::app {

std::vector<IpAddress> ListeningPorts::of(uint16_t port) {
  if (!sock_diag_) return {};
  const std::lock_guard lock(asking_);
  auto found = capture::listening_addresses(sock_diag_.get(), port);
  return found ? std::move(*found) : std::vector<IpAddress>();
}

NamespaceSockets::NamespaceSockets(io::EpollLoop& loop, std::shared_ptr<ListeningPorts> ports,
                                   std::function<void(const char*)> need)
    : loop_(loop), ports_(std::move(ports)), need_(std::move(need)), v4_(loop), v6_(loop) {}

void NamespaceSockets::add(bool v4, std::vector<int> fds) {
  Stock& stock = v4 ? v4_ : v6_;
  for (int fd : fds) stock.sockets.emplace_back(fd);
  stock.asked = false;
  stock.arrived.pulse();
}

void NamespaceSockets::refill(Stock& stock, const char* family) {
  if (stock.asked || stock.sockets.size() >= kLow) return;
  stock.asked = true;
  need_(family);
}

io::Task<Result<io::StreamPtr>> NamespaceSockets::connect(SocketAddress to,
                                                          std::optional<IpAddress> source,
                                                          Duration timeout) {
  const char* family = to.ip.is_v4() ? "4" : "6";
  Stock& stock = to.ip.is_v4() ? v4_ : v6_;
  Instant until = loop_.now() + timeout;
  while (stock.sockets.empty()) {
    refill(stock, family);
    Duration left = until - loop_.now();
    if (left.ns <= 0 || !co_await stock.arrived.wait_for(left)) {
      stock.asked = false;  // the request may have been lost with a keeper under pressure
      co_return fail(ErrorKind::kUnavailable, "no socket from inside the instance",
                     ErrorSource::kInternal, Retry::kYes);
    }
  }
  int fd = stock.sockets.back().release();
  stock.sockets.pop_back();
  refill(stock, family);
  std::optional<SocketAddress> bind_source;
  if (source) bind_source = SocketAddress{*source, 0};
  co_return co_await io::connect_with(loop_, fd, to, bind_source, until - loop_.now());
}

}  // namespace weft::app
