// OutsideServer: a server of no mesh on a simulated node of its own: HTTP/1.1 and HTTP/2, gRPC that echoes messages, a
// WebSocket that echoes octets, and opaque bytes that come back behind its name; in plain or with TLS.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "http/server.h"
#include "sim/world.h"
#include "trust/tls.h"

namespace weft::scenarios {

class OutsideServer {
 public:
  // For a.example and *.b.example, from 2025 on (the simulated world begins in 2026); its own authority.
  static const char* const kCertificate;

  struct Seen {
    int version = 1;  // of HTTP
    std::string target, authority, server_name;
    wire::Fields fields;
    std::string body;
  };

  OutsideServer(sim::World& world, const std::string& name) : node_(world.node(name)) {}
  void http(uint16_t port);
  // Speaks what is first of `alpn` that the client has, too.
  void https(uint16_t port, const std::vector<std::string>& alpn);
  void tcp(uint16_t port);
  void tls(uint16_t port);
  void close(uint16_t port) { listeners_.erase(port); }
  IpAddress ip() const { return node_.ip(); }

  std::vector<Seen> seen;
  size_t connections = 0, handshakes_failed = 0;
  Duration delay{};

 private:
  void listen(uint16_t port, std::function<void(io::StreamPtr)> accept);
  io::Task<void> shake_hands(io::StreamPtr stream, trust::TlsContextPtr context, bool opaque);
  void serve(io::StreamPtr stream, http::ConnectionInfo info);
  io::Task<void> answer(http::ServerStreamPtr stream);
  io::Task<void> echo(io::StreamPtr stream);

  sim::Node& node_;
  std::map<uint16_t, std::unique_ptr<io::Listener>> listeners_;
  std::list<std::unique_ptr<http::ServerConnection>> served_;
  io::TaskScope tasks_;
};

}  // namespace weft::scenarios
