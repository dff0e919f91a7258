// How a sidecar ends: its instance leaves, or another sidecar follows.
//
// Two sidecars of one instance, one after the other. What both could do to the same thing only one does at
// any time: the standby reports nothing, tells the ruleset nothing, renews no certificate and writes no
// file, and the one that retires has stopped all that before the standby takes over. Its counters are its
// own and go into reports until its end, so that no request is uncounted. It keeps its stream of
// discovery: a connection that the app keeps may bring one more request, for an endpoint of today.
#include "proxy/sidecar.h"

namespace weft::proxy {
namespace {

// How long callers get to hear that we left before we take no more.
constexpr Duration kLeaveSettles = Duration::millis(500);
constexpr Duration kLeaveTimeout = Duration::seconds(2);
constexpr Duration kDrainLook = Duration::millis(20);
constexpr Duration kOutboundEnds = Duration::millis(50);
constexpr Duration kOutboundLook = Duration::millis(2);
constexpr Duration kFirstLook = Duration::millis(10);
constexpr Duration kMostLook = Duration::millis(250);
constexpr Duration kLastReport = Duration::millis(500);

}  // namespace

io::Task<void> Sidecar::drain(Duration limit, bool app_ended) {
  draining_ = true;
  const Instant until = loop_.now() + limit;
  const bool serves = !ports_ || !ports_->empty();
  // Without a leave the report says that we drain.
  if (!co_await link_.leave(kLeaveTimeout)) link_.report_soon();
  if (serves && !app_ended) co_await io::sleep_for(loop_, kLeaveSettles);

  to_workers([](WorkerSide& worker) {
    worker.inbound.drain();
    worker.gateway.drain();
  });
  const size_t left = co_await inbound_ended(until);
  // The app's own connections end with it; what they carried belongs into the last report.
  const Instant enough = loop_.now() + kOutboundEnds;
  while (app_ended && loop_.now() < enough) {
    if (co_await ask_workers([](WorkerSide& worker) { return worker.outbound.active(); }) == 0)
      break;
    co_await io::sleep_for(loop_, kOutboundLook);
  }
  co_await link_.report_now(kLastReport);
  log_.info("drained", {{"left", left}});
}

io::Task<size_t> Sidecar::inbound_ended(Instant until) {
  while (true) {
    const size_t left = co_await ask_workers(
        [](WorkerSide& worker) { return worker.inbound.active() + worker.gateway.active(); });
    if (left == 0 || loop_.now() >= until) co_return left;
    co_await io::sleep_for(loop_, kDrainLook);
  }
}

io::Task<bool> Sidecar::wait_heard(Duration timeout) {
  co_return co_await heard_.wait_for(timeout);
}

void Sidecar::take_over() {
  stage_ = Stage::kServing;
  link_.let_speak(true);
  // The ruleset may know what the one before told it: everything is told anew.
  declared_index_ = discovery_.snapshot()->names;
  declared_ports_.want(*declared_index_);
  follow_listeners();
  declare_next();
  link_.report_soon();
}

void Sidecar::retire_within(Duration limit) {
  retire_by_ = std::min(retire_by_, loop_.now() + limit);
}

io::Task<Sidecar::Retired> Sidecar::retire(Duration limit, std::function<void(size_t)> left) {
  stage_ = Stage::kRetiring;
  retire_by_ = loop_.now() + limit;
  link_.let_speak(false);
  opening_ = false;
  declare_next();  // lets those go on who wait for the ruleset: it is another's now
  to_workers([](WorkerSide& worker) { worker.retire(); });

  const size_t at_first = co_await ask_workers([](WorkerSide& worker) { return worker.open(); });
  size_t open = at_first;
  left(open);
  for (Duration look = kFirstLook; open > 0 && loop_.now() < retire_by_;
       look = std::min(look * 2, kMostLook)) {
    co_await io::sleep_for(loop_, std::min(look, retire_by_ - loop_.now()));
    const size_t now = co_await ask_workers([](WorkerSide& worker) { return worker.open(); });
    if (std::exchange(open, now) != now) left(now);
  }

  Retired retired;
  if (open > 0) {
    retired.cut = co_await ask_workers([](WorkerSide& worker) { return worker.busy(); });
    to_workers([](WorkerSide& worker) { worker.cut(); });
  }
  retired.ended = at_first - std::min(at_first, retired.cut);
  co_await link_.report_now(kLastReport);
  log_.info("retired", {{"ended", retired.ended}, {"cut", retired.cut}});
  co_return retired;
}

}  // namespace weft::proxy
