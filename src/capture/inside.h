// The process inside: the keeper's child that lives in the instance's namespaces, runs the app as its
// own child and makes sockets there. This header is the keeper's side of it and the protocol between
// the two, one SOCK_SEQPACKET pair.
//
// Life: start() → entered → configure() → run() → events until the socket ends. It ends when the last
// process of the instance has ended; when the keeper is gone it kills what is left and ends. The keeper
// is a child subreaper: should this process be killed, the keeper calls kill_descendants().
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "capture/app_process.h"
#include "capture/plan.h"

namespace weft::capture {

enum class InsideKind : uint8_t {
  // keeper → inside
  kConfigure = 1,  // a NetworkPlan; answered by kConfigured or kFailed
  kRun,            // lines NAME=VALUE for the app's environment; answered by kRunning or kCannotRun
  kSignal,         // decimal: to the app, or once it has ended to all that is left of the instance
  kMakeSockets,    // "4", "6" or kDiagSocket; answered by kSockets
  kDeclare,        // a change of port_sets.h; answered by kDeclared
  // inside → keeper
  kEntered,
  kFailed,         // text: why
  kConfigured,     // descriptors of BootstrapFd, from kOutbound4 on (none when not isolated)
  kRunning,        // decimal pid
  kCannotRun,      // "STATUS why"
  kSockets,        // "4" or "6", with descriptors
  kRefused,        // one sentence
  kRefusedPort,    // "240.240.0.9:81"
  kRefusedCounts,  // "DATAGRAMS CONNECTS"
  kDeclared,       // "" or why not
  kStopped,        // decimal signal that stopped the app (job control): the keeper stops too. When
                   // the app goes on, the keeper gets SIGCONT.
  kExited,         // decimal wait(2) status of the app
};

struct InsideMessage {
  InsideKind kind;
  std::string text;
  std::vector<Fd> fds;
};

struct InsideOptions {
  bool isolated = true;  // false: no namespaces, for --explicit
  std::vector<std::string> command;
  CallerSignals signals;
  // An existing directory of Weft's own, covered inside for a moment (mounts.h).
  std::string scratch;
};

class Inside {
 public:
  // Forks; returns once the namespaces are entered. Call early: the child shares nothing it need not
  // know (no key was made yet). The keeper must have one thread only.
  static Result<Inside> start(const InsideOptions& options);

  // Blocks until the network is ready. The descriptors of BootstrapFd, from kOutbound4 on.
  Result<std::vector<Fd>> configure(const NetworkPlan& plan);
  // Asks for the app; the answer comes as an event.
  Result<void> run(const std::vector<std::string>& environment);
  Result<void> signal(int number);
  Result<void> make_sockets(std::string_view family);
  // A change of port_sets.h; the answer comes as an event.
  Result<void> declare(std::string_view change);

  // The next event; blocks. kClosed: the process has ended.
  Result<InsideMessage> receive();
  int socket() const { return socket_.get(); }
  pid_t pid() const { return pid_; }

 private:
  Inside(Fd socket, pid_t pid) : socket_(std::move(socket)), pid_(pid) {}

  Fd socket_;
  pid_t pid_;
};

Result<void> send_inside(int socket, InsideKind kind, std::string_view text,
                         const std::vector<Fd>& fds = {});
Result<InsideMessage> receive_inside(int socket);

}  // namespace weft::capture
