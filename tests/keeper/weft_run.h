// One `weft run` for a test: the keeper, the process inside and a stand-in for the sidecar as real
// processes, as root and as an ordinary user. It is a child of the test that calls keep() as verb_run does.
#pragma once

#include "app/weft/run_keeper.h"

#include <fcntl.h>
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
#include <string>

#include "base/text.h"
#include "capture/files.h"
#include "capture/processes.h"

namespace weft::app {

constexpr uid_t kNobody = 65534;
constexpr int kSkipped = 77;

// Where the build put it.
std::string stand_in_program();

// What a test waits for comes or the test fails; the limit is generous because nothing depends on it.
inline bool eventually(const std::function<bool()>& holds) {
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
  Duration next_ready_within = Duration::seconds(20);
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
    config.directory = folder_;
    config.proxy_program = stand_in_program();
    config.proxy_output = folder_ + "/proxy.output";
    config.bootstrap = [](bool restarted) { return restarted ? "again" : "first"; };
    config.bootstrap_fds.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    for (Fd& socket : *sockets) config.bootstrap_fds.push_back(std::move(socket));
    config.environment = {"WEFT_INSTANCE=test-1"};
    config.ready_within = setup_.ready_within;
    config.next_ready_within = setup_.next_ready_within;
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

}  // namespace weft::app
