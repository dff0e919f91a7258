// A sidecar that speaks the hand-over protocol and nothing else. It appends what happens to the file
// named by STAND_IN_LOG, one word a line; answers each connection the app makes with the original
// destination; and behaves as STAND_IN_MODE says: "" (well), "failed" (says kFailed), "dies" (at once),
// "silent" (is never ready), "slow" (takes 300 ms to retire), "deaf" (does not retire), "ready-dies" (after
// kReady), "serves-dies" (when it takes over), "retires-dies" (when it has retired), "holds" (carries one
// connection until the deadline).
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/ip.h"
#include "capture/handoff.h"
#include "capture/processes.h"

using namespace weft;
using namespace weft::capture;

namespace {

void record(const std::string& line) {
  const char* path = std::getenv("STAND_IN_LOG");
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const std::string text = line + "\n";
  [[maybe_unused]] const ssize_t written = ::write(fd, text.data(), text.size());
  ::close(fd);
}

void answer(int listener) {
  const int connection = ::accept(listener, nullptr, nullptr);
  if (connection < 0) return;
  sockaddr_in original{};
  socklen_t size = sizeof original;
  ::getsockname(connection, reinterpret_cast<sockaddr*>(&original), &size);
  const std::string text =
      SocketAddress{IpAddress::v4(ntohl(original.sin_addr.s_addr)), ntohs(original.sin_port)}
          .to_string() +
      "\n";
  [[maybe_unused]] const ssize_t written = ::write(connection, text.data(), text.size());
  ::close(connection);
}

}  // namespace

int main() {
  const std::string mode = std::getenv("STAND_IN_MODE") ? std::getenv("STAND_IN_MODE") : "";
  auto bootstrap = receive_handoff(kHandoffFd);
  if (!bootstrap) return 1;
  const bool standby = bootstrap->kind == HandoffKind::kStandBy;
  if (!standby && bootstrap->kind != HandoffKind::kBootstrap) return 1;
  record((standby ? "standby " : "bootstrap ") + bootstrap->text + " " +
         std::to_string(::getpid()));
  if (mode == "dies") {
    ::dprintf(2, "first line\nno such luck\n");
    return 1;
  }
  if (mode == "failed") {
    (void)send_handoff(kHandoffFd, HandoffKind::kFailed, "73 no certificate");
    (void)receive_handoff(kHandoffFd);
    return 1;
  }
  if (mode != "silent")
    (void)send_handoff(kHandoffFd, HandoffKind::kReady, standby ? "2.0" : "1.0");
  if (mode == "ready-dies") return 1;
  // The test hands over one descriptor in place of credential and inbound listener.
  const int listener = bootstrap->fds.size() > 1 ? bootstrap->fds[1] : -1;
  int outbound = standby ? -1 : listener;
  bool ended = false;
  int wait = -1;  // until the connections it carries are cut
  while (true) {
    pollfd ready[2] = {{kHandoffFd, POLLIN, 0}, {outbound, POLLIN, 0}};
    const int count = ::poll(ready, 2, wait);
    if (count < 0) continue;
    if (count == 0) {
      (void)send_handoff(kHandoffFd, HandoffKind::kFinished, mode == "holds" ? "1 1" : "2 0");
      break;
    }
    if (ready[1].revents != 0) answer(outbound);
    if (ready[0].revents == 0) continue;
    auto message = receive_handoff(kHandoffFd);
    if (!message) {
      // As the sidecar does when the keeper was killed.
      auto inside = network_namespace_of(bootstrap->fds.back());
      if (!ended && inside) kill_processes_in(*inside);
      break;
    }
    if (message->kind == HandoffKind::kEnd) ended = true;
    if (message->kind == HandoffKind::kTakeOver) {
      record("takes over");
      if (mode == "serves-dies") return 1;
      outbound = listener;
    }
    if (message->kind == HandoffKind::kRetire && mode != "deaf") {
      if (mode == "slow") ::poll(nullptr, 0, 300);
      record("retires " + message->text);
      outbound = -1;
      (void)send_handoff(kHandoffFd, HandoffKind::kRetired, "2");
      if (mode == "retires-dies") return 1;
      wait = mode == "holds" ? std::atoi(message->text.c_str()) : 0;
    }
    if (message->kind == HandoffKind::kDrain) {
      record("drain");
      (void)send_handoff(kHandoffFd, HandoffKind::kDrained, "");
    } else if (message->kind == HandoffKind::kRefused) {
      record("refused " + message->text);
      (void)send_handoff(kHandoffFd, HandoffKind::kNeedSockets, "4");
    } else if (message->kind == HandoffKind::kSockets) {
      record("sockets " + message->text + " " + std::to_string(message->fds.size()));
    }
  }
  record("closed");
}
