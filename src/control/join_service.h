// Joining: tokens are made here, and traded for machine credentials here. A token works once, for a
// while, and allows what it was made for; only the hash of its secret is kept. A machine credential
// allows the same as its token did, until the machine is revoked.
// Threading: the server's loop.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "control/api.h"
#include "control/ca_service.h"
#include "control/store.h"

namespace weft::control {

// A certificate chain and what to trust, for whoever asked.
struct Credential {
  std::vector<std::string> chain_der;
  std::vector<std::string> roots_der;
};

class JoinService {
 public:
  static constexpr Duration kMaxTokenLife = Duration::hours(24 * 7);

  // All outlive it. `advertised`: where other machines reach this server; may be empty.
  // `machine_life`: of a machine's credential.
  JoinService(Store& store, const CaService& ca, const Clock& clock, Random& random,
              std::vector<SocketAddress> advertised,
              Duration machine_life = CaService::kMachineLife);

  // kUnavailable when the server has no address that another machine could dial.
  Result<NewToken> create_token(const TokenRequest& request);
  // `secret_text`: base64url, as the token carries it. kUnauthenticated says what is wrong with it.
  Result<Credential> join(std::string_view secret_text, std::string_view machine_name,
                          std::string_view csr_der);
  Result<Credential> renew(const std::string& machine_id, std::string_view csr_der);
  // The machine behind a credential; kDenied when it was revoked or never joined.
  Result<MachineRow> machine(const std::string& machine_id) const;

 private:
  Result<void> drop_expired();
  Result<Credential> credential(const std::string& machine_id, std::string_view csr_der) const;

  Store& store_;
  const CaService& ca_;
  const Clock& clock_;
  Random& random_;
  std::vector<SocketAddress> advertised_;
  Duration machine_life_;
};

}  // namespace weft::control
