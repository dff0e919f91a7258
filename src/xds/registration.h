// How a machine joins a trust domain and how an instance comes into the mesh: the client's side of
// weft.v1.Control, used by `weft run`. Each function opens a connection, makes one call and closes
// it.
//
// Access to the server is either its Unix socket (on its own host, by peer credentials) or TLS with
// the machine's credential. Errors tell what to do: kRefused/kTimeout/kUnavailable: the server is
// away, try again; kDenied/kUnauthenticated: trying again does not help.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "base/time.h"
#include "io/loop.h"
#include "io/network.h"
#include "io/task.h"
#include "model/identity.h"
#include "model/service.h"
#include "trust/svid.h"
#include "xds/join_token.h"

namespace weft::xds {

// What a joined machine keeps in a 0600 file: it lets the machine register instances without a
// token.
struct MachineCredential {
  std::shared_ptr<const trust::Svid> svid;
  trust::TrustBundle bundle;
  std::vector<SocketAddress> servers;

  // The file's content (holds the key) and back.
  std::string serialize() const;
  static Result<MachineCredential> parse(std::string_view bytes);
};

// Where the server is reached, and as whom.
struct ServerAccess {
  std::string unix_path;                     // used when not empty
  std::optional<MachineCredential> machine;  // else
};

struct ServiceClaim {
  std::string name;
  uint16_t port = 0;  // 0: only calls out
  uint16_t app_port = 0;
  model::Protocol protocol = model::Protocol::kAuto;
};

struct RegisterParams {
  std::string ns = "default";
  std::vector<ServiceClaim> services;
  std::map<std::string, std::string> labels;
  std::optional<IpAddress> advertise_ip;  // absent: by which address the call reaches the server
  uint16_t advertise_port = 0;
  std::string instance;       // of an instance that registers again; "" for a new one
  std::string identity_name;  // workload name when no service is offered
};

struct Registered {
  std::string instance;
  std::shared_ptr<const trust::Svid> svid;
  trust::TrustBundle bundle;
  IpAddress mesh4, mesh6;
  std::string mesh4_range, mesh6_range;  // CIDR of all mesh and virtual addresses
  std::vector<SocketAddress> discovery;  // to try, best first
  SocketAddress advertise;
  bool as_machine = false;  // with the machine's credential, not over the server's socket
};

// Trades a token for a machine credential. The token then is used up.
io::Task<Result<MachineCredential>> join(io::Loop& loop, io::Network& network, JoinToken token,
                                         std::string machine_name, Duration timeout);
// A new certificate for the same machine; due at half life.
io::Task<Result<MachineCredential>> renew_machine(io::Loop& loop, io::Network& network,
                                                  MachineCredential credential, Duration timeout);
// `key`: the instance's, made by the caller; its private half stays here.
io::Task<Result<Registered>> register_instance(io::Loop& loop, io::Network& network,
                                               ServerAccess access, trust::PrivateKey key,
                                               RegisterParams params, Duration timeout);
// The instance leaves the registry; callers stop choosing it.
io::Task<Result<void>> leave(io::Loop& loop, io::Network& network, ServerAccess access,
                             std::string instance, Duration timeout);

}  // namespace weft::xds
