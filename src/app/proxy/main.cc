// weft-proxy: the sidecar of one instance. Started by `weft run` with the keeper's socket as descriptor 3;
// not meant to be started by hand.
//
//   1. receive the bootstrap message and the sockets made inside the instance
//   2. take the credential from the memory the keeper holds      -- from here on nothing is asked for --
//   3. serve until the keeper is gone
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "app/proxy/idle_memory.h"
#include "app/proxy/program.h"

namespace {

// Exit status for a start that failed; what the keeper shows is in the kFailed message.
constexpr int kCannotStart = 1;

int give_up(const weft::Error& error) {
  std::fprintf(stderr, "weft-proxy: %s\n", error.message().c_str());
  (void)weft::capture::send_handoff(weft::capture::kHandoffFd, weft::capture::HandoffKind::kFailed,
                                    std::to_string(kCannotStart) + " " + error.message());
  return kCannotStart;
}

}  // namespace

int main(int argc, char**) {
  using namespace weft;
  if (argc > 1 || ::fcntl(capture::kHandoffFd, F_GETFD) < 0) {
    std::fprintf(stderr,
                 "weft-proxy %s is the sidecar that `weft run` starts for each instance.\n"
                 "It takes no arguments and cannot be started by hand; see `weft run --help`.\n",
                 WEFT_VERSION);
    return 2;
  }
  ::signal(SIGPIPE, SIG_IGN);

  auto message = capture::receive_handoff(capture::kHandoffFd);
  if (!message) return give_up(message.error());
  const bool standby = message->kind == capture::HandoffKind::kStandBy;
  if (message->kind != capture::HandoffKind::kBootstrap && !standby) {
    return give_up(Error(ErrorKind::kProtocol, "the keeper's first message is no bootstrap"));
  }
  auto handover = app::read_handover(message->text, std::move(message->fds));
  if (!handover) return give_up(handover.error());
  handover->options.standby = standby;
  auto credential = app::read_credential(handover->svid_memory.get());
  if (!credential) return give_up(credential.error());

  io::EpollLoop loop;
  app::Program program(loop, capture::kHandoffFd, std::move(*handover), std::move(*credential));
  if (auto started = program.start(); !started) return give_up(started.error());
  app::IdleMemory idle_memory(loop);
  loop.run();
  return 0;
}
