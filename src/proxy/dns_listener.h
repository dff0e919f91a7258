// The sockets of DNS: those inside the instance that the app's questions arrive at, and those of the host
// that carry on what is not of the mesh. Real sockets only: UDP has no simulated twin.
// Lives on the main loop.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/epoll_loop.h"
#include "io/network.h"
#include "io/udp.h"
#include "proxy/dns_server.h"

namespace weft::proxy {

// Questions from the app, over UDP and TCP.
class DnsListener {
 public:
  DnsListener(io::EpollLoop& loop, DnsServer& server);
  ~DnsListener();

  // Sockets made inside; takes the descriptors.
  void adopt_udp(int fd);
  void adopt_tcp(int fd);
  // Takes no further questions over UDP and no further connections; what was asked is still answered.
  void stop();
  // Questions without an answer yet.
  size_t unanswered() const { return static_cast<size_t>(asked_.use_count()) - 1; }

 private:
  class Connection;

  io::EpollLoop& loop_;
  DnsServer& server_;
  std::vector<std::shared_ptr<io::UdpSocket>> udp_;
  std::vector<std::unique_ptr<io::Listener>> tcp_;
  std::list<std::shared_ptr<Connection>> connections_;
  std::shared_ptr<const bool> asked_ = std::make_shared<bool>(true);  // held by each reply to come
};

// Carries queries to the host's resolvers as they came, under a fresh id from a fresh port each
// (RFC 5452); the first resolver that answers in time is believed.
class DnsForwarder {
 public:
  static constexpr Duration kTry = Duration::seconds(2);
  static constexpr size_t kMostInFlight = 512;

  DnsForwarder(io::EpollLoop& loop, io::Network& network, Random& random,
               std::vector<SocketAddress> nameservers);
  ~DnsForwarder();

  void forward(std::string query, bool tcp, DnsServer::Reply reply);

 private:
  struct Pending;

  void send_udp(uint64_t id);
  void received(uint64_t id, std::string_view message, const SocketAddress& from);
  void finish(uint64_t id, std::string message);
  io::Task<void> over_tcp(std::string query, DnsServer::Reply reply);
  io::Task<std::string> exchange_tcp(SocketAddress server, std::string query);

  io::EpollLoop& loop_;
  io::Network& network_;
  Random& random_;
  std::vector<SocketAddress> nameservers_;
  std::map<uint64_t, std::unique_ptr<Pending>> pending_;
  uint64_t next_ = 0;
  io::TaskScope tasks_;
};

}  // namespace weft::proxy
