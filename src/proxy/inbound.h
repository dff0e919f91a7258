// Inbound: what other sidecars bring. Accepts mutual TLS only, under a server name of this instance
// (anything else fails in the handshake), lets identities of the own namespace and trust domain in, and
// hands requests and connections to the app's port that the server name says.
//
// Answers of the sidecar itself that mean "the app has seen nothing of this" carry weft-unprocessed, so
// the caller's sidecar may try another instance.
// Lives on the worker loop.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <set>

#include "http/server.h"
#include "http/tls_stream.h"
#include "proxy/app_pool.h"
#include "proxy/sni.h"

namespace weft::proxy {

// May this peer call us? Identities of one namespace of the own trust domain may.
bool may_call(const model::SpiffeId& peer, const model::SpiffeId& self);

class Inbound {
 public:
  static constexpr Duration kHandshake = Duration::seconds(10);
  // A calling sidecar that is silent for so long while it has a request open is asked whether it is there.
  static constexpr Duration kPingAfter = Duration::seconds(5);

  explicit Inbound(Worker& worker);

  // A connection on the advertised port.
  void accept(io::StreamPtr transport);
  // A connection on a plain door of the host: requests if the app's port is declared as HTTP or gRPC,
  // else bytes as they are. Nobody is authorized here: the door was opened for all.
  void accept_plain(io::StreamPtr client, uint16_t app_port);
  // The same behind a load balancer: the connection must begin with a PROXY header (wire/proxy_protocol.h) of
  // at most 4 KiB, whole within 5 s, else it is reset. The client is who the header says; with LOCAL and
  // UNKNOWN, whoever connected.
  void accept_introduced(io::StreamPtr client, uint16_t app_port);

  // New certificates: callers are asked to connect anew, what is in flight ends on the old connections.
  // Each at a moment of its own within a quarter of what its certificate has left, so that the callers of
  // a busy instance do not all shake hands at once.
  void rotated();
  // No new requests; those in flight end.
  void drain();
  // Another sidecar of this instance accepts from now on: callers are asked to connect anew, nothing is
  // refused.
  void retire();
  // Ends without a word what is left.
  void cut();
  // Everything that is open, and of that what has something in hand: requests and opaque connections.
  size_t open() const { return conversations_.running() + served_.size(); }
  size_t busy() const;
  // Requests and connections in hand.
  size_t active() const { return active_; }
  // Of callers, HTTP only.
  size_t connections() const { return served_.size(); }
  AppDialer& dialer() { return dialer_; }

 private:
  // Who is on the other side of a connection.
  struct Peer {
    std::string identity;
    bool allowed = false;
    uint16_t app_port = 0;
    bool upgrade = false;                      // ALPN http/1.1
    std::optional<WallTime> certificate_ends;  // ours, on this connection
    bool plain = false;  // came through a published door: no sidecar on the other side
    // What weft-source-workload said last on this connection, and what it means: it seldom changes.
    mutable std::string source;
    mutable CallerAddress caller;
  };
  struct Request;
  struct Served {
    std::unique_ptr<http::ServerConnection> connection;
    std::optional<WallTime> certificate_ends;  // none on a plain door
    std::unique_ptr<io::Timer> replace;        // armed by a rotation
  };

  // The service of what came through a published door.
  static constexpr std::string_view kPublished = "published";

  io::Task<void> converse(io::StreamPtr transport);
  void serve_http(io::StreamPtr stream, http::ConnectionInfo info,
                  std::shared_ptr<const Peer> peer);
  io::Task<void> serve(http::ServerStreamPtr down, std::shared_ptr<const Peer> peer);
  bool translate_upgrade(Request& request, bool http1);
  static bool translate_answer(const Request& request, wire::ResponseHead& head);
  io::Task<Result<wire::ResponseHead>> attempt(Request& request);
  io::Task<void> carry_tcp(http::TlsConnection connection, std::shared_ptr<const Peer> peer);
  io::Task<void> carry_plain(io::StreamPtr client, uint16_t app_port);
  io::Task<void> introduce(io::StreamPtr client, uint16_t app_port);
  void replace_in_time(Served& served);

  Worker& worker_;
  AppDialer dialer_;
  AppPool pool_;
  std::list<Served> served_;
  size_t active_ = 0;
  std::set<uint16_t> warned_doors_;  // app ports; said once each
  bool retiring_ = false;
  io::TaskScope conversations_;
};

}  // namespace weft::proxy
