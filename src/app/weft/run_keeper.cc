// A poll loop over a few descriptors (signals, the process inside, sidecars, who asks for an upgrade) and a
// few deadlines. The life of an instance is a straight line of phases; what may happen at any time besides
// is the death of the sidecar, which costs what was in flight and nothing else, and its upgrade, which
// costs nothing: every socket it listens on lives here.
#include "app/weft/run_keeper.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>

#include "app/weft/run_keeper_impl.h"
#include "app/weft/run_options.h"
#include "capture/processes.h"

namespace weft::app {
namespace {

using capture::HandoffKind;
using capture::InsideKind;
using std::chrono::milliseconds;

constexpr milliseconds kDrainLimit{15'000};  // SIGTERM → the app's signal
constexpr milliseconds kLeaveLimit{3'000};   // the app ended → the sidecar has left the registry
constexpr milliseconds kRetiredEnd{100};     // the app ended → retired sidecars end
constexpr milliseconds kEndLimit{2'000};     // its socket closed → the sidecar has ended
constexpr milliseconds kKillAfter{5'000};    // what the app left behind after SIGTERM

int shell_status(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

}  // namespace

int Keeper::run() {
  take_signals();
  ready_by_ = now() + std::chrono::duration_cast<milliseconds>(
                          std::chrono::nanoseconds(config_.ready_within.ns));
  if (!config_.directory.empty()) upgrades_.listen(config_.directory);
  start_sidecar();
  if (config_.chore) do_chore();
  while (phase_ != Phase::kEnded) turn();
  clean_up();
  return status_;
}

void Keeper::complain(std::string_view text) {
  fmt::print(stderr, "weft run: {}\n", text);
  std::fflush(stderr);
}

std::pair<int, std::string> Keeper::split_status(const std::string& text, int otherwise) {
  int status = otherwise;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), status);
  if (error != std::errc{}) return {otherwise, text};
  return {status, std::string(*end == ' ' ? end + 1 : end)};
}

void Keeper::fail_start(int status, std::string_view why) {
  complain(why);
  end(status);
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
  std::vector<pollfd> ready = {{signals_.get(), POLLIN, 0},
                               {inside_there_ ? inside_.socket() : -1, POLLIN, 0},
                               {sidecar_.socket ? sidecar_.socket.get() : -1, POLLIN, 0}};
  upgrades_.add_to(ready);
  const auto wait = static_cast<int>(until_next_deadline().count());
  if (::poll(ready.data(), ready.size(), wait) < 0 && errno != EINTR) return;
  if (ready[1].revents != 0) on_inside();
  for (size_t i = 2; i < ready.size() && phase_ != Phase::kEnded; ++i) {
    if (ready[i].revents == 0) continue;
    upgrades_.on_descriptor(ready[i].fd);
    on_sidecar(ready[i].fd);
  }
  signalfd_siginfo info;
  while (phase_ != Phase::kEnded && ::read(signals_.get(), &info, sizeof info) == sizeof info)
    on_signal(info);
  if (phase_ != Phase::kEnded) on_deadlines();
}

milliseconds Keeper::until_next_deadline() const {
  milliseconds least{3'600'000};
  for (const auto& deadline :
       {ready_by_, restart_at_, drain_by_, kill_at_, leave_by_, chore_at_, upgrades_.deadline()})
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
  upgrades_.on_deadline();
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
  while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
    // Its last words come first: by them the one that served may have retired.
    Sidecar* dead = pid == sidecar_.pid ? &sidecar_ : upgrades_.find(pid);
    if (dead && dead->socket) on_sidecar(dead->socket.get());
    if (!upgrades_.on_child(pid, status) && pid == sidecar_.pid) on_sidecar_death();
  }
}

void Keeper::begin_stop() {
  upgrades_.abandon("the instance is being stopped");
  if (phase_ == Phase::kRunning && sidecar_.ready && !drained_) {
    phase_ = Phase::kDraining;
    drain_by_ = now() + kDrainLimit;
    return begin_drain();
  }
  if (phase_ == Phase::kRunning || phase_ == Phase::kDraining || phase_ == Phase::kStopping)
    signal_app(SIGTERM);
}

void Keeper::begin_drain() {
  tell_sidecar(HandoffKind::kDrain, "");
  upgrades_.drain();
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
    case InsideKind::kSockets: pass_sockets(std::move(message)); break;
    case InsideKind::kRefused: note(HandoffKind::kRefused, std::move(message.text)); break;
    case InsideKind::kRefusedPort: note(HandoffKind::kRefusedPort, std::move(message.text)); break;
    case InsideKind::kRefusedCounts:
      note(HandoffKind::kRefusedCounts, std::move(message.text));
      break;
    case InsideKind::kDeclared: {
      if (wait_for_declared_.empty()) break;
      const pid_t asked = wait_for_declared_.front();
      wait_for_declared_.pop_front();
      if (asked == sidecar_.pid) tell_sidecar(HandoffKind::kDeclared, message.text);
      break;
    }
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
    upgrades_.abandon("the process inside was killed");
    std::vector<pid_t> sidecars{sidecar_.pid};
    for (const Sidecar* other : upgrades_.all()) sidecars.push_back(other->pid);
    capture::kill_descendants(sidecars);
    if (phase_ == Phase::kStarting)
      return fail_start(kRunSidecarFailed, "the process inside was killed");
    status_ = 128 + SIGKILL;
  }
  begin_leave();
}

void Keeper::begin_leave() {
  upgrades_.abandon("the app has ended");
  upgrades_.hurry(kRetiredEnd);
  if ((!sidecar_.ready || drained_) && !upgrades_.any_retired()) return end(status_);
  if (phase_ != Phase::kDraining && !drained_) tell_sidecar(HandoffKind::kDrain, "ended");
  phase_ = Phase::kLeaving;
  drain_by_.reset();
  kill_at_.reset();
  leave_by_ = now() + kLeaveLimit;
}

// Closing the socket ends the sidecar; what does not end is ended.
void Keeper::clean_up() {
  std::vector<pid_t> left;
  std::vector<Sidecar*> all = upgrades_.all();
  all.push_back(&sidecar_);
  for (Sidecar* sidecar : all) {
    if (sidecar->socket) (void)capture::send_handoff(sidecar->socket.get(), HandoffKind::kEnd, "");
    sidecar->socket.close();
    if (sidecar->pid > 0) left.push_back(sidecar->pid);
  }
  const SteadyTime give_up = now() + kEndLimit;
  const auto ended = [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; };
  while (std::erase_if(left, ended), !left.empty() && now() < give_up) {
    pollfd child{signals_.get(), POLLIN, 0};  // SIGCHLD
    ::poll(&child, 1, 100);
    signalfd_siginfo ignored;
    while (::read(signals_.get(), &ignored, sizeof ignored) > 0) {
    }
  }
  capture::kill_descendants();
}

int keep(capture::Inside inside, KeeperConfig config) {
  return Keeper(std::move(inside), std::move(config)).run();
}

}  // namespace weft::app
