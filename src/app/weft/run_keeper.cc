// A poll loop over three descriptors (signals, the sidecar, the process inside) and a few deadlines. The
// life of an instance is a straight line of phases; what may happen at any time besides is the death of
// the sidecar, which costs what was in flight and nothing else: every socket it listens on lives here.
#include "app/weft/run_keeper.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <optional>

#include "app/weft/run_options.h"
#include "app/weft/run_sidecar.h"
#include "capture/handoff.h"
#include "capture/processes.h"

namespace weft::app {
namespace {

using capture::HandoffKind;
using capture::InsideKind;
using SteadyTime = std::chrono::steady_clock::time_point;
using std::chrono::milliseconds;

constexpr milliseconds kDrainLimit{15'000};  // SIGTERM → the app's signal
constexpr milliseconds kLeaveLimit{3'000};   // the app ended → the sidecar has left the registry
constexpr milliseconds kEndLimit{2'000};     // its socket closed → the sidecar has ended
constexpr milliseconds kKillAfter{5'000};    // what the app left behind after SIGTERM
constexpr milliseconds kLongEnough{10'000};  // a sidecar that lived so long is restarted at once
constexpr milliseconds kFirstBackoff{20};
constexpr milliseconds kMaxBackoff{2'000};
constexpr int kFirstStarts = 3;  // deaths before the app runs that end the attempt
constexpr size_t kMaxWaitingNotes = 64;

enum class Phase {
  kStarting,  // the sidecar is not ready yet, the app not started
  kRunning,
  kDraining,  // SIGTERM came; the sidecar finishes what it has in hand
  kStopping,  // the app has the signal
  kLeaving,   // the instance has ended; the sidecar leaves the registry
  kEnded,
};

SteadyTime now() { return std::chrono::steady_clock::now(); }

void complain(std::string_view text) {
  fmt::print(stderr, "weft run: {}\n", text);
  std::fflush(stderr);
}

int shell_status(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

// "CODE text".
std::pair<int, std::string> split_status(const std::string& text, int otherwise) {
  int status = otherwise;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), status);
  if (error != std::errc{}) return {otherwise, text};
  return {status, std::string(*end == ' ' ? end + 1 : end)};
}

class Keeper {
 public:
  Keeper(capture::Inside inside, KeeperConfig config)
      : inside_(std::move(inside)), config_(std::move(config)) {}
  int run();

 private:
  void take_signals();
  void turn();
  milliseconds until_next_deadline() const;
  void on_deadlines();
  void do_chore();

  void on_signal(const signalfd_siginfo& info);
  void on_children();
  void on_sidecar();
  void on_inside();
  void on_inside_message(capture::InsideMessage message);
  void on_inside_gone();

  void start_sidecar();
  void on_sidecar_death();
  void tell_sidecar(HandoffKind kind, std::string_view text, const std::vector<int>& fds = {});
  void note(HandoffKind kind, std::string text);
  void on_ready();

  void begin_stop();
  void signal_app(int number);
  void stop_with_app();
  void begin_leave();
  void end(int status) {
    status_ = status;
    phase_ = Phase::kEnded;
  }
  void fail_start(int status, std::string_view why) {
    complain(why);
    end(status);
  }
  void clean_up();

  capture::Inside inside_;
  KeeperConfig config_;
  Phase phase_ = Phase::kStarting;
  int status_ = 0;
  Fd signals_;

  Sidecar sidecar_;
  bool sidecar_ready_ = false;
  bool drained_ = false;
  int starts_ = 0;
  SteadyTime started_at_;
  milliseconds backoff_{0};
  std::deque<std::pair<HandoffKind, std::string>> waiting_notes_;  // until a sidecar is there

  bool inside_there_ = true;
  pid_t app_ = 0;  // 0: not started, or ended
  bool app_ended_ = false;

  std::optional<SteadyTime> ready_by_, restart_at_, drain_by_, kill_at_, leave_by_, chore_at_;
};

int Keeper::run() {
  take_signals();
  ready_by_ = now() + std::chrono::duration_cast<milliseconds>(
                          std::chrono::nanoseconds(config_.ready_within.ns));
  start_sidecar();
  if (config_.chore) do_chore();
  while (phase_ != Phase::kEnded) turn();
  clean_up();
  return status_;
}

void Keeper::take_signals() {
  sigset_t taken;
  sigemptyset(&taken);
  for (int number : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD}) {
    ::signal(number, SIG_DFL);  // an ignored SIGCHLD would hide how children ended
    sigaddset(&taken, number);
  }
  for (int number : {SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE}) ::signal(number, SIG_IGN);
  ::sigprocmask(SIG_SETMASK, &taken, nullptr);
  signals_ = Fd(::signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK));
}

void Keeper::turn() {
  pollfd ready[3] = {{signals_.get(), POLLIN, 0},
                     {sidecar_.socket ? sidecar_.socket.get() : -1, POLLIN, 0},
                     {inside_there_ ? inside_.socket() : -1, POLLIN, 0}};
  if (::poll(ready, 3, static_cast<int>(until_next_deadline().count())) < 0 && errno != EINTR)
    return;
  if (ready[2].revents != 0) on_inside();
  if (ready[1].revents != 0 && phase_ != Phase::kEnded) on_sidecar();
  signalfd_siginfo info;
  while (phase_ != Phase::kEnded && ::read(signals_.get(), &info, sizeof info) == sizeof info)
    on_signal(info);
  if (phase_ != Phase::kEnded) on_deadlines();
}

milliseconds Keeper::until_next_deadline() const {
  milliseconds least{3'600'000};
  for (const auto& deadline : {ready_by_, restart_at_, drain_by_, kill_at_, leave_by_, chore_at_})
    if (deadline) least = std::min(least, std::chrono::ceil<milliseconds>(*deadline - now()));
  return std::max(least, milliseconds{0});
}

void Keeper::on_deadlines() {
  const auto due = [](std::optional<SteadyTime>& deadline) {
    if (!deadline || *deadline > now()) return false;
    deadline.reset();
    return true;
  };
  if (due(chore_at_)) do_chore();
  if (due(restart_at_)) start_sidecar();
  if (due(ready_by_))
    fail_start(kRunUnreachable,
               "the sidecar got no configuration from the server within --wait; see " +
                   config_.proxy_output + " and the log beside it");
  if (due(drain_by_)) {
    config_.log("draining took too long; the app gets its signal now");
    signal_app(SIGTERM);
  }
  if (due(kill_at_) && inside_there_) (void)inside_.signal(SIGKILL);
  if (due(leave_by_)) end(status_);
}

void Keeper::do_chore() {
  const auto again = std::chrono::ceil<milliseconds>(std::chrono::nanoseconds(config_.chore().ns));
  chore_at_ = now() + again;
}

// ---- signals -------------------------------------------------------------------------------------

void Keeper::on_signal(const signalfd_siginfo& info) {
  const int number = static_cast<int>(info.ssi_signo);
  if (number == SIGCHLD) return on_children();
  if (phase_ == Phase::kStarting && number != SIGUSR1 && number != SIGUSR2)
    return end(128 + number);
  if (number == SIGTERM) return begin_stop();
  // The terminal sends its signals to the whole group: the app has them already.
  if (info.ssi_code == SI_KERNEL) return;
  if (inside_there_) (void)inside_.signal(number);
}

void Keeper::on_children() {
  int status = 0;
  pid_t pid;
  while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0)
    if (pid == sidecar_.pid) on_sidecar_death();
}

void Keeper::begin_stop() {
  if (phase_ == Phase::kRunning && sidecar_ready_ && !drained_) {
    phase_ = Phase::kDraining;
    drain_by_ = now() + kDrainLimit;
    tell_sidecar(HandoffKind::kDrain, "");
    return;
  }
  if (phase_ == Phase::kRunning || phase_ == Phase::kDraining || phase_ == Phase::kStopping)
    signal_app(SIGTERM);
}

void Keeper::signal_app(int number) {
  phase_ = Phase::kStopping;
  drain_by_.reset();
  if (!inside_there_) return;
  (void)inside_.signal(number);
  if (app_ended_) kill_at_ = now() + kKillAfter;
}

void Keeper::stop_with_app() {
  // It may go on already; then nobody would wake us.
  if (!capture::is_stopped(app_)) return;
  ::kill(::getpid(), SIGSTOP);
  // A shell's SIGCONT reaches our process group; the app may have one of its own.
  (void)inside_.signal(SIGCONT);
}

// ---- the sidecar ---------------------------------------------------------------------------------

void Keeper::start_sidecar() {
  started_at_ = now();
  ++starts_;
  auto sidecar =
      app::start_sidecar(config_.proxy_program, config_.proxy_output,
                         config_.bootstrap(app_ != 0 || app_ended_), config_.bootstrap_fds);
  if (!sidecar) {
    if (phase_ == Phase::kStarting) return fail_start(kRunSidecarFailed, sidecar.error().message());
    config_.log(sidecar.error().message());
    restart_at_ = now() + kMaxBackoff;
    return;
  }
  sidecar_ = std::move(*sidecar);
  for (auto& [kind, text] : std::exchange(waiting_notes_, {})) tell_sidecar(kind, text);
}

void Keeper::on_sidecar_death() {
  sidecar_.pid = 0;
  if (sidecar_.socket) on_sidecar();  // its last words
  sidecar_.socket.close();
  sidecar_ready_ = false;
  if (phase_ == Phase::kEnded) return;
  if (phase_ == Phase::kLeaving) return end(status_);
  if (phase_ == Phase::kStarting && starts_ >= kFirstStarts)
    return fail_start(
        kRunSidecarFailed,
        "the sidecar ended before it was ready; what it said is in " + config_.proxy_output);
  config_.log("the sidecar died; starting another on the same sockets");
  if (phase_ == Phase::kDraining) signal_app(SIGTERM);
  backoff_ = now() - started_at_ >= kLongEnough
                 ? milliseconds{0}
                 : std::clamp(backoff_ * 2, kFirstBackoff, kMaxBackoff);
  restart_at_ = now() + backoff_;
}

void Keeper::tell_sidecar(HandoffKind kind, std::string_view text, const std::vector<int>& fds) {
  if (sidecar_.socket) (void)capture::send_handoff(sidecar_.socket.get(), kind, text, fds);
}

void Keeper::note(HandoffKind kind, std::string text) {
  if (sidecar_.socket) return tell_sidecar(kind, text);
  if (waiting_notes_.size() < kMaxWaitingNotes) waiting_notes_.emplace_back(kind, std::move(text));
}

void Keeper::on_sidecar() {
  while (sidecar_.socket) {
    auto message = capture::receive_handoff(sidecar_.socket.get());
    if (!message) {
      if (message.error().kind() != ErrorKind::kUnavailable)
        sidecar_.socket.close();  // SIGCHLD follows
      return;
    }
    for (int fd : message->fds) ::close(fd);  // it has none to give
    if (message->kind == HandoffKind::kReady) {
      on_ready();
    } else if (message->kind == HandoffKind::kNeedSockets && inside_there_) {
      (void)inside_.make_sockets(message->text);
    } else if (message->kind == HandoffKind::kDeclare && inside_there_) {
      (void)inside_.declare(message->text);
    } else if (message->kind == HandoffKind::kDrained) {
      drained_ = true;
      if (phase_ == Phase::kDraining) signal_app(SIGTERM);
      if (phase_ == Phase::kLeaving) end(status_);
    } else if (message->kind == HandoffKind::kFailed) {
      auto [status, why] = split_status(message->text, kRunSidecarFailed);
      if (phase_ == Phase::kStarting) return fail_start(status, why);
      config_.log("the sidecar says: " + why);
    }
  }
}

void Keeper::on_ready() {
  sidecar_ready_ = true;
  if (phase_ != Phase::kStarting) return;
  phase_ = Phase::kRunning;
  ready_by_.reset();
  (void)inside_.run(config_.environment);
}

// ---- the process inside --------------------------------------------------------------------------

void Keeper::on_inside() {
  auto message = inside_.receive();
  if (message) return on_inside_message(std::move(*message));
  on_inside_gone();
}

void Keeper::on_inside_message(capture::InsideMessage message) {
  switch (message.kind) {
    case InsideKind::kRunning: app_ = std::atoi(message.text.c_str()); break;
    case InsideKind::kCannotRun: {
      auto [status, why] = split_status(message.text, kRunCannotExecute);
      complain(why);
      status_ = status;
      app_ended_ = true;
      break;
    }
    case InsideKind::kSockets: {
      std::vector<int> numbers;
      for (const Fd& fd : message.fds) numbers.push_back(fd.get());
      tell_sidecar(HandoffKind::kSockets, message.text, numbers);
      break;
    }
    case InsideKind::kRefused: note(HandoffKind::kRefused, std::move(message.text)); break;
    case InsideKind::kRefusedPort: note(HandoffKind::kRefusedPort, std::move(message.text)); break;
    case InsideKind::kRefusedCounts:
      note(HandoffKind::kRefusedCounts, std::move(message.text));
      break;
    case InsideKind::kDeclared: tell_sidecar(HandoffKind::kDeclared, message.text); break;
    case InsideKind::kStopped: stop_with_app(); break;
    case InsideKind::kExited:
      app_ = 0;
      app_ended_ = true;
      status_ = shell_status(std::atoi(message.text.c_str()));
      if (phase_ == Phase::kStopping) signal_app(SIGTERM);  // to what it left behind
      break;
    default: break;
  }
}

void Keeper::on_inside_gone() {
  inside_there_ = false;
  if (!app_ended_) {
    // Killed: what it had are our children now.
    config_.log("the process inside was killed; ending what is left of the instance");
    capture::kill_descendants(sidecar_.pid);
    if (phase_ == Phase::kStarting)
      return fail_start(kRunSidecarFailed, "the process inside was killed");
    status_ = 128 + SIGKILL;
  }
  begin_leave();
}

void Keeper::begin_leave() {
  if (!sidecar_ready_ || drained_) return end(status_);
  if (phase_ != Phase::kDraining) tell_sidecar(HandoffKind::kDrain, "ended");
  phase_ = Phase::kLeaving;
  drain_by_.reset();
  kill_at_.reset();
  leave_by_ = now() + kLeaveLimit;
}

// Closing the socket ends the sidecar; what does not end is ended.
void Keeper::clean_up() {
  tell_sidecar(HandoffKind::kEnd, "");
  sidecar_.socket.close();
  const SteadyTime give_up = now() + kEndLimit;
  while (sidecar_.pid > 0 && ::waitpid(sidecar_.pid, nullptr, WNOHANG) != sidecar_.pid &&
         now() < give_up) {
    pollfd ended{signals_.get(), POLLIN, 0};  // SIGCHLD
    ::poll(&ended, 1, 100);
    signalfd_siginfo ignored;
    while (::read(signals_.get(), &ignored, sizeof ignored) > 0) {
    }
  }
  capture::kill_descendants();
}

}  // namespace

int keep(capture::Inside inside, KeeperConfig config) {
  return Keeper(std::move(inside), std::move(config)).run();
}

}  // namespace weft::app
