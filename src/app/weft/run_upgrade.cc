// The order: the next one is ready → the serving one accepts no more and says so → the next one accepts.
// Between the last two steps, about a millisecond, connects wait in the sockets, which are the keeper's.
// So there is never a moment with two who speak for the instance.
#include "app/weft/run_upgrade.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>

#include "capture/packet.h"

namespace weft::app {
namespace {

using capture::HandoffKind;

constexpr size_t kMostAskers = 16;
constexpr uint32_t kLongestDeadline = 24 * 3600 * 1000;

std::chrono::steady_clock::time_point now() { return std::chrono::steady_clock::now(); }

void answer(const Fd& asker, std::string_view text) {
  if (asker) (void)capture::send_packet(asker.get(), text);
}

void tell(const Sidecar& sidecar, HandoffKind kind, std::string_view text) {
  if (sidecar.socket) (void)capture::send_handoff(sidecar.socket.get(), kind, text);
}

std::string how_it_ended(int status) {
  return WIFEXITED(status) ? fmt::format("with status {}", WEXITSTATUS(status))
                           : fmt::format("by signal {}", WTERMSIG(status));
}

std::optional<uint32_t> number(std::string_view text) {
  uint32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Whether it can be executed, in words that say what is wrong with it.
Result<void> check_program(const std::string& path) {
  struct stat status{};
  if (path.empty() || path[0] != '/')
    return fail(ErrorKind::kInvalid, "the path of the new proxy must be absolute: " + path);
  if (::stat(path.c_str(), &status) != 0)
    return std::unexpected(Error::from_errno(errno, "the new proxy " + path));
  if (!S_ISREG(status.st_mode))
    return fail(ErrorKind::kInvalid, "the new proxy " + path + " is no file");
  if (::access(path.c_str(), X_OK) != 0)
    return fail(ErrorKind::kInvalid, "the new proxy " + path + " is not executable");
  return {};
}

}  // namespace

void Upgrades::listen(const std::string& directory) {
  auto control = ControlSocket::listen(directory);
  if (control) {
    control_.emplace(std::move(*control));
  } else {
    hooks_.log("there will be no upgrades: " + control.error().message());
  }
}

// ---- who asks ------------------------------------------------------------------------------------

void Upgrades::add_to(std::vector<pollfd>& all) const {
  if (control_ && askers_.size() < kMostAskers) all.push_back({control_->descriptor(), POLLIN, 0});
  for (const Fd& asker : askers_) all.push_back({asker.get(), POLLIN, 0});
  if (upgrade_ && upgrade_->next.socket) all.push_back({upgrade_->next.socket.get(), POLLIN, 0});
  for (const auto& retired : retired_)
    if (retired->sidecar.socket) all.push_back({retired->sidecar.socket.get(), POLLIN, 0});
}

void Upgrades::on_descriptor(int fd) {
  if (control_ && fd == control_->descriptor()) {
    if (Fd asker = control_->accept()) askers_.push_back(std::move(asker));
    return;
  }
  auto found = std::ranges::find(askers_, fd, [](const Fd& asker) { return asker.get(); });
  if (found == askers_.end()) return;
  auto packet = capture::receive_packet(fd);
  if (!packet && packet.error().kind() == ErrorKind::kUnavailable) return;
  Fd asker = std::move(*found);
  askers_.erase(found);
  if (packet) on_asked(std::move(asker), packet->bytes);
}

Result<void> Upgrades::check(const std::vector<std::string>& request) const {
  const auto refuse = [](std::string why) { return fail(ErrorKind::kConflict, std::move(why)); };
  if (request.size() != 3 || request[0] != "upgrade")
    return refuse("its `weft run` is of another version and does not know what is asked of it");
  auto limit = number(request[2]);
  if (!limit || *limit > kLongestDeadline) return refuse("the deadline is no time up to 24h");
  if (upgrade_) {
    return refuse(
        fmt::format("an upgrade is under way, since {} ms", (now() - upgrade_->asked) / Millis(1)));
  }
  if (std::string why = hooks_.refusal(); !why.empty()) return refuse(std::move(why));
  if (retired_.size() >= kMostRetired) {
    return refuse(
        fmt::format("the connections of {} upgrades before have not ended yet", retired_.size()));
  }
  return check_program(request[1]);
}

void Upgrades::on_asked(Fd asker, std::string_view text) {
  const std::vector<std::string> request = control_lines(text);
  if (auto may = check(request); !may) return answer(asker, "failed\n" + may.error().message());
  upgrade_ = std::make_unique<Upgrade>();
  upgrade_->asker = std::move(asker);
  upgrade_->program = request[1];
  upgrade_->deadline = Millis(*number(request[2]));
  upgrade_->asked = now();
  upgrade_->give_up = now() + ready_within_;
  hooks_.log("upgrading to " + upgrade_->program);
  if (!hooks_.need_diag()) start_next({});
}

// ---- the next one --------------------------------------------------------------------------------

void Upgrades::give_diag(Fd diag) {
  if (upgrade_ && upgrade_->stage == Stage::kSocket) start_next(std::move(diag));
}

void Upgrades::start_next(Fd diag) {
  auto next = hooks_.start(upgrade_->program, std::move(diag));
  if (!next) return give_up(next.error().message());
  upgrade_->next = std::move(*next);
  upgrade_->stage = Stage::kStarting;
}

void Upgrades::abandon(std::string_view why) {
  if (upgrade_ && upgrade_->stage != Stage::kRetiring) give_up(why);
}

void Upgrades::give_up(std::string_view why) {
  hooks_.log(fmt::format("no upgrade: {}", why));
  answer(upgrade_->asker, fmt::format("failed\n{}", why));
  // It serves nobody, and must not take the keeper for gone.
  if (upgrade_->next.pid > 0) ::kill(upgrade_->next.pid, SIGKILL);
  upgrade_.reset();
}

std::unique_ptr<Upgrades::Retired> Upgrades::retire_serving(Sidecar by, Millis deadline) {
  auto old = std::make_unique<Retired>();
  old->sidecar = std::exchange(serving_, std::move(by));
  old->kill_at = now() + deadline + kPastDeadline;
  return old;
}

void Upgrades::take_over(std::string_view open) {
  Upgrade upgrade = std::move(*upgrade_);
  upgrade_.reset();
  auto old = retire_serving(std::move(upgrade.next), upgrade.deadline);
  old->asker = std::move(upgrade.asker);
  old->open = open;
  serving_.ready = true;
  tell(serving_, HandoffKind::kTakeOver, "");
  const std::string text = fmt::format("serving\n{}\n{}\n{}\n{}", old->sidecar.version,
                                       serving_.version, (now() - upgrade.asked) / Millis(1), open);
  answer(old->asker, text);
  hooks_.log(fmt::format("upgraded: {} → {}; {} connections are left to the old sidecar",
                         old->sidecar.version, serving_.version, open));
  hooks_.took_over(upgrade.program);
  if (old->sidecar.pid == 0) return finish(*old);
  retired_.push_back(std::move(old));
}

bool Upgrades::serving_died() {
  if (!upgrade_) return false;
  if (upgrade_->stage == Stage::kRetiring) {
    take_over("");
    return true;
  }
  give_up("the sidecar died meanwhile");
  return false;
}

// ---- messages and ends ---------------------------------------------------------------------------

void Upgrades::on_message(Sidecar& from, const capture::HandoffMessage& message) {
  if (upgrade_ && &from == &upgrade_->next) {
    if (message.kind == HandoffKind::kFailed) {
      return give_up("the new proxy says: " + message.text.substr(message.text.find(' ') + 1));
    }
    if (message.kind != HandoffKind::kReady || upgrade_->stage != Stage::kStarting) return;
    from.version = message.text;
    upgrade_->stage = Stage::kRetiring;
    upgrade_->give_up = now() + kRetiresWithin;
    tell(serving_, HandoffKind::kRetire, std::to_string(upgrade_->deadline.count()));
    return;
  }
  if (upgrade_ && &from == &serving_) {
    if (message.kind == HandoffKind::kRetired && upgrade_->stage == Stage::kRetiring)
      take_over(message.text);
    return;
  }
  for (const auto& retired : retired_) {
    if (&from != &retired->sidecar) continue;
    if (message.kind == HandoffKind::kRetired) retired->open = message.text;
    if (message.kind == HandoffKind::kFinished) retired->last_word = message.text;
    if (message.kind == HandoffKind::kDrained) {
      retired->drained = true;
      return hooks_.retired_ended();
    }
  }
}

void Upgrades::finish(Retired& retired) {
  const size_t space = retired.last_word.find(' ');
  if (space == std::string::npos) {
    const std::string why =
        retired.open.empty()
            ? "the old sidecar died; what it carried was cut"
            : fmt::format("the old sidecar died; the {} connections it still carried were cut",
                          retired.open);
    hooks_.log(why);
    return answer(retired.asker, "lost\n" + why);
  }
  const std::string ended = retired.last_word.substr(0, space);
  const std::string cut = retired.last_word.substr(space + 1);
  hooks_.log(fmt::format("the old sidecar has ended: {} connections drained, {} cut", ended, cut));
  answer(retired.asker, fmt::format("done\n{}\n{}", ended, cut));
}

bool Upgrades::on_child(pid_t pid, int status) {
  if (upgrade_ && upgrade_->next.pid == pid) {
    const bool was_to_serve = upgrade_->stage == Stage::kRetiring;
    const Millis deadline = upgrade_->deadline;
    upgrade_->next.pid = 0;
    std::string words = hooks_.last_words();
    if (!words.empty()) words = ": " + words;
    if (WIFEXITED(status) && WEXITSTATUS(status) == kCannotExecute) {
      give_up(upgrade_->program + " could not be executed" + words);
    } else {
      give_up(fmt::format("the new proxy ended {} {}{}", how_it_ended(status),
                          was_to_serve ? "before it served" : "before it was ready", words));
    }
    if (was_to_serve) {
      retired_.push_back(retire_serving({}, deadline));
      hooks_.none_serves();
    }
    return true;
  }
  auto found =
      std::ranges::find(retired_, pid, [](const auto& retired) { return retired->sidecar.pid; });
  if (found == retired_.end()) return false;
  finish(**found);
  retired_.erase(found);
  hooks_.retired_ended();
  return true;
}

std::optional<Upgrades::SteadyTime> Upgrades::deadline() const {
  std::optional<SteadyTime> first;
  if (upgrade_) first = upgrade_->give_up;
  for (const auto& retired : retired_)
    first = first ? std::min(*first, retired->kill_at) : retired->kill_at;
  return first;
}

void Upgrades::on_deadline() {
  if (upgrade_ && upgrade_->give_up <= now()) {
    if (upgrade_->stage == Stage::kRetiring) {
      hooks_.log("the sidecar does not answer; it is killed, the new one takes over");
      if (serving_.pid > 0) ::kill(serving_.pid, SIGKILL);
      take_over("");
    } else {
      give_up(fmt::format("the new proxy was not ready within {} s",
                          ready_within_ / std::chrono::seconds(1)));
    }
  }
  for (const auto& retired : retired_) {
    if (retired->kill_at > now()) continue;
    ::kill(retired->sidecar.pid, SIGKILL);
    retired->kill_at += kPastDeadline;
  }
}

void Upgrades::drain() {
  for (const auto& retired : retired_) tell(retired->sidecar, HandoffKind::kDrain, "");
}

bool Upgrades::still_serving() const {
  return !std::ranges::all_of(retired_, [](const auto& retired) { return retired->drained; });
}

void Upgrades::hurry(Millis limit) {
  for (const auto& retired : retired_)
    tell(retired->sidecar, HandoffKind::kRetire, std::to_string(limit.count()));
}

Sidecar* Upgrades::find(pid_t pid) {
  for (Sidecar* sidecar : all())
    if (sidecar->pid == pid) return sidecar;
  return nullptr;
}

std::vector<Sidecar*> Upgrades::all() {
  std::vector<Sidecar*> all;
  if (upgrade_) all.push_back(&upgrade_->next);
  for (const auto& retired : retired_) all.push_back(&retired->sidecar);
  return all;
}

}  // namespace weft::app
