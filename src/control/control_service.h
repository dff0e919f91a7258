// ControlService: what machines, keepers and sidecars ask of the control plane
// (proto/control.proto). Who asks is decided by the connection alone:
//   Unix socket     root and the server's own uid (and who was allowed by name): may do anything
//   machine SVID    may register what its token allowed, renew itself, take out its own instances
//   workload SVID   may report, renew and leave for instances of its own identity; discovery
//   no certificate  may join, with a token
// unary() is synchronous and knows no sockets; handle() is the gRPC shell around it and discovery.
// Threading: the server's loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control/discovery.h"
#include "control/edges_view.h"
#include "control/join_service.h"
#include "control/questions.h"
#include "control/registry.h"
#include "http/server.h"
#include "model/identity.h"

namespace weft::v1 {
class RegisterRequest;
class ReportRequest;
}  // namespace weft::v1

namespace weft::control {

struct Caller {
  enum Kind : uint8_t { kAnonymous, kLocal, kMachine, kWorkload } kind = kAnonymous;
  model::SpiffeId id;
  IpAddress from;    // where the call came from
  SocketAddress to;  // by which address of ours
};

class ControlService {
 public:
  struct Parts {
    const Clock* clock = nullptr;
    const CaService* ca = nullptr;
    JoinService* joining = nullptr;
    Registry* registry = nullptr;
    EdgesView* edges = nullptr;
    Discovery* discovery = nullptr;
    Questions* questions = nullptr;
    // Instances changed: tell the compiler and the proxies.
    std::function<void(const Registry::Changed&)> changed;
    // Where a caller on this host finds discovery.
    SocketAddress local_discovery;
    std::set<int> allowed_uids;
    // The host's address is fixed by the user: machines that register do not teach it.
    bool fixed_host_ip = false;
    Duration svid_life = trust::CertificateAuthority::kLeafLife;
  };
  explicit ControlService(Parts parts) : parts_(std::move(parts)) {}

  // kDenied for a Unix peer that may not ask.
  Result<Caller> caller_of(const http::ConnectionInfo& info) const;
  // `path`: "/weft.v1.Control/…"; kUnsupported when there is no such method.
  Result<std::string> unary(std::string_view path, const Caller& caller, std::string_view request);
  // One gRPC call of any kind.
  io::Task<void> handle(http::ServerStreamPtr stream);

 private:
  Result<std::string> join(const Caller& caller, std::string_view bytes);
  Result<std::string> renew_machine(const Caller& caller, std::string_view bytes);
  Result<std::string> register_instance(const Caller& caller, std::string_view bytes);
  Result<std::string> issue_svid(const Caller& caller, std::string_view bytes);
  Result<std::string> report(const Caller& caller, std::string_view bytes);
  Result<std::string> leave(const Caller& caller, std::string_view bytes);
  // Whose sidecar opened a call for questions.
  Result<std::string> answerer(const Caller& caller, std::string_view bytes) const;

  Result<std::string> registrar(const Caller& caller, const Registration& registration) const;
  Result<void> come_back(const Caller& caller, const v1::ReportRequest& request);
  void learn_host_ip(const Caller& caller);
  void take_edges(const v1::ReportRequest& request, const model::SpiffeId& reporter);
  bool owns(const Caller& caller, const InstanceRecord& record) const;

  Parts parts_;
  std::map<std::string, uint64_t> last_sequence_;  // by instance; gone with it
};

}  // namespace weft::control
