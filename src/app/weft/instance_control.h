// The control socket of an instance: how `weft upgrade` reaches the keeper (`weft run`) of a running
// instance. A Unix SOCK_SEQPACKET socket "control" in the instance's directory, mode 0600; only the
// instance's user and root are heard (SO_PEERCRED). The keeper may be much older than who asks: packets are
// a word and lines, and what is not understood is refused in words.
//
//   asked      "upgrade\nPROGRAM\nMILLISECONDS": replace the sidecar by PROGRAM (an absolute path); what the
//              old one still carries may go on for so long.
//   answered   "failed\nWHY": the old one stays. Or
//              "serving\nFROM\nTO\nMILLISECONDS\nOPEN": the new one serves, since so long after it was asked;
//              so many connections are still open in the old one. And when that has ended
//              "done\nENDED\nCUT" or "lost\nWHY".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace weft::app {

constexpr const char* kControlName = "control";

// The lines of a packet.
std::vector<std::string> control_lines(std::string_view packet);

// The keeper's end.
class ControlSocket {
 public:
  // Replaces a socket that a dead keeper left there.
  static Result<ControlSocket> listen(const std::string& directory);
  int descriptor() const { return listener_.get(); }
  // A connection that waits, non-blocking, if there is one and it may ask.
  Fd accept();

 private:
  explicit ControlSocket(Fd listener) : listener_(std::move(listener)) {}
  Fd listener_;
};

// The asker's end, blocking. kNotFound: no such instance. kUnavailable: it has ended. kDenied.
Result<Fd> connect_to_instance(const std::string& directory);

}  // namespace weft::app
