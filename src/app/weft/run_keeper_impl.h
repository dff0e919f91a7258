// The keeper's state machine, internal to run_keeper.cc (the instance's life) and run_keeper_sidecars.cc
// (its sidecars).
#pragma once

#include <sys/signalfd.h>

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/weft/run_keeper.h"
#include "app/weft/run_sidecar.h"
#include "app/weft/run_upgrade.h"
#include "capture/handoff.h"

namespace weft::app {

class Keeper {
 public:
  Keeper(capture::Inside inside, KeeperConfig config)
      : inside_(std::move(inside)),
        config_(std::move(config)),
        upgrades_(sidecar_, config_.next_ready_within, hooks()) {}
  int run();

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;

  enum class Phase {
    kStarting,  // the sidecar is not ready yet, the app not started
    kRunning,
    kDraining,  // SIGTERM came; the sidecar finishes what it has in hand
    kStopping,  // the app has the signal
    kLeaving,   // the instance has ended; the sidecar leaves the registry
    kEnded,
  };

  void take_signals();
  void turn();
  std::chrono::milliseconds until_next_deadline() const;
  void on_deadlines();
  void do_chore();

  void on_signal(const signalfd_siginfo& info);
  void on_children();
  void on_sidecar(int socket);
  void on_serving(const capture::HandoffMessage& message);
  void on_inside();
  void on_inside_message(capture::InsideMessage message);
  void on_inside_gone();

  void start_sidecar();
  void on_sidecar_death();
  void on_drained();
  Upgrades::Hooks hooks();
  Result<Sidecar> start_standby(const std::string& program, Fd diag);
  std::string upgrade_refusal() const;
  void pass_sockets(capture::InsideMessage message);
  void listen_for(Sidecar& sidecar, const std::string& at);
  void tell_sidecar(capture::HandoffKind kind, std::string_view text,
                    const std::vector<int>& fds = {});
  void note(capture::HandoffKind kind, std::string text);
  void on_ready();

  void begin_stop();
  void begin_drain();
  void signal_app(int number);
  void stop_with_app();
  void begin_leave();
  void end(int status) {
    status_ = status;
    phase_ = Phase::kEnded;
  }
  void fail_start(int status, std::string_view why);
  // "CODE text".
  static std::pair<int, std::string> split_status(const std::string& text, int otherwise);
  static void complain(std::string_view text);
  static SteadyTime now() { return std::chrono::steady_clock::now(); }
  void clean_up();

  capture::Inside inside_;
  KeeperConfig config_;
  Phase phase_ = Phase::kStarting;
  int status_ = 0;
  Fd signals_;

  Sidecar sidecar_;
  Upgrades upgrades_;
  // Whom the process inside will answer next, by pid; 0: the keeper itself.
  std::deque<pid_t> wait_for_sockets_, wait_for_declared_;
  std::map<std::string, Fd> doors_;  // of a Gateway, by ADDRESS:PORT
  bool drained_ = false;
  int starts_ = 0;
  SteadyTime started_at_;
  std::chrono::milliseconds backoff_{0};
  std::deque<std::pair<capture::HandoffKind, std::string>>
      waiting_notes_;  // until a sidecar is there

  bool inside_there_ = true;
  pid_t app_ = 0;  // 0: not started, or ended
  bool app_ended_ = false;

  std::optional<SteadyTime> ready_by_, restart_at_, drain_by_, kill_at_, leave_by_, chore_at_;
};

}  // namespace weft::app
