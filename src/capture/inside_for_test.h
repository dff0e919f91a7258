// For the tests of the process inside: real namespaces, as root and as an ordinary user. The test plays
// keeper and sidecar: it accepts what was captured. Where the kernel grants no namespaces the tests are
// skipped and say why. Programs inside are mostly bash, which opens TCP and UDP by itself (/dev/tcp,
// /dev/udp).
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/ip.h"
#include "capture/inside.h"
#include "capture/processes.h"

namespace weft::capture {

constexpr uid_t kNobody = 65534;
constexpr int kSkipped = 77;

// The sockets of InsideNetwork, by their place.
enum Place { kOut4, kOut6, kUdp4, kUdp6, kTcp4, kTcp6, kDiag, kPlaces };

inline NetworkPlan test_plan() {
  NetworkPlan plan;
  plan.mesh4 = *IpAddress::parse("240.241.0.7");
  plan.mesh6 = *IpAddress::parse("fd00:1:2:2::7");
  plan.host_ports = {7432};
  return plan;
}

inline std::string to_text(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return SocketAddress{IpAddress::v4(ntohl(v4.sin_addr.s_addr)), ntohs(v4.sin_port)}.to_string();
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  std::array<uint8_t, 16> raw;
  std::memcpy(raw.data(), &v6.sin6_addr, 16);
  return SocketAddress{IpAddress::v6(raw), ntohs(v6.sin6_port)}.to_string();
}

inline std::string peer_ip(const sockaddr_storage& address) {
  return SocketAddress::parse(to_text(address))->ip.to_string();
}

struct Accepted {
  Fd socket;
  std::string peer;      // the app's address, without its port
  std::string original;  // where the app wanted to go
};

inline Accepted accept_captured(int listener) {
  pollfd ready{listener, POLLIN, 0};
  ::poll(&ready, 1, 10'000);
  sockaddr_storage peer{}, original{};
  socklen_t size = sizeof peer;
  Accepted accepted;
  accepted.socket = Fd(::accept(listener, reinterpret_cast<sockaddr*>(&peer), &size));
  if (!accepted.socket) return accepted;
  accepted.peer = peer_ip(peer);
  size = sizeof original;
  ::getsockname(accepted.socket.get(), reinterpret_cast<sockaddr*>(&original), &size);
  accepted.original = to_text(original);
  return accepted;
}

// An instance whose app is `script`, and what it told the keeper so far.
class Instance {
 public:
  explicit Instance(const std::string& script, bool isolated = true)
      : Instance(std::vector<std::string>{"bash", "-c", script}, isolated) {}
  explicit Instance(std::vector<std::string> command, bool isolated = true) {
    char scratch[] = "/tmp/weft-capture-test-XXXXXX";
    options_.scratch = ::mkdtemp(scratch);
    options_.isolated = isolated;
    options_.command = std::move(command);
    options_.signals = CallerSignals::capture();
    inside_ = std::make_unique<Result<Inside>>(Inside::start(options_));
    if (*inside_) set_up();
    ::rmdir(
        scratch);  // covered for a moment only; some tests are killed and could not remove it later
  }
  ~Instance() {
    if (*inside_) ::kill((*inside_)->pid(), SIGKILL);
    kill_descendants();
  }

  bool ready() const { return inside_->has_value(); }
  std::string why() const { return inside_->error().message(); }
  Inside& inside() { return **inside_; }
  int socket(Place place) const { return sockets_[place].get(); }
  void run() { ASSERT_TRUE(inside().run({"WEFT_INSTANCE=test-1"}).has_value()); }

  // The next message of this kind; others are dropped. Kind 0 of an ended socket.
  InsideMessage wait_for(InsideKind kind) {
    while (true) {
      auto message = inside().receive();
      if (!message) return InsideMessage{static_cast<InsideKind>(0), message.error().message(), {}};
      if (message->kind == kind) return std::move(*message);
    }
  }
  int exit_status() {
    const InsideMessage message = wait_for(InsideKind::kExited);
    const int status = std::atoi(message.text.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  bool ended() { return wait_for(static_cast<InsideKind>(0)).kind == static_cast<InsideKind>(0); }

 private:
  void set_up() {
    auto sockets = (*inside_)->configure(test_plan());
    if (sockets)
      sockets_ = std::move(*sockets);
    else
      *inside_ = std::unexpected(std::move(sockets.error()));
  }

  InsideOptions options_;
  std::unique_ptr<Result<Inside>> inside_;
  std::vector<Fd> sockets_;
};

// Runs `body` in a child of its own, once as root and once as nobody, so that uid, subreaper and
// namespaces of a test end with it.
inline void as_root_and_as_user(const std::function<void()>& body) {
  std::vector<uid_t> users{::geteuid()};
  if (users[0] == 0) users.push_back(kNobody);
  for (const uid_t uid : users) {
    SCOPED_TRACE(uid == 0 ? "as root" : "as an ordinary user");
    ::fflush(nullptr);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
      if (uid != ::geteuid() &&
          (::setresgid(uid, uid, uid) != 0 || ::setresuid(uid, uid, uid) != 0))
        ::_exit(1);
      ::prctl(PR_SET_DUMPABLE, 1, 0, 0,
              0);  // changing uid cleared it; a real user's program is dumpable
      if (Instance probe("true"); !probe.ready()) {
        std::fprintf(stderr, "no namespaces for uid %u: %s\n", uid, probe.why().c_str());
        ::_exit(kSkipped);
      }
      body();
      ::fflush(nullptr);
      ::_exit(testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == kSkipped)
      GTEST_SKIP() << "the kernel grants no namespaces to uid " << uid << " (reason above)";
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
  }
}

}  // namespace weft::capture
