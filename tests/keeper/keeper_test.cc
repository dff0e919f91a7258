// The keeper, the process inside and a stand-in for the sidecar as real processes, as root and as an
// ordinary user. A test's `weft run` is a child of the test that calls keep() as verb_run does.
#include "app/weft/run_keeper.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>

#include "base/text.h"
#include "capture/files.h"
#include "capture/processes.h"

namespace weft::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr uid_t kNobody = 65534;
constexpr int kSkipped = 77;

// What a test waits for comes or the test fails; the limit is generous because nothing depends on it.
bool eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 2000; ++i) {
    if (holds()) return true;
    ::poll(nullptr, 0, 10);
  }
  return false;
}

struct Setup {
  std::string mode;       // of the stand-in
  bool terminal = false;  // run on a pseudo-terminal, as a shell's foreground job
  Duration ready_within = Duration::seconds(20);
};

// One `weft run -- command`, in the uid of the test.
class WeftRun {
 public:
  explicit WeftRun(std::vector<std::string> command, Setup setup = {}) : setup_(std::move(setup)) {
    char folder[] = "/tmp/weft-keeper-test-XXXXXX";
    folder_ = ::mkdtemp(folder);
    ::mkdir((folder_ + "/scratch").c_str(), 0700);
    ::setenv("STAND_IN_LOG", (folder_ + "/log").c_str(), 1);
    ::setenv("STAND_IN_MODE", setup_.mode.c_str(), 1);
    ::fflush(nullptr);
    int output[2];
    if (setup_.terminal) {
      pid_ = ::forkpty(&terminal_, nullptr, nullptr, nullptr);
    } else {
      EXPECT_EQ(::pipe2(output, O_CLOEXEC), 0);
      pid_ = ::fork();
    }
    if (pid_ == 0) {
      // Whoever started the tests in the background of a script had both ignored, and so would the app.
      ::signal(SIGINT, SIG_DFL);
      ::signal(SIGQUIT, SIG_DFL);
      if (!setup_.terminal) {
        ::dup2(output[1], 1);
        ::dup2(output[1], 2);
      }
      if (setup_.terminal) be_a_shell();
      ::_exit(weft_run(std::move(command)));
    }
    if (!setup_.terminal) {
      ::close(output[1]);
      terminal_ = output[0];
    }
    ::fcntl(terminal_, F_SETFL, O_NONBLOCK);
  }
  explicit WeftRun(const std::string& script, Setup setup = {})
      : WeftRun(std::vector<std::string>{"bash", "-c", script}, std::move(setup)) {}
  ~WeftRun() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    capture::kill_descendants();
    ::close(terminal_);
    ::system(("rm -rf " + folder_).c_str());
  }

  pid_t pid() const { return pid_; }
  const std::string& folder() const { return folder_; }
  void type(std::string_view text) {
    EXPECT_EQ(::write(terminal_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  // Everything written so far to output and error.
  const std::string& output() {
    char piece[4096];
    ssize_t size;
    while ((size = ::read(terminal_, piece, sizeof piece)) > 0)
      output_.append(piece, static_cast<size_t>(size));
    return output_;
  }
  bool says(std::string_view text) {
    return eventually([&] { return output().find(text) != std::string::npos; });
  }
  // The stand-in's records.
  std::vector<std::string> records() {
    std::vector<std::string> lines;
    if (auto text = capture::read_small_file(folder_ + "/log"))
      for (std::string_view line : split(trim(*text), '\n')) lines.emplace_back(line);
    return lines;
  }
  bool recorded(std::string_view start, size_t times = 1) {
    return eventually([&] {
      size_t count = 0;
      for (const std::string& line : records()) count += line.starts_with(start);
      return count >= times;
    });
  }
  // Word `at` of the last record that starts so.
  pid_t sidecar() {
    pid_t pid = 0;
    for (const std::string& line : records())
      if (line.starts_with("bootstrap ")) pid = std::atoi(line.substr(line.rfind(' ')).c_str());
    return pid;
  }
  int exit_status() {
    int status = 0;
    if (!eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; })) return -1;
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

 private:
  // What a shell with job control does for one foreground job: returns in the job, never in the shell. A
  // stopped job goes on when a line is typed.
  static void be_a_shell() {
    ::signal(SIGTTOU, SIG_IGN);
    const pid_t job = ::fork();
    const pid_t group = job == 0 ? ::getpid() : job;
    ::setpgid(group, group);
    ::tcsetpgrp(0, group);
    if (job == 0) {
      ::signal(SIGTTOU, SIG_DFL);
      return;
    }
    int status = 0;
    while (::waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status)) {
      ::tcsetpgrp(0, ::getpgrp());
      ::dprintf(1, "job stopped\n");
      char line[64];
      [[maybe_unused]] const ssize_t size = ::read(0, line, sizeof line);
      ::tcsetpgrp(0, group);
      ::kill(-group, SIGCONT);
    }
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 255);
  }

  int weft_run(std::vector<std::string> command) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    const capture::InsideOptions options{.command = std::move(command),
                                         .signals = capture::CallerSignals::capture(),
                                         .scratch = folder_ + "/scratch"};
    auto inside = capture::Inside::start(options);
    if (!inside) return kSkipped;
    auto sockets = inside->configure({.mesh4 = *IpAddress::parse("240.241.0.7"),
                                      .mesh6 = *IpAddress::parse("fd00:1:2:2::7"),
                                      .host_ports = {}});
    if (!sockets) return kSkipped;
    KeeperConfig config;
    config.proxy_program = STAND_IN;
    config.proxy_output = folder_ + "/proxy.output";
    config.bootstrap = [](bool restarted) { return restarted ? "again" : "first"; };
    config.bootstrap_fds.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    for (Fd& socket : *sockets) config.bootstrap_fds.push_back(std::move(socket));
    config.environment = {"WEFT_INSTANCE=test-1"};
    config.ready_within = setup_.ready_within;
    config.log = [this](const std::string& text) {
      (void)capture::write_file(folder_ + "/keeper.log", text, true);
    };
    return keep(std::move(*inside), std::move(config));
  }

  Setup setup_;
  std::string folder_, output_;
  pid_t pid_ = 0;
  int terminal_ = -1;  // or the read end of the output pipe
};

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
      if (WeftRun("exit 0").exit_status() == kSkipped) ::_exit(kSkipped);
      body();
      ::fflush(nullptr);
      ::_exit(testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == kSkipped)
      GTEST_SKIP() << "the kernel grants no namespaces to uid " << uid;
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
  }
}

TEST(Keeper, GivesTheExitStatusOfTheApp) {
  as_root_and_as_user([] {
    EXPECT_EQ(WeftRun("exit 7").exit_status(), 7);
    EXPECT_EQ(WeftRun("kill -KILL $$").exit_status(), 137);
    EXPECT_EQ(WeftRun(std::vector<std::string>{"no-such-program"}).exit_status(), 127);
    EXPECT_EQ(WeftRun(std::vector<std::string>{"/etc/passwd"}).exit_status(), 126);
  });
}

TEST(Keeper, LeavesTheRegistryBeforeTheAppGetsItsSignalAndTheSidecarOutlivesTheApp) {
  as_root_and_as_user([] {
    WeftRun run(
        "trap 'echo term >> $STAND_IN_LOG; sleep 0.2; echo gone >> $STAND_IN_LOG; exit 5' TERM; "
        "echo up >> $STAND_IN_LOG; while :; do sleep 0.05; done");
    ASSERT_TRUE(run.recorded("up"));
    ::kill(run.pid(), SIGTERM);
    EXPECT_EQ(run.exit_status(), 5);
    ASSERT_TRUE(run.recorded("closed"));
    EXPECT_THAT(run.records(), ElementsAre(StartsWith("bootstrap first"), "up", "drain", "term",
                                           "gone", "closed"));
  });
}

TEST(Keeper, LeavesTheRegistryWhenTheAppEndsByItself) {
  as_root_and_as_user([] {
    WeftRun run("exit 3");
    EXPECT_EQ(run.exit_status(), 3);
    ASSERT_TRUE(run.recorded("closed"));
    EXPECT_THAT(run.records(), ElementsAre(StartsWith("bootstrap first"), "drain", "closed"));
  });
}

TEST(Keeper, EndsWhatTheAppLeftBehindWhenItWasTold) {
  as_root_and_as_user([] {
    WeftRun run("sleep 600 & echo up >> $STAND_IN_LOG; wait");
    ASSERT_TRUE(run.recorded("up"));
    ::kill(run.pid(), SIGTERM);
    EXPECT_EQ(run.exit_status(), 143);
  });
}

TEST(Keeper, ReplacesAKilledSidecarAndConnectsDuringTheGapWaitAndSucceed) {
  as_root_and_as_user([] {
    WeftRun run(
        "echo up >> $STAND_IN_LOG; read -r pid < <(tail -F -n +1 $STAND_IN_LOG 2>/dev/null | grep "
        "-m1 -o killed); "
        "exec 3<>/dev/tcp/240.240.0.9/80 && read -r line <&3 && echo \"got $line\"; exit 0");
    ASSERT_TRUE(run.recorded("up"));
    const pid_t first = run.sidecar();
    ::kill(first, SIGKILL);
    ASSERT_TRUE(capture::write_file(run.folder() + "/log.tmp", "", true).has_value());
    std::system(("echo killed >> " + run.folder() + "/log").c_str());
    EXPECT_TRUE(run.says("got 240.240.0.9:80")) << run.output();
    EXPECT_TRUE(run.recorded("bootstrap again"));
    EXPECT_NE(run.sidecar(), first);
    ::kill(run.pid(), SIGKILL);
  });
}

TEST(Keeper, RelaysRefusalsAndSockets) {
  as_root_and_as_user([] {
    WeftRun run("exec 3<>/dev/tcp/127.0.0.1/5432; sleep 600");
    EXPECT_TRUE(run.recorded("refused the app connected to 127.0.0.1:5432, where nothing listens"));
    EXPECT_TRUE(run.recorded("sockets 4 16"));
  });
}

TEST(Keeper, SaysWhatTheSidecarSaysWhenItCannotStart) {
  as_root_and_as_user([] {
    WeftRun failed("exit 0", {.mode = "failed"});
    EXPECT_EQ(failed.exit_status(), 73);
    EXPECT_THAT(failed.output(), HasSubstr("weft run: no certificate"));
    WeftRun dies("exit 0", {.mode = "dies"});
    EXPECT_EQ(dies.exit_status(), 70);
    EXPECT_THAT(dies.output(), HasSubstr("the sidecar ended before it was ready"));
  });
}

enum class Victims { kKeeper, kInside, kBoth };

// Kills them and expects that nothing at all is left below this process.
void expect_nothing_left(Victims victims) {
  WeftRun run(
      "trap '' TERM HUP; setsid bash -c 'trap \"\" TERM HUP; echo up >> $STAND_IN_LOG; sleep 600 & "
      "wait' & sleep 600");
  ASSERT_TRUE(run.recorded("up"));
  std::vector<pid_t> below = capture::descendants(run.pid());
  ASSERT_GE(below.size(), 5u);
  const pid_t sidecar = run.sidecar();
  pid_t inside = 0;  // the keeper's other child
  for (pid_t pid : below) {
    auto comm = capture::read_small_file("/proc/" + std::to_string(pid) + "/comm");
    if (comm && *comm == "weft-inside\n") inside = pid;
  }
  ASSERT_NE(inside, 0);
  if (victims == Victims::kInside) {
    ::kill(inside, SIGKILL);
    EXPECT_EQ(run.exit_status(), 137);
  } else {
    // Neither may act on the other's end.
    if (victims == Victims::kBoth) ::kill(inside, SIGSTOP);
    ::kill(run.pid(), SIGKILL);
    if (victims == Victims::kBoth) ::kill(inside, SIGKILL);
    EXPECT_EQ(run.exit_status(), 1000 + SIGKILL);
  }
  below.push_back(sidecar);
  for (pid_t pid : below) {
    EXPECT_TRUE(eventually([&] {
      while (::waitpid(-1, nullptr, WNOHANG) > 0) {
      }
      return ::kill(pid, 0) != 0;
    })) << pid
        << " is left";
  }
}

TEST(Keeper, LeavesNothingWhenItIsKilled) {
  as_root_and_as_user([] { expect_nothing_left(Victims::kKeeper); });
}

TEST(Keeper, LeavesNothingWhenTheProcessInsideIsKilled) {
  as_root_and_as_user([] { expect_nothing_left(Victims::kInside); });
}

TEST(Keeper, LeavesNothingWhenItAndTheProcessInsideAreKilledTogether) {
  as_root_and_as_user([] { expect_nothing_left(Victims::kBoth); });
}

TEST(Keeper, LetsTwoAppsListenOnTheSamePort) {
  as_root_and_as_user([] {
    const std::vector<std::string> command{
        "python3", "-c",
        "import os, socket, time\ns = socket.create_server(('0.0.0.0', 8080))\nprint('listening', "
        "flush=True)\ntime.sleep(600)"};
    WeftRun first(command), second(command);
    EXPECT_TRUE(first.says("listening"));
    EXPECT_TRUE(second.says("listening"));
  });
}

TEST(Keeper, GivesAnInteractiveShellItsJobControl) {
  as_root_and_as_user([] {
    WeftRun run({"bash", "--norc", "-i"}, {.terminal = true});
    run.type("PS1='rea''dy> '\n");
    ASSERT_TRUE(run.says("ready> ")) << run.output();
    EXPECT_EQ(run.output().find("no job control"), std::string::npos) << run.output();
    run.type("sleep 600\n");
    ASSERT_TRUE(eventually([&] {
      for (pid_t pid : capture::descendants(run.pid())) {
        auto comm = capture::read_small_file("/proc/" + std::to_string(pid) + "/comm");
        if (comm && *comm == "sleep\n") return true;
      }
      return false;
    }));
    run.type("\x1a");  // Ctrl-Z stops the job, not the instance
    ASSERT_TRUE(run.says("Stopped"));
    // A shell that still has a stopped job does not leave when told to.
    run.type("kill -9 %1; while kill -0 %1 2>/dev/null; do :; done; echo still''here\n");
    ASSERT_TRUE(run.says("stillhere")) << run.output();
    run.type("exit 4\n");
    EXPECT_EQ(run.exit_status(), 4);
  });
}

TEST(Keeper, LeavesTheTerminalsInterruptToTheApp) {
  as_root_and_as_user([] {
    WeftRun run("trap 'echo caught; exit 9' INT; echo up; while :; do sleep 0.05; done",
                {.terminal = true});
    ASSERT_TRUE(run.says("up"));
    run.type("\x03");
    ASSERT_TRUE(run.says("caught"));
    EXPECT_EQ(run.exit_status(), 9);
    EXPECT_EQ(run.output().find("caught"), run.output().rfind("caught")) << "the signal came twice";
  });
}

TEST(Keeper, PassesOnAnInterruptSentToItAlone) {
  as_root_and_as_user([] {
    WeftRun run("trap 'exit 9' INT; echo up; while :; do sleep 0.05; done");
    ASSERT_TRUE(run.says("up"));
    ::kill(run.pid(), SIGINT);
    EXPECT_EQ(run.exit_status(), 9);
  });
}

TEST(Keeper, StopsAndGoesOnWithTheAppSoThatAShellSeesOneJob) {
  as_root_and_as_user([] {
    WeftRun run("echo up; read -r line; echo \"went on with $line\"; exit 6", {.terminal = true});
    ASSERT_TRUE(run.says("up"));
    run.type("\x1a");
    ASSERT_TRUE(run.says("job stopped"));
    run.type("fg\n");
    run.type("text\n");
    ASSERT_TRUE(run.says("went on with text")) << run.output();
    EXPECT_EQ(run.exit_status(), 6);
  });
}

}  // namespace
}  // namespace weft::app
