// GatewaySide: what comes from outside at the listeners of the Gateway that this proxy serves. Which listener
// a connection is for is decided by the port it came to and, where several share one, by the server name it
// asks for; which listener a request is for, by its Host among those of the port. Requests go through the
// same HttpPath as an app's, opaque connections through the same TcpPath.
//
// | a client | gets |
// |---|---|
// | of HTTPS or TLS whose server name no listener has | the alert unrecognized_name |
// | without a server name where every listener has a hostname | the alert missing_extension |
// | that sends no whole ClientHello within 10 s, or something else than TLS | a reset |
// | of a request whose Host belongs to another listener than its server name | 421 |
// | of a request whose Host no listener has, or no route takes | 404 |
//
// Who connected under rules about clients' certificates that are no longer those of the listener has the request
// in hand answered, and is asked to connect anew. A listener that changes its certificate or goes away cuts nothing: connections that are open stay, new ones
// find what is there now. Lives on the worker loop.
#pragma once

#include <list>
#include <memory>

#include "http/server.h"
#include "proxy/http_path.h"
#include "proxy/live_gateway.h"
#include "proxy/tcp_path.h"

namespace weft::proxy {

class GatewaySide {
 public:
  static constexpr Duration kHandshake = Duration::seconds(10);

  GatewaySide(Worker& worker, UpstreamPool& pool)
      : worker_(worker), http_(worker, pool), tcp_(worker, pool) {}

  // A connection to this port of the Gateway, wherever on the host it was accepted.
  void accept(io::StreamPtr client, uint16_t port);

  // No new requests; those in flight end.
  void drain();
  // Another proxy accepts from now on: clients are asked to connect anew, nothing is refused.
  void retire();
  // Ends without a word what is left.
  void cut();
  // Everything that is open, and of that what has something in hand.
  size_t open() const { return conversations_.running() + served_.size(); }
  size_t busy() const;
  size_t active() const { return http_.active() + tcp_.active(); }
  const TcpPath& tcp() const { return tcp_; }

 private:
  io::Task<void> converse(io::StreamPtr client, uint16_t port);
  io::Task<void> by_name(io::StreamPtr client, uint16_t port);
  io::Task<void> terminate(io::StreamPtr client, uint16_t port, const LiveListener& of,
                           std::string_view server_name);
  io::Task<void> carry(io::StreamPtr client, uint16_t port, TcpRulePtr rule);
  using Clients = std::optional<model::ClientValidation>;
  void serve_http(io::StreamPtr client, http::ConnectionInfo info, Destination destination,
                  Clients clients = {});
  // A connection to the listener would be let in as this one was.
  bool lets_in_alike(const Destination& destination, const Clients& clients) const;
  Destination destination(uint16_t port) const;

  Worker& worker_;
  HttpPath http_;
  TcpPath tcp_;
  std::list<std::unique_ptr<http::ServerConnection>> served_;
  bool retiring_ = false;
  io::TaskScope conversations_;
};

}  // namespace weft::proxy
