// Outbound: the connections the app makes. Each is accepted with its original destination, resolved
// against the snapshot (waiting up to 5 s for what discovery is asked on its behalf), and carried as
// the protocol it turns out to speak.
//
// A declared protocol is believed. Otherwise, after a look of a few milliseconds, the way to the server
// is opened and whichever side speaks first decides: a server-first protocol never stalls, and a client
// that opens early and sends HTTP a minute later is still HTTP. With no instance to open a way to, a client of a
// service with an HTTPRoute or GRPCRoute is waited for, since a route may lead elsewhere or answer by itself; one of
// a service without is waited for a little, so that HTTP reads why there is no answer.
//
// Where routes for opaque connections (TLSRoute, TCPRoute) concern the app, they decide instead, by the most
// specific kind that fits what the client says: HTTP on an undeclared port with an HTTPRoute, then TLS by its
// server name, then anything. On a port with a TLSRoute the client has to speak first. What nothing fits:
//
// | the client says | it gets |
// |---|---|
// | a ClientHello with a name that no route has | the alert unrecognized_name (RFC 6066) |
// | a ClientHello without a name | the alert missing_extension (RFC 8446 section 9.2) |
// | a ClientHello that is malformed or longer than 16 KiB | the alert decode_error |
// | something else than TLS (SSLv2's hello too), and there is no TCPRoute | a reset |
// | no whole ClientHello within 10 s | a reset |
// | nothing, and ends | an end |
//
// Lives on the worker loop.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <set>

#include "http/server.h"
#include "proxy/destination.h"
#include "proxy/explanation.h"
#include "proxy/http_path.h"
#include "proxy/tcp_path.h"

namespace weft::proxy {

class Outbound {
 public:
  static constexpr Duration kDiscoveryWait = HttpPath::kDiscoveryWait;
  static constexpr Duration kLook = Duration::millis(5);
  // A first message that could yet become HTTP ("x", "PING") may be all that its client says before an
  // answer: then it goes on as it is.
  static constexpr Duration kUndecided = Duration::millis(100);
  // An app may keep a connection as long as it likes.
  static constexpr Duration kSilence = Duration::hours(24);

  // `host_ports`: ports of the host's loopback that the app may reach at the same place.
  Outbound(Worker& worker, UpstreamPool& pool, std::set<uint16_t> host_ports);

  // A connection from inside with the destination it was made for.
  void accept(io::StreamPtr client, SocketAddress original);
  // A connection to a local port that stands for one service (explicit mode).
  void accept_for(io::StreamPtr client, model::ServiceName service, uint16_t port);

  // What would become of it; the host is an address, but for kService. Answers within `kDiscoveryWait`.
  void explain(Question question, std::move_only_function<void(Explanation)> answer);

  // Requests and connections in hand.
  size_t active() const { return http_.active() + tcp_.active(); }
  // Another sidecar of this instance accepts from now on: the app is asked to connect anew.
  void retire();
  // Ends without a word what is left.
  void cut();
  // Everything that is open, and of that what has something in hand: requests and opaque connections.
  size_t open() const { return conversations_.running() + served_.size(); }
  size_t busy() const;
  const TcpPath& tcp() const { return tcp_; }

 private:
  struct Asked {
    std::optional<SocketAddress> original;
    model::ServiceName service;
    uint16_t port = 0;
  };

  io::Task<void> converse(io::StreamPtr client, Asked asked);
  io::Task<Destination> resolve(Asked asked);
  std::string closed_loopback(const Destination& destination) const;
  io::Task<void> carry_detected(io::StreamPtr client, Destination destination);
  io::Task<void> carry_opaque(io::StreamPtr client, Destination destination);
  // outbound_explain.cc
  io::Task<void> answer(Question question, std::move_only_function<void(Explanation)> answer);
  io::Task<Explanation> explanation(Question question);
  bool takes_http(const Destination& destination) const;
  // outbound_routed.cc
  bool has_tcp_rules(const Destination& destination) const;
  Duration time_to_speak(const Destination& destination) const;
  io::Task<void> carry_routed(io::StreamPtr client, Destination destination);
  io::Task<void> carry_by_name(io::StreamPtr client, Destination destination);
  void serve_http(io::StreamPtr client, Destination destination);
  void refuse(io::StreamPtr client, const Asked& asked, const std::string& why);

  Worker& worker_;
  MeshRanges ranges_;
  std::set<uint16_t> host_ports_;
  HttpPath http_;
  TcpPath tcp_;
  std::list<std::unique_ptr<http::ServerConnection>> served_;
  bool retiring_ = false;
  io::TaskScope conversations_;
  io::TaskScope questions_;
};

}  // namespace weft::proxy
