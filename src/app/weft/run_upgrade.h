// Upgrades: the sidecars of an instance besides the one that serves. During an upgrade that is the next
// one, which stands by until it has all it needs; after it, those that have retired and still carry
// connections, each until these end or its time is over. Whoever asked (instance_control.h) is told what
// came of it. Nothing here waits; the keeper's loop calls.
//
// What may go wrong before the next one serves leaves the serving one as it is, with one exception: when
// that has been told to accept no more, the next takes over whatever happens to the old.
#pragma once

#include <poll.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/weft/instance_control.h"
#include "app/weft/run_sidecar.h"
#include "base/time.h"
#include "capture/handoff.h"

namespace weft::app {

class Upgrades {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;
  using Millis = std::chrono::milliseconds;

  static constexpr Millis kRetiresWithin{3'000};
  static constexpr Millis kPastDeadline{15'000};  // a retired one that does not end is killed
  static constexpr size_t kMostRetired = 8;

  struct Hooks {
    // Why there can be no upgrade now; "" = there can.
    std::function<std::string()> refusal;
    // Asks the process inside for a sock_diag socket of the next one's own: give_diag() follows. False:
    // the instance has none.
    std::function<bool()> need_diag;
    // Starts `program` as a standby, with that socket in place of the serving one's.
    std::function<Result<Sidecar>(const std::string& program, Fd diag)> start;
    // The last line of what the sidecar said that was started last.
    std::function<std::string()> last_words;
    // The next one has become the serving one.
    std::function<void(const std::string& program)> took_over;
    // The serving one has retired, but the next one died: there is none.
    std::function<void()> none_serves;
    // Of a retired one less is left to wait for: it has ended, or still_serving() says otherwise.
    std::function<void()> retired_ended;
    std::function<void(const std::string&)> log;
  };

  // `serving` outlives it; it is replaced by the next one when that takes over, which has to be ready
  // within `ready_within`.
  Upgrades(Sidecar& serving, Duration ready_within, Hooks hooks)
      : serving_(serving), ready_within_(ready_within.ns / 1'000'000), hooks_(std::move(hooks)) {}

  void listen(const std::string& directory);

  // --- what the keeper's loop feeds in ---
  void add_to(std::vector<pollfd>& all) const;
  void on_descriptor(int fd);
  std::optional<SteadyTime> deadline() const;
  void on_deadline();
  void give_diag(Fd diag);
  // A message of the next, of a retired one, or kRetired of the serving one.
  void on_message(Sidecar& from, const capture::HandoffMessage& message);
  // True: it was one of these. Its socket has been read to the end.
  bool on_child(pid_t pid, int status);
  // The serving one died. True: the next one serves already.
  bool serving_died();

  // The next one is given up, the serving one stays; unless that has been told to accept no more: then the
  // next one takes over all the same.
  void abandon(std::string_view why);
  // The instance is being stopped: still_serving() says whether retired ones have something in hand that
  // callers brought.
  void drain();
  bool still_serving() const;
  // Retired ones get no more than this.
  void hurry(Millis limit);
  bool any_retired() const { return !retired_.empty(); }
  // Of the next and of the retired ones.
  Sidecar* find(pid_t pid);
  std::vector<Sidecar*> all();

 private:
  enum class Stage { kSocket, kStarting, kRetiring };
  struct Upgrade {
    Fd asker;
    std::string program;
    Millis deadline{0};
    SteadyTime asked, give_up;
    Stage stage = Stage::kSocket;
    Sidecar next;
  };
  struct Retired {
    Sidecar sidecar;
    Fd asker;
    SteadyTime kill_at;
    std::string open, last_word;
    bool drained = false;
  };

  void on_asked(Fd asker, std::string_view text);
  Result<void> check(const std::vector<std::string>& request) const;
  void start_next(Fd diag);
  void give_up(std::string_view why);
  void take_over(std::string_view open);
  std::unique_ptr<Retired> retire_serving(Sidecar by, Millis deadline);
  void finish(Retired& retired);

  Sidecar& serving_;
  const Millis ready_within_;
  Hooks hooks_;
  std::optional<ControlSocket> control_;
  std::vector<Fd> askers_;  // that have not said what they want
  std::unique_ptr<Upgrade> upgrade_;
  std::vector<std::unique_ptr<Retired>> retired_;
};

}  // namespace weft::app
