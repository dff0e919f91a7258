// The keeper's half that deals with sidecars: start, death and another start, what they say, what of it goes
// to the process inside and back, and what upgrades need to know of the instance.
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "app/weft/run_keeper_impl.h"
#include "app/weft/run_options.h"
#include "base/text.h"
#include "capture/files.h"
#include "io/socket_network.h"

namespace weft::app {

using capture::HandoffKind;
using std::chrono::milliseconds;

namespace {

// Starts are so far apart at least: more with each death, as at first again after one lived long enough.
constexpr milliseconds kLongEnough{10'000};
constexpr milliseconds kFirstBackoff{20};
constexpr milliseconds kMaxBackoff{2'000};
constexpr auto kSockDiag = static_cast<size_t>(capture::BootstrapFd::kSockDiag);
constexpr int kFirstStarts = 3;  // deaths before the app runs that end the attempt
constexpr size_t kMaxWaitingNotes = 64;

}  // namespace

// ---- the sidecar ---------------------------------------------------------------------------------

void Keeper::start_sidecar() {
  started_at_ = now();
  ++starts_;
  auto sidecar =
      app::start_sidecar(config_.proxy_program, config_.proxy_output, HandoffKind::kBootstrap,
                         config_.bootstrap(phase_ != Phase::kStarting), config_.bootstrap_fds);
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
  sidecar_ = {};
  if (phase_ == Phase::kEnded || upgrades_.serving_died()) return;
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
  restart_at_ = std::max(now(), started_at_ + backoff_);
}

void Keeper::tell_sidecar(HandoffKind kind, std::string_view text, const std::vector<int>& fds) {
  if (sidecar_.socket) (void)capture::send_handoff(sidecar_.socket.get(), kind, text, fds);
}

void Keeper::note(HandoffKind kind, std::string text) {
  if (sidecar_.socket) return tell_sidecar(kind, text);
  if (waiting_notes_.size() < kMaxWaitingNotes) waiting_notes_.emplace_back(kind, std::move(text));
}

// Whose socket it is may change with every message: an upgrade ends, the next one serves.
void Keeper::on_sidecar(int socket) {
  while (phase_ != Phase::kEnded) {
    std::vector<Sidecar*> all = upgrades_.all();
    all.push_back(&sidecar_);
    auto found = std::ranges::find_if(
        all, [socket](const Sidecar* one) { return one->socket && one->socket.get() == socket; });
    if (found == all.end()) return;
    Sidecar& from = **found;
    auto message = capture::receive_handoff(socket);
    if (!message) {
      if (message.error().kind() != ErrorKind::kUnavailable)
        from.socket.close();  // SIGCHLD follows
      return;
    }
    for (int fd : message->fds) ::close(fd);  // it has none to give
    if (message->kind == HandoffKind::kNeedSockets && inside_there_) {
      wait_for_sockets_.push_back(from.pid);
      (void)inside_.make_sockets(message->text);
    } else if (message->kind == HandoffKind::kDeclare && inside_there_) {
      wait_for_declared_.push_back(from.pid);
      (void)inside_.declare(message->text);
    } else if (message->kind == HandoffKind::kListen) {
      listen_for(from, message->text);
    } else if (message->kind == HandoffKind::kUnlisten) {
      if (&from == &sidecar_) doors_.erase(message->text);
    } else {
      if (&from == &sidecar_) on_serving(*message);
      upgrades_.on_message(from, *message);
    }
  }
}

void Keeper::on_serving(const capture::HandoffMessage& message) {
  if (message.kind == HandoffKind::kReady) {
    sidecar_.version = message.text;
    on_ready();
  } else if (message.kind == HandoffKind::kDrained) {
    drained_ = true;
    on_drained();
  } else if (message.kind == HandoffKind::kFailed) {
    auto [status, why] = split_status(message.text, kRunSidecarFailed);
    if (phase_ == Phase::kStarting) return fail_start(status, why);
    config_.log("the sidecar says: " + why);
  }
}

// What retired sidecars still carry is in the instance's hand as well.
void Keeper::on_drained() {
  if (!drained_) return;
  if (phase_ == Phase::kDraining && !upgrades_.still_serving()) signal_app(SIGTERM);
  if (phase_ == Phase::kLeaving && !upgrades_.any_retired()) end(status_);
}

void Keeper::on_ready() {
  sidecar_.ready = true;
  if (phase_ != Phase::kStarting) return;
  phase_ = Phase::kRunning;
  ready_by_.reset();
  (void)inside_.run(config_.environment);
}

// ---- upgrades ------------------------------------------------------------------------------------

Upgrades::Hooks Keeper::hooks() {
  return {.refusal = [this] { return upgrade_refusal(); },
          .need_diag =
              [this] {
                if (config_.bootstrap_fds.size() <= kSockDiag || !inside_there_) return false;
                wait_for_sockets_.push_back(0);
                return inside_.make_sockets(capture::kDiagSocket).has_value();
              },
          .start = [this](const std::string& program,
                          Fd diag) { return start_standby(program, std::move(diag)); },
          .last_words =
              [this] {
                auto said = capture::read_small_file(config_.proxy_output);
                const std::string_view text = said ? trim(*said) : std::string_view();
                return std::string(text.substr(text.rfind('\n') + 1));
              },
          .took_over =
              [this](const std::string& program) {
                config_.proxy_program = program;
                started_at_ = now();
                if (phase_ == Phase::kDraining) begin_drain();
              },
          .none_serves = [this] { on_sidecar_death(); },
          .retired_ended = [this] { on_drained(); },
          .log = config_.log};
}

std::string Keeper::upgrade_refusal() const {
  switch (phase_) {
    case Phase::kStarting: return "it is starting";
    case Phase::kRunning:
      return sidecar_.ready ? "" : "its sidecar has died and is being started anew";
    default: return "it is ending";
  }
}

Result<Sidecar> Keeper::start_standby(const std::string& program, Fd diag) {
  if (diag) config_.bootstrap_fds[kSockDiag] = std::move(diag);
  return app::start_sidecar(program, config_.proxy_output, HandoffKind::kStandBy,
                            config_.bootstrap(true), config_.bootstrap_fds);
}

// A sidecar that follows another finds the doors open, with whoever waits at them.
void Keeper::listen_for(Sidecar& sidecar, const std::string& at) {
  std::string why;
  Fd& door = doors_[at];
  if (!door) {
    const auto address = SocketAddress::parse(at);
    auto made = address ? io::listening_socket(*address, true) : std::unexpected(address.error());
    // A host without IPv6.
    if (!made && address && !address->ip.is_v4() && address->ip.is_unspecified())
      made = io::listening_socket({IpAddress::v4(0), address->port});
    if (made) {
      door = std::move(*made);
    } else {
      why = made.error().message();
    }
  }
  const std::vector<int> fds = door ? std::vector<int>{door.get()} : std::vector<int>{};
  (void)capture::send_handoff(sidecar.socket.get(), HandoffKind::kListening, at + " " + why, fds);
  if (!door) doors_.erase(at);
}

// Answers come in the order of the questions; the one who asked may be gone.
void Keeper::pass_sockets(capture::InsideMessage message) {
  if (wait_for_sockets_.empty()) return;
  const pid_t asked = wait_for_sockets_.front();
  wait_for_sockets_.pop_front();
  if (asked == 0)
    return upgrades_.give_diag(message.fds.empty() ? Fd() : std::move(message.fds[0]));
  const Sidecar* sidecar = asked == sidecar_.pid ? &sidecar_ : upgrades_.find(asked);
  if (!sidecar || !sidecar->socket) return;
  std::vector<int> numbers;
  for (const Fd& fd : message.fds) numbers.push_back(fd.get());
  (void)capture::send_handoff(sidecar->socket.get(), HandoffKind::kSockets, message.text, numbers);
}

}  // namespace weft::app
