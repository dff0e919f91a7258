// A poll loop over four descriptors: the keeper, SIGCHLD, the packet log, and a timer that gathers counts
// into one message a second. It keeps the terminal's and the supervisor's signals off itself: they are
// the app's, and a stop of the whole process group must not end what reaps and kills.
// It is not dumpable, so that the app, though of the same user, can neither trace it nor open its
// descriptors, and without root it keeps CAP_NET_ADMIN over its own namespace alone.
#include "capture/inside_process.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <optional>

#include "capture/handoff.h"
#include "capture/inside_network.h"
#include "capture/mounts.h"
#include "capture/namespaces.h"
#include "capture/port_sets.h"
#include "capture/privileges.h"
#include "capture/processes.h"

namespace weft::capture {
namespace {

class InsideProcess {
 public:
  InsideProcess(const InsideOptions& options, Fd socket)
      : options_(options),
        socket_(std::move(socket)),
        as_root_(::geteuid() == 0 && may_administer()) {}

  int run() {
    take_over_signals();
    if (options_.isolated) {
      if (auto entered = enter_namespaces(as_root_); !entered) return failed(entered.error());
    }
    tell(InsideKind::kEntered, "");
    while (!done_) turn();
    return 0;
  }

 private:
  int failed(const Error& error) {
    tell(InsideKind::kFailed, error.message());
    done_ = true;
    return 1;
  }
  // The keeper may be gone: the next turn then sees the end of the socket.
  void tell(InsideKind kind, std::string_view text, const std::vector<Fd>& fds = {}) {
    (void)send_inside(socket_.get(), kind, text, fds);
  }

  void take_over_signals();
  void turn();
  void on_keeper();
  void on_child();
  void report(const RefusalLog::News& news);
  void flush_count();
  Result<void> configure(std::string_view plan_text);
  void start(std::string_view environment);
  void signal(int number);
  void make_sockets(std::string_view family);
  Result<void> declare(std::string_view change);

  const InsideOptions& options_;
  Fd socket_;
  const bool as_root_;
  Fd signals_, timer_;
  std::vector<RefusalLog> refusals_;
  std::optional<PortSets> port_sets_;
  uint64_t uncounted_datagrams_ = 0, uncounted_connects_ = 0;
  pid_t app_ = 0;  // 0: not started, or ended
  bool started_ = false;
  bool done_ = false;
};

void InsideProcess::take_over_signals() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  ::prctl(PR_SET_NAME, "weft-inside", 0, 0, 0);
  for (int number :
       {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE, SIGUSR1, SIGUSR2})
    ::signal(number, SIG_IGN);
  ::signal(SIGCHLD, SIG_DFL);
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  ::sigprocmask(SIG_SETMASK, &children, nullptr);
  signals_ = Fd(::signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK));
  timer_ = Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
}

void InsideProcess::turn() {
  pollfd ready[4] = {{socket_.get(), POLLIN, 0},
                     {signals_.get(), POLLIN, 0},
                     {timer_.get(), POLLIN, 0},
                     {refusals_.empty() ? -1 : refusals_[0].fd(), POLLIN, 0}};
  if (::poll(ready, 4, -1) < 0) return;
  if (ready[3].revents != 0) report(refusals_[0].read());
  if (ready[2].revents != 0) flush_count();
  if (ready[1].revents != 0) on_child();
  if (ready[0].revents != 0 && !done_) on_keeper();
}

void InsideProcess::on_keeper() {
  auto message = receive_inside(socket_.get());
  if (!message) {
    // The keeper is gone: nothing of the instance may stay.
    kill_descendants();
    done_ = true;
    return;
  }
  switch (message->kind) {
    case InsideKind::kConfigure:
      if (auto ready = configure(message->text); !ready) failed(ready.error());
      break;
    case InsideKind::kRun: start(message->text); break;
    case InsideKind::kSignal: signal(std::atoi(message->text.c_str())); break;
    case InsideKind::kMakeSockets: make_sockets(message->text); break;
    case InsideKind::kDeclare: {
      auto declared = declare(message->text);
      tell(InsideKind::kDeclared, declared ? "" : declared.error().message());
      break;
    }
    default: break;
  }
}

Result<void> InsideProcess::configure(std::string_view plan_text) {
  if (!options_.isolated) {
    tell(InsideKind::kConfigured, "");
    return {};
  }
  auto plan = NetworkPlan::from_text(plan_text);
  if (!plan) return std::unexpected(std::move(plan.error()));
  auto network = set_up_network(*plan);
  if (!network) return std::unexpected(std::move(network.error()));
  refusals_ = std::move(network->refusals);
  auto port_sets = PortSets::open();
  if (!port_sets) return std::unexpected(std::move(port_sets.error()));
  port_sets_ = std::move(*port_sets);
  if (auto covered = cover_resolver_files(options_.scratch); !covered) return covered;
  if (auto limited = limit_future_capabilities(as_root_); !limited) return limited;
  if (!as_root_)
    if (auto kept = keep_only_net_admin(); !kept) return kept;
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  tell(InsideKind::kConfigured, "", network->sockets);
  return {};
}

void InsideProcess::start(std::string_view environment) {
  while (!environment.empty()) {
    const std::string line(environment.substr(0, environment.find('\n')));
    environment.remove_prefix(std::min(environment.size(), line.size() + 1));
    const size_t equals = line.find('=');
    if (equals != std::string::npos)
      ::setenv(line.substr(0, equals).c_str(), line.c_str() + equals + 1, 1);
  }
  const AppPrivileges privileges = !options_.isolated ? AppPrivileges::kUnchanged
                                   : as_root_         ? AppPrivileges::kRootInside
                                                      : AppPrivileges::kNone;
  started_ = true;
  auto app = start_app(options_.command, options_.signals, privileges);
  if (!app) {
    tell(InsideKind::kCannotRun, fmt::format("{} {}", app.error().exit_status, app.error().why));
    done_ = true;
    return;
  }
  app_ = *app;
  tell(InsideKind::kRunning, std::to_string(app_));
}

void InsideProcess::signal(int number) {
  if (app_ > 0) {
    ::kill(app_, number);
    return;
  }
  for (pid_t pid : descendants(::getpid())) ::kill(pid, number);
}

void InsideProcess::make_sockets(std::string_view family) {
  if (family != kDiagSocket) {
    return tell(InsideKind::kSockets, family,
                make_sidecar_sockets(family == "6" ? AF_INET6 : AF_INET, kSocketBatch));
  }
  std::vector<Fd> sockets;
  if (auto diag = make_sock_diag()) sockets.push_back(std::move(*diag));
  tell(InsideKind::kSockets, family, sockets);
}

Result<void> InsideProcess::declare(std::string_view change) {
  if (!port_sets_) return {};
  auto parsed = PortChange::from_text(change);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  return port_sets_->apply(*parsed);
}

void InsideProcess::on_child() {
  signalfd_siginfo ignored;
  while (::read(signals_.get(), &ignored, sizeof ignored) > 0) {
  }
  int status = 0;
  pid_t pid;
  while ((pid = ::waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
    if (pid != app_) continue;
    if (WIFSTOPPED(status)) {
      tell(InsideKind::kStopped, std::to_string(WSTOPSIG(status)));
    } else if (WIFCONTINUED(status)) {
      ::kill(::getppid(), SIGCONT);  // the keeper stopped with the app and goes on with it
    } else {
      app_ = 0;
      tell(InsideKind::kExited, std::to_string(status));
    }
  }
  if (pid < 0 && errno == ECHILD && started_) {
    if (!refusals_.empty()) report(refusals_[0].finish());
    flush_count();
    done_ = true;  // the last process of the instance has ended
  }
}

void InsideProcess::report(const RefusalLog::News& news) {
  for (const std::string& sentence : news.sentences) tell(InsideKind::kRefused, sentence);
  for (const std::string& port : news.ports) tell(InsideKind::kRefusedPort, port);
  if (news.datagrams + news.connects == 0) return;
  if (uncounted_datagrams_ + uncounted_connects_ == 0) {
    const itimerspec second{{0, 0}, {1, 0}};
    ::timerfd_settime(timer_.get(), 0, &second, nullptr);
  }
  uncounted_datagrams_ += news.datagrams;
  uncounted_connects_ += news.connects;
}

void InsideProcess::flush_count() {
  uint64_t expirations;
  [[maybe_unused]] const ssize_t size = ::read(timer_.get(), &expirations, sizeof expirations);
  if (uncounted_datagrams_ + uncounted_connects_ > 0)
    tell(InsideKind::kRefusedCounts,
         fmt::format("{} {}", uncounted_datagrams_, uncounted_connects_));
  uncounted_datagrams_ = uncounted_connects_ = 0;
}

}  // namespace

int run_inside(const InsideOptions& options, Fd socket) {
  return InsideProcess(options, std::move(socket)).run();
}

}  // namespace weft::capture
