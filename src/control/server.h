// Server: the control plane as one object. It opens the store, makes or loads the trust domain, and
// serves
//   one TLS port    joining (no certificate), registration (machine), discovery (workload): gRPC
//   a Unix socket   the JSON API and the same gRPC for callers of this host, by peer credentials
//   the status page read-only HTTP, meant for loopback
// Everything it knows survives in the store; destroying the object at any point is a crash it is
// prepared for. The whole server runs on one loop, so it also runs in the simulation.
//
//   Server server(loop, network, random, log, options);
//   if (auto ok = server.start(); !ok) …
//   co_await server.stop();   // optional: lets calls in flight end
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "base/result.h"
#include "control/api.h"
#include "control/ca_service.h"
#include "control/store.h"
#include "io/loop.h"
#include "io/network.h"
#include "io/task.h"
#include "trust/ca.h"

namespace weft::control {

struct PeerCredentials {
  int uid = -1;
  int pid = -1;
};

struct ServerOptions {
  StoreOptions store;
  SocketAddress listen{{}, 7443};
  std::string socket_path;                // "" = no Unix socket
  std::optional<SocketAddress> status;    // absent = no status page
  std::string trust_domain;               // "" = the stored one, or weft.local
  std::vector<SocketAddress> advertised;  // where other machines reach this server, best first
  // The user named the address: it also is where instances of this host are reached.
  bool advertised_by_user = false;
  std::set<int> allowed_uids;  // who may use the Unix socket
  std::function<PeerCredentials(const io::Stream&)> peer_credentials;
  std::string version;                                          // of Weft
  Duration svid_life = trust::CertificateAuthority::kLeafLife;  // of workloads' certificates
  Duration machine_life = CaService::kMachineLife;              // of joined machines' credentials
};

class Server {
 public:
  // All but the options outlive the server.
  Server(io::Loop& loop, io::Network& network, Random& random, Log log, ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  Result<void> start();
  // Accepts nothing new, ends streams in order, waits for them at most `patience`.
  io::Task<void> stop(Duration patience);

  const std::string& trust_domain() const;
  bool made_trust_domain() const;  // at this start
  SocketAddress listening() const;
  Result<NewToken> create_token(const TokenRequest& request);
  StatusView status() const;
  Served served(const model::ServiceName& service) const;
  // For tests and the simulation: what runs inside.
  ControlPlane& plane();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft::control
