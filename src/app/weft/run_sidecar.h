// Starting weft-proxy for an instance, and the keeper's end of the hand-over socket.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "capture/handoff.h"

namespace weft::app {

struct Sidecar {
  pid_t pid = 0;  // 0: none, or ended
  Fd socket;      // non-blocking; capture/handoff.h
  std::string version;
  bool ready = false;
};

// Exit status of one whose program could not be executed.
constexpr int kCannotExecute = 127;

// The weft-proxy beside this executable, else the one in PATH; kNotFound says where was looked.
Result<std::string> find_sidecar_program();

// Starts `program` in a session of its own (the terminal's signals do not reach it), deaf to the signals
// a supervisor sends to a whole group, with nothing of ours open but the hand-over socket, and sends it
// the bootstrap as a message of `kind`: kBootstrap or kStandBy. What it writes to its output and error goes to the file `output`, made anew.
Result<Sidecar> start_sidecar(const std::string& program, const std::string& output,
                              capture::HandoffKind kind, std::string_view bootstrap,
                              const std::vector<Fd>& fds);

}  // namespace weft::app
