// Starting the app as if the caller had: same arguments, descriptors, directory, signal state and
// terminal; fewer capabilities.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace weft::capture {

// What the caller had set up before Weft changed it: which signals were ignored (nohup) and which
// blocked. Taken first thing in main.
class CallerSignals {
 public:
  static CallerSignals capture();
  // Async-signal-safe; for the child that becomes the app.
  void restore() const;

 private:
  sigset_t mask_;
  sigset_t ignored_;
};

enum class AppPrivileges {
  kUnchanged,   // --explicit: nothing was gained, nothing is taken
  kNone,        // rootless
  kRootInside,  // real root without what would let it leave
};

// Forks and executes `command` (found in PATH like a shell does). The errno of a failed exec is the
// error's text and `cannot_run_status` its exit status: 127 not found, 126 not executable.
struct CannotRun {
  int exit_status = 0;
  std::string why;
};
std::expected<pid_t, CannotRun> start_app(const std::vector<std::string>& command,
                                          const CallerSignals& signals, AppPrivileges privileges);

}  // namespace weft::capture
