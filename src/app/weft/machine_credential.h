// The machine's credential on this machine: traded for a token once, kept in the state directory (0600),
// and renewed at half of its life by whoever uses it: `weft run` when it starts, and every keeper that
// registered with it for as long as its instance lives. A machine that is off or idle for less than the
// credential's life (14 days unless the server says otherwise) needs no token afterwards.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "io/loop.h"
#include "io/network.h"
#include "io/real_disk.h"
#include "io/task.h"
#include "xds/registration.h"

namespace weft::app {

class CredentialFile {
 public:
  explicit CredentialFile(const std::string& state_dir);

  // kNotFound: this machine has not joined. kInvalid: the file is damaged.
  Result<xds::MachineCredential> load();
  // Was this token already traded for the credential kept here?
  bool made_by(const std::string& token);
  Result<> save(const xds::MachineCredential& credential);
  Result<> save(const xds::MachineCredential& credential, const std::string& token);

  const std::string& lock_path() const { return lock_path_; }

 private:
  io::RealDisk disk_;
  std::string state_dir_, path_, token_path_, lock_path_;
};

// Until the credential has lived half of its life; 0 = due.
Duration until_renewal(const xds::MachineCredential& credential, WallTime now);
bool expired(const xds::MachineCredential& credential, WallTime now);
// What to do about a credential that ended, in words.
std::string join_again_text(const xds::MachineCredential& credential);

// A new one if it is due and nobody else on this machine is renewing it, saved; else the one given. An
// error when the server gave none: the one given is still good until it ends.
io::Task<Result<xds::MachineCredential>> renew_if_due(io::Loop& loop, io::Network& network,
                                                      CredentialFile& file,
                                                      xds::MachineCredential credential,
                                                      Duration timeout);

// Keeps the credential young while an instance runs. look() is called from the keeper's loop and never
// waits: what is due is done by a short-lived child, which the keeper reaps as it reaps everything.
class CredentialKeeper {
 public:
  using Say = std::function<void(const std::string&)>;  // one line of the keeper's log
  CredentialKeeper(std::string state_dir, Say say);

  // Returns when to look again.
  Duration look();

 private:
  std::string state_dir_;
  Say say_;
  bool told_end_ = false;
};

}  // namespace weft::app
