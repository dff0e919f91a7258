// What the app is given, what it is not, and what is left of it.
#include "capture/inside_process.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "capture/files.h"
#include "capture/inside_for_test.h"
#include "capture/processes.h"

namespace weft::capture {
namespace {

bool nsswitch_is_covered() {
  auto text = read_small_file("/etc/nsswitch.conf");
  return text && text->find("resolve") == std::string::npos;
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
