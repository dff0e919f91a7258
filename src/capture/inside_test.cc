// The process inside with real namespaces, as root and as an ordinary user. The test plays keeper and
// sidecar: it accepts what was redirected. Where the kernel grants no namespaces the tests are skipped and
// say why. Programs inside are bash, which can open TCP and UDP by itself (/dev/tcp, /dev/udp).
#include "capture/inside.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <functional>

#include "base/ip.h"
#include "capture/files.h"
#include "capture/handoff.h"
#include "capture/listeners.h"
#include "capture/namespaces.h"
#include "capture/processes.h"

namespace weft::capture {
namespace {

constexpr uid_t kNobody = 65534;
constexpr int kSkipped = 77;

// The sockets of InsideNetwork, by their place.
enum Place { kOut4, kOut6, kUdp4, kUdp6, kTcp4, kTcp6, kDiag, kPlaces };

NetworkPlan plan() {
  NetworkPlan plan;
  plan.mesh4 = *IpAddress::parse("240.241.0.7");
  plan.mesh6 = *IpAddress::parse("fd00:1:2:2::7");
  plan.host_ports = {7432};
  return plan;
}

std::string to_text(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return SocketAddress{IpAddress::v4(ntohl(v4.sin_addr.s_addr)), ntohs(v4.sin_port)}.to_string();
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  std::array<uint8_t, 16> raw;
  std::memcpy(raw.data(), &v6.sin6_addr, 16);
  return SocketAddress{IpAddress::v6(raw), ntohs(v6.sin6_port)}.to_string();
}

std::string peer_ip(const sockaddr_storage& address) {
  return SocketAddress::parse(to_text(address))->ip.to_string();
}

struct Accepted {
  Fd socket;
  std::string peer;      // the app's address, without its port
  std::string original;  // where the app wanted to go
};

Accepted accept_redirected(int listener, int family) {
  pollfd ready{listener, POLLIN, 0};
  ::poll(&ready, 1, 10'000);
  sockaddr_storage peer{}, original{};
  socklen_t size = sizeof peer;
  Accepted accepted;
  accepted.socket = Fd(::accept(listener, reinterpret_cast<sockaddr*>(&peer), &size));
  if (!accepted.socket) return accepted;
  accepted.peer = peer_ip(peer);
  size = sizeof original;
  ::getsockopt(accepted.socket.get(), family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
               SO_ORIGINAL_DST, &original, &size);
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
    scratch_ = ::mkdtemp(scratch);
    options_.isolated = isolated;
    options_.command = std::move(command);
    options_.signals = CallerSignals::capture();
    options_.scratch = scratch_;
    inside_ = std::make_unique<Result<Inside>>(Inside::start(options_));
    if (!*inside_) return;
    auto sockets = (*inside_)->configure(plan());
    if (!sockets) {
      *inside_ = std::unexpected(std::move(sockets.error()));
      return;
    }
    sockets_ = std::move(*sockets);
  }
  ~Instance() {
    if (*inside_) ::kill((*inside_)->pid(), SIGKILL);
    kill_descendants();
    ::rmdir(scratch_.c_str());
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
  InsideOptions options_;
  std::string scratch_;
  std::unique_ptr<Result<Inside>> inside_;
  std::vector<Fd> sockets_;
};

// Runs `body` in a child of its own, once as root and once as nobody, so that uid, subreaper and
// namespaces of a test end with it.
void as_root_and_as_user(const std::function<void()>& body) {
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

bool nsswitch_is_covered() {
  auto text = read_small_file("/etc/nsswitch.conf");
  return text && text->find("resolve") == std::string::npos;
}

TEST(Inside, BringsTcpToTheSidecarWithItsOriginalDestination) {
  as_root_and_as_user([] {
    struct Case {
      const char *host, *target, *source;
      Place place;
      int family;
    };
    for (const Case& c :
         {Case{"240.240.0.9/80", "240.240.0.9:80", "240.241.0.7", kOut4, AF_INET},
          Case{"192.0.2.1/443", "192.0.2.1:443", "240.241.0.7", kOut4, AF_INET},
          Case{"127.0.0.1/7432", "127.0.0.1:7432", "127.0.0.1", kOut4, AF_INET},
          Case{"2001:db8::9/81", "[2001:db8::9]:81", "fd00:1:2:2::7", kOut6, AF_INET6}}) {
      Instance instance(std::string("exec 3<>/dev/tcp/") + c.host +
                        " && read -r line <&3 && [ \"$line\" = hi ]");
      ASSERT_TRUE(instance.ready()) << instance.why();
      instance.run();
      Accepted accepted = accept_redirected(instance.socket(c.place), c.family);
      ASSERT_TRUE(accepted.socket) << c.host;
      EXPECT_EQ(accepted.original, c.target);
      EXPECT_EQ(accepted.peer, c.source);
      ASSERT_EQ(::write(accepted.socket.get(), "hi\n", 3), 3);
      EXPECT_EQ(instance.exit_status(), 0);
    }
  });
}

TEST(Inside, BringsDnsToTheSidecarWhateverServerIsAsked) {
  as_root_and_as_user([] {
    for (const char* server : {"10.255.255.53", "127.0.0.53", "8.8.8.8"}) {
      Instance instance(
          std::string("exec 3<>/dev/udp/") + server +
          "/53 && echo -n question >&3 && [ \"$(timeout 10 head -c 6 <&3)\" = answer ]");
      ASSERT_TRUE(instance.ready()) << instance.why();
      instance.run();
      pollfd ready{instance.socket(kUdp4), POLLIN, 0};
      ASSERT_EQ(::poll(&ready, 1, 10'000), 1) << server;
      char question[64];
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      const ssize_t length = ::recvfrom(instance.socket(kUdp4), question, sizeof question, 0,
                                        reinterpret_cast<sockaddr*>(&from), &size);
      EXPECT_EQ(std::string(question, static_cast<size_t>(length)), "question");
      ASSERT_EQ(::sendto(instance.socket(kUdp4), "answer", 6, 0, reinterpret_cast<sockaddr*>(&from),
                         size),
                6);
      EXPECT_EQ(instance.exit_status(), 0) << server;
    }
  });
}

TEST(Inside, BringsDnsOverTcpToTheSidecar) {
  as_root_and_as_user([] {
    Instance instance("exec 3<>/dev/tcp/9.9.9.9/53 && read -r line <&3");
    ASSERT_TRUE(instance.ready()) << instance.why();
    instance.run();
    Accepted accepted = accept_redirected(instance.socket(kTcp4), AF_INET);
    ASSERT_TRUE(accepted.socket);
    EXPECT_EQ(accepted.original, "9.9.9.9:53");
  });
}

TEST(Inside, RefusesOtherDatagramsAtOnceCountsThemAndNamesEachTargetOnce) {
  as_root_and_as_user([] {
    // The second write meets the ICMP error of the first.
    Instance instance(
        "exec 3<>/dev/udp/203.0.113.5/443; echo a >&3; echo b >&3 && exit 9; exec "
        "3<>/dev/udp/2001:db8::5/443; "
        "echo a >&3; echo b >&3 && exit 9; exit 0");
    ASSERT_TRUE(instance.ready()) << instance.why();
    instance.run();
    EXPECT_EQ(instance.wait_for(InsideKind::kRefused).text,
              "udp to 203.0.113.5:443 was refused: only DNS may leave the instance as datagrams");
    EXPECT_EQ(instance.wait_for(InsideKind::kRefused).text,
              "udp to [2001:db8::5]:443 was refused: only DNS may leave the instance as datagrams");
  });
}

TEST(Inside, CountsEveryRefusedDatagram) {
  as_root_and_as_user([] {
    Instance instance(
        "for ((i = 0; i < 500; i++)); do echo x > /dev/udp/203.0.113.5/9; done; sleep 30");
    ASSERT_TRUE(instance.ready()) << instance.why();
    instance.run();
    unsigned long sum = 0;
    while (sum < 500) {
      const InsideMessage message = instance.wait_for(InsideKind::kRefusedDatagrams);
      ASSERT_EQ(message.kind, InsideKind::kRefusedDatagrams);
      sum += std::strtoul(message.text.c_str(), nullptr, 10);
    }
    EXPECT_EQ(sum, 500u);
  });
}

TEST(Inside, ExplainsAConnectToALoopbackPortWhereNothingListens) {
  as_root_and_as_user([] {
    Instance instance("exec 3<>/dev/tcp/127.0.0.1/5432");
    ASSERT_TRUE(instance.ready()) << instance.why();
    instance.run();
    EXPECT_NE(instance.wait_for(InsideKind::kRefused).text.find("--host-port 5432"),
              std::string::npos);
    EXPECT_TRUE(instance.ended());
  });
}

TEST(Inside, GivesTheSidecarSocketsThatReachTheAppFromAForeignAddress) {
  as_root_and_as_user([] {
    Instance instance("sleep 30");
    ASSERT_TRUE(instance.ready()) << instance.why();
    // A listener of the app: made by the same call the app would make, on the wildcard inside.
    ASSERT_TRUE(instance.inside().make_sockets("6").has_value());
    InsideMessage sockets = instance.wait_for(InsideKind::kSockets);
    ASSERT_EQ(sockets.fds.size(), static_cast<size_t>(kSocketBatch));
    const int listener = sockets.fds[0].get();
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_port = htons(8080);
    ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    ASSERT_EQ(::listen(listener, 8), 0);

    for (const auto& [family, from, to] :
         {std::tuple("4", "240.241.0.99", "127.0.0.1:8080"),
          std::tuple("4", "240.241.0.99", "240.241.0.7:8080"),
          std::tuple("6", "fd00:1:2:2::99", "[fd00:1:2:2::7]:8080")}) {
      ASSERT_TRUE(instance.inside().make_sockets(family).has_value());
      InsideMessage more = instance.wait_for(InsideKind::kSockets);
      ASSERT_FALSE(more.fds.empty());
      const int dial = more.fds[0].get();
      sockaddr_storage source{}, target{};
      socklen_t size;
      const SocketAddress destination = *SocketAddress::parse(to);
      if (std::string(family) == "4") {
        auto& s = reinterpret_cast<sockaddr_in&>(source);
        auto& t = reinterpret_cast<sockaddr_in&>(target);
        s.sin_family = t.sin_family = AF_INET;
        ::inet_pton(AF_INET, from, &s.sin_addr);
        t.sin_addr.s_addr = htonl(destination.ip.v4_value());
        t.sin_port = htons(destination.port);
        size = sizeof s;
      } else {
        auto& s = reinterpret_cast<sockaddr_in6&>(source);
        auto& t = reinterpret_cast<sockaddr_in6&>(target);
        s.sin6_family = t.sin6_family = AF_INET6;
        ::inet_pton(AF_INET6, from, &s.sin6_addr);
        std::memcpy(&t.sin6_addr, destination.ip.raw().data(), 16);
        t.sin6_port = htons(destination.port);
        size = sizeof s;
      }
      ASSERT_EQ(::bind(dial, reinterpret_cast<sockaddr*>(&source), size), 0)
          << from << std::strerror(errno);
      const int connected = ::connect(dial, reinterpret_cast<sockaddr*>(&target), size);
      ASSERT_TRUE(connected == 0 || errno == EINPROGRESS) << std::strerror(errno);
      pollfd ready{listener, POLLIN, 0};
      ASSERT_EQ(::poll(&ready, 1, 10'000), 1);
      sockaddr_storage peer{};
      socklen_t peer_size = sizeof peer;
      Fd accepted(::accept(listener, reinterpret_cast<sockaddr*>(&peer), &peer_size));
      ASSERT_TRUE(accepted);
      EXPECT_EQ(peer_ip(peer), from);
    }
  });
}

TEST(Inside, LetsTheAppBindLowPortsAndAddressesOfTheHostAndTellsTheSidecarWhere) {
  as_root_and_as_user([] {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    Instance instance(std::vector<std::string>{
        "python3", "-c",
        "import os, socket, time\n"
        "kept = [socket.create_server(a) for a in (('0.0.0.0', 80), ('192.168.9.9', 8080))]\n"
        "s = socket.socket(socket.AF_INET6); s.bind(('2001:db8::7', 81)); s.listen()\n"
        "os.write(" +
            std::to_string(ends[1]) + ", b'up'); time.sleep(600)"});
    ASSERT_TRUE(instance.ready()) << instance.why();
    instance.run();
    ::close(ends[1]);
    char up[2];
    ASSERT_EQ(::read(ends[0], up, 2), 2);
    for (const auto& [port, address] : {std::pair(80, "127.0.0.1"), std::pair(8080, "192.168.9.9"),
                                        std::pair(81, "2001:db8::7")}) {
      auto found = listening_addresses(instance.socket(kDiag), static_cast<uint16_t>(port));
      ASSERT_TRUE(found.has_value()) << found.error().message();
      ASSERT_EQ(found->size(), 1u) << port;
      EXPECT_EQ((*found)[0].to_string(), address);
    }
    auto nobody = listening_addresses(instance.socket(kDiag), 82);
    ASSERT_TRUE(nobody.has_value());
    EXPECT_TRUE(nobody->empty());
  });
}

TEST(Inside, KeepsUidAndGidAndHoldsNoCapability) {
  as_root_and_as_user([] {
    const std::string ids = std::to_string(::geteuid()) + " " + std::to_string(::getegid());
    const bool root = ::geteuid() == 0;
    Instance instance(
        "[ \"$(id -u) $(id -g)\" = '" + ids + "' ] || exit 1; " +
        (root ? "unshare -n true 2>/dev/null && exit 2; nft flush ruleset 2>/dev/null && exit 3; "
                "nsenter -t $PPID -n true 2>/dev/null && exit 4; chown 1 /dev/null/x 2>/dev/null; "
                "exit 0"
              : "grep -qE '^CapEff:\\s0+$' /proc/self/status && grep -qE '^CapPrm:\\s0+$' "
                "/proc/self/status && "
                "grep -qE '^CapInh:\\s0+$' /proc/self/status && grep -qE '^CapAmb:\\s0+$' "
                "/proc/self/status "
                "|| exit 2; nft flush ruleset 2>/dev/null && exit 3; exit 0"));
    ASSERT_TRUE(instance.ready()) << instance.why();
    instance.run();
    EXPECT_EQ(instance.exit_status(), 0);
  });
}

TEST(Inside, GivesTheAppItsEnvironmentAndStatus) {
  as_root_and_as_user([] {
    struct Case {
      const char* script;
      int status;
    };
    for (const Case& c : {Case{"[ $WEFT_INSTANCE = test-1 ]", 0}, Case{"exit 42", 42},
                          Case{"kill -TERM $$", 143}, Case{"kill -KILL $$", 137}}) {
      Instance instance{std::string(c.script)};
      ASSERT_TRUE(instance.ready()) << instance.why();
      instance.run();
      EXPECT_EQ(instance.exit_status(), c.status) << c.script;
      EXPECT_TRUE(instance.ended());
    }
  });
}

TEST(Inside, SaysWhyAProgramCannotRun) {
  as_root_and_as_user([] {
    for (const auto& [program, answer] :
         {std::pair("no-such-program", "127 no-such-program: No such file or directory"),
          std::pair("/etc/passwd", "126 /etc/passwd: Permission denied")}) {
      Instance instance(std::vector<std::string>{program});
      ASSERT_TRUE(instance.ready()) << instance.why();
      instance.run();
      EXPECT_EQ(instance.wait_for(InsideKind::kCannotRun).text, answer);
      EXPECT_TRUE(instance.ended());
    }
  });
}

TEST(Inside, LastsAsLongAsADaemonTheAppLeftBehind) {
  as_root_and_as_user([] {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    Instance instance("setsid bash -c 'read -r line <&" + std::to_string(ends[0]) +
                      "' & disown; exit 3");
    ASSERT_TRUE(instance.ready()) << instance.why();
    instance.run();
    EXPECT_EQ(instance.exit_status(), 3);
    pollfd ended{instance.inside().socket(), POLLIN, 0};
    EXPECT_EQ(::poll(&ended, 1, 200), 0) << "the instance ended before its daemon";
    ASSERT_EQ(::write(ends[1], "go\n", 3), 3);
    EXPECT_TRUE(instance.ended());
  });
}

TEST(Inside, KillsAllThatIsLeftWhenTheKeeperGoes) {
  as_root_and_as_user([] {
    const pid_t keeper = ::fork();
    if (keeper == 0) {
      // Two generations, one of them in a session of its own and deaf to signals.
      Instance instance(
          "trap '' TERM HUP; setsid bash -c 'trap \"\" TERM HUP; sleep 60 & wait' & sleep 60");
      if (!instance.ready()) ::_exit(1);
      instance.run();
      instance.wait_for(InsideKind::kRunning);
      while (descendants(::getpid()).size() < 5) ::poll(nullptr, 0, 5);
      ::raise(SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(keeper, &status, 0), keeper);
    ASSERT_TRUE(WIFSIGNALED(status));
    // This process is the subreaper: the process inside becomes our child, and ends by itself once it
    // has ended everything else. Its end is what we wait for, killing nothing.
    while (::wait(&status) > 0) EXPECT_TRUE(WIFEXITED(status) || WTERMSIG(status) == SIGKILL);
    EXPECT_TRUE(descendants(::getpid()).empty());
  });
}

TEST(Inside, ChangesNothingOnTheHost) {
  const auto files = [] {
    std::string text;
    for (const char* path :
         {"/proc/self/mountinfo", "/proc/self/net/route", "/proc/self/net/ipv6_route",
          "/proc/self/net/if_inet6", "/proc/sys/net/ipv4/ip_unprivileged_port_start",
          "/proc/sys/net/ipv6/ip_nonlocal_bind", "/etc/nsswitch.conf", "/etc/resolv.conf"}) {
      auto part = read_small_file(path);
      text += std::string(path) + ":\n" + (part ? *part : "-") + "\n";
    }
    return text;
  };
  const auto ruleset = [] {
    std::string text;
    FILE* nft = ::popen("nft list ruleset 2>&1", "r");
    char piece[256];
    while (nft && std::fgets(piece, sizeof piece, nft)) text += piece;
    if (nft) ::pclose(nft);
    return text;
  };
  const std::string before = files(), rules_before = ruleset();
  as_root_and_as_user([&] {
    Instance instance("sleep 30");
    ASSERT_TRUE(instance.ready()) << instance.why();
    instance.run();
    instance.wait_for(InsideKind::kRunning);
    EXPECT_EQ(files(), before);
    if (::geteuid() == 0) EXPECT_EQ(ruleset(), rules_before);
  });
  EXPECT_EQ(files(), before);
  EXPECT_EQ(ruleset(), rules_before);
}

TEST(Inside, HandsTheAppNoDescriptorOfItsOwnAndCannotBeTraced) {
  as_root_and_as_user([] {
    Instance instance(
        "for fd in /proc/$$/fd/*; do [ ${fd##*/} -gt 2 ] && readlink $fd; done | "
        "grep -qE 'socket:|memfd|signalfd|timerfd' && exit 1; "
        "head -c 1 /proc/$PPID/environ 2>/dev/null && exit 2; "
        "readlink /proc/$PPID/ns/net 2>/dev/null && exit 3; exit 0");
    ASSERT_TRUE(instance.ready()) << instance.why();
    instance.run();
    EXPECT_EQ(instance.exit_status(), 0);
  });
}

TEST(Inside, LeavesDnsAsTheOnlySourceOfHostNamesWhateverTheHostHas) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give the test another /etc/nsswitch.conf";
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // A host with systemd-resolved and nscd, in a mount namespace of the test's own.
    const auto sh = [](const char* command) { return ::system(command) == 0; };
    const bool made =
        ::unshare(CLONE_NEWNS) == 0 &&
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
        sh("mount -t tmpfs weft-test /run && mkdir -p /run/systemd/resolve /run/nscd && "
           "touch /run/systemd/resolve/io.systemd.Resolve /run/nscd/socket && "
           "echo 'nameserver 127.0.0.53' > /run/systemd/resolve/stub-resolv.conf && "
           "printf 'passwd: files\\nhosts: mymachines resolve [!UNAVAIL=return] files myhostname "
           "dns\\n' > /run/nsswitch && mount --bind /run/nsswitch /etc/nsswitch.conf && "
           "printf 'search a.example\\noptions ndots:3\\nnameserver fe80::1%%eth0\\n' > "
           "/run/resolv && mount --bind /run/resolv /etc/resolv.conf && chmod -R a+rX /run");
    if (!made) ::_exit(1);
    as_root_and_as_user([] {
      Instance instance(
          "[ \"$(cat /etc/nsswitch.conf)\" = $'passwd: files\\nhosts: files dns' ] || exit 1; "
          "[ \"$(cat /etc/resolv.conf)\" = $'search a.example\\noptions ndots:3\\nnameserver "
          "127.0.0.1' ] || exit 2; "
          "[ -c /run/systemd/resolve/io.systemd.Resolve ] && [ -c /run/nscd/socket ] || exit 3; "
          "[ \"$(cat /run/systemd/resolve/stub-resolv.conf)\" = 'nameserver 127.0.0.53' ] || exit "
          "4");
      ASSERT_TRUE(instance.ready()) << instance.why();
      instance.run();
      EXPECT_EQ(instance.exit_status(), 0);
      EXPECT_FALSE(nsswitch_is_covered()) << "the host's file changed";
    });
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(Inside, RunsTheAppInTheHostsNamespacesWhenNotIsolated) {
  auto link = [] {
    char text[64] = {};
    [[maybe_unused]] const ssize_t size = ::readlink("/proc/self/ns/net", text, sizeof text - 1);
    return std::string(text);
  };
  Instance instance("[ \"$(readlink /proc/self/ns/net)\" = '" + link() + "' ]", false);
  ASSERT_TRUE(instance.ready()) << instance.why();
  instance.run();
  EXPECT_EQ(instance.exit_status(), 0);
}

}  // namespace
}  // namespace weft::capture
