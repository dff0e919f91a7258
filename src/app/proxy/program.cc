// Order of construction is order of dependence, and destruction runs backwards: first the doors, then the
// sidecar, then the worker threads with all they built, then logs.
#include "app/proxy/program.h"

#include <fcntl.h>

#include "app/proxy/cpus.h"
#include "base/text.h"
#include "capture/processes.h"

namespace weft::app {
namespace {

using capture::HandoffKind;

constexpr Duration kReadyWait = Duration::seconds(10);
constexpr Duration kDrainLimit = Duration::seconds(30);
// A standby knows enough from disk; what the control plane has to add comes within moments, if it is there.
constexpr Duration kHeardWait = Duration::millis(1500);
// For names asked for before the doors closed.
constexpr Duration kAnswerLimit = Duration::seconds(8);
constexpr Duration kAnswerLook = Duration::millis(20);

}  // namespace

Program::Program(io::EpollLoop& loop, int keeper, Handover handover, Credential credential)
    : loop_(loop),
      keeper_(keeper),
      handover_(std::move(handover)),
      files_(loop, disk_, handover_.options.state_dir),
      log_(files_.sink(), loop, "proxy"),
      network_(loop),
      random_(SeededRandom::from_os()),
      credential_(std::move(credential)) {}

Program::~Program() {
  keeper_watch_.reset();
  tasks_.cancel_all();
}

Result<void> Program::start() {
  if (handover_.sock_diag) {
    auto inside = capture::network_namespace_of(handover_.sock_diag.get());
    if (!inside)
      log_.warn("the app cannot be ended with the keeper", {{"why", inside.error().message()}});
    network_namespace_ = inside.value_or(0);
  }
  const size_t workers =
      handover_.workers > 0
          ? handover_.workers
          : default_workers(!handover_.published.empty() || handover_.gateway, usable_cpus());
  workers_ = std::make_unique<WorkerThreads>(
      loop_, workers, handover_, log_, files_.access(),
      [this](const char* family) { return tell_keeper(HandoffKind::kNeedSockets, family); });

  forwarder_ =
      std::make_unique<proxy::DnsForwarder>(loop_, network_, random_, handover_.nameservers);
  proxy::Sidecar::Hooks hooks;
  hooks.keep_svid = [this](const trust::Svid& svid, const trust::TrustBundle& bundle) {
    auto kept = write_credential(handover_.svid_memory.get(), svid, bundle);
    if (!kept)
      log_.error("the new certificate would not outlive a restart",
                 {{"why", kept.error().message()}});
  };
  hooks.forward_dns = [this](std::string query, bool tcp, proxy::DnsServer::Reply reply) {
    forwarder_->forward(std::move(query), tcp, std::move(reply));
  };
  if (!handover_.options.self.explicit_mode) {
    hooks.declare = [this](const std::string& change) {
      return tell_keeper(HandoffKind::kDeclare, change);
    };
  }
  if (handover_.gateway) {
    hooks.listen = [this](const std::set<uint16_t>& ports,
                          const std::vector<IpAddress>& addresses) { listen(ports, addresses); };
  }
  sidecar_ = std::make_unique<proxy::Sidecar>(loop_, network_, random_, disk_, workers_->refs(),
                                              handover_.options, credential_.svid,
                                              credential_.bundle, std::move(hooks), log_);
  auto started = sidecar_->start();
  if (!started) return started;

  if (!handover_.options.standby) serve();
  ::fcntl(keeper_.get(), F_SETFL, ::fcntl(keeper_.get(), F_GETFL) | O_NONBLOCK);
  keeper_watch_ =
      std::make_unique<io::FdWatch>(loop_, keeper_.get(), [this](uint32_t) { on_keeper(); });
  tasks_.spawn(become_ready());
  return {};
}

void Program::serve() {
  // After certificate and snapshot were posted.
  for (std::string& failed : workers_->open_doors()) sidecar_->note(std::move(failed));
  admin_ = std::make_unique<Admin>(loop_, *sidecar_);
  if (auto opened = admin_->open(network_, disk_, handover_.options.state_dir); !opened) {
    log_.warn("no admin port", {{"why", opened.error().message()}});
  }
}

// What waits in the sockets then is for the next process that has them.
io::Task<void> Program::close_doors() {
  co_await workers_->close_doors();
  if (dns_) dns_->stop();
}

// The keeper makes the listeners and keeps them: a proxy that follows this one finds them open.
void Program::listen(const std::set<uint16_t>& ports, const std::vector<IpAddress>& addresses) {
  wanted_doors_.clear();
  for (const uint16_t port : ports) {
    for (const SocketAddress& at : handover_.gateway->at(port, addresses)) wanted_doors_[at] = port;
  }
  std::vector<SocketAddress> gone;
  for (const auto& [at, port] : open_doors_) {
    const auto wanted = wanted_doors_.find(at);
    if (wanted == wanted_doors_.end() || wanted->second != port) gone.push_back(at);
  }
  for (const SocketAddress& at : gone) open_doors_.erase(at);
  if (gone.empty()) {
    ask_for_doors();
  } else {
    tasks_.spawn(leave(std::move(gone)));
  }
}

// One address may stand in another's way (all, and one of them): what goes is closed before anything is opened.
io::Task<void> Program::leave(std::vector<SocketAddress> doors) {
  co_await workers_->close_gateway(doors);
  for (const SocketAddress& at : doors) tell_keeper(HandoffKind::kUnlisten, at.to_string());
  ask_for_doors();
}

void Program::ask_for_doors() {
  failed_ports_.clear();
  asked_doors_.clear();
  for (const auto& [at, port] : wanted_doors_) {
    if (open_doors_.contains(at)) continue;
    if (tell_keeper(HandoffKind::kListen, at.to_string())) asked_doors_[at] = port;
  }
  if (asked_doors_.empty()) sidecar_->listening(failed_ports_);
}

void Program::on_listening(capture::HandoffMessage message) {
  const auto parts = split_once(message.text, ' ');
  Fd listener = message.fds.empty() ? Fd() : Fd(message.fds.front());
  const auto at = SocketAddress::parse(parts ? parts->first : std::string_view());
  const auto asked = at ? asked_doors_.find(*at) : asked_doors_.end();
  if (asked == asked_doors_.end()) return;
  const uint16_t port = asked->second;
  asked_doors_.erase(asked);
  if (listener) {
    open_doors_[*at] = port;
    workers_->open_gateway(*at, port, std::move(listener));
  } else {
    failed_ports_[port] = "cannot listen on " + at->to_string() + ": " + std::string(parts->second);
  }
  if (asked_doors_.empty()) sidecar_->listening(failed_ports_);
}

io::Task<void> Program::become_ready() {
  const bool names_known = co_await sidecar_->wait_ready(kReadyWait);
  if (handover_.options.standby) {
    if (!names_known) {
      tell_keeper(
          HandoffKind::kFailed,
          "1 neither the control plane nor the last good state on disk told it the names of "
          "the mesh");
      co_return;
    }
    co_await sidecar_->wait_heard(kHeardWait);
    log_.info("ready to take over", {{"instance", handover_.options.self.instance}});
    tell_keeper(HandoffKind::kReady, WEFT_VERSION);
    co_return;
  }
  if (!names_known) {
    log_.warn("starting without the index of names: the control plane does not answer");
  }
  // Questions asked while a killed sidecar is being replaced wait in the socket: SERVFAIL is final to most
  // programs.
  answer_names();
  log_.info("ready", {{"instance", handover_.options.self.instance},
                      {"restarted", handover_.restarted},
                      {"workers", workers_->refs().size()}});
  tell_keeper(HandoffKind::kReady, WEFT_VERSION);
}

void Program::answer_names() {
  dns_ = std::make_unique<proxy::DnsListener>(loop_, sidecar_->dns());
  for (Fd& fd : handover_.dns_udp) dns_->adopt_udp(fd.release());
  for (Fd& fd : handover_.dns_tcp) dns_->adopt_tcp(fd.release());
}

void Program::take_over() {
  serve();
  answer_names();
  sidecar_->take_over();
  log_.info("took over", {{"instance", handover_.options.self.instance}});
}

io::Task<void> Program::retire(Duration limit) {
  log_.info("retiring");
  co_await close_doors();
  const proxy::Sidecar::Retired retired = co_await sidecar_->retire(
      limit, [this](size_t open) { tell_keeper(HandoffKind::kRetired, std::to_string(open)); });
  const Instant until = loop_.now() + kAnswerLimit;
  while (dns_ && dns_->unanswered() > 0 && loop_.now() < until)
    co_await io::sleep_for(loop_, kAnswerLook);
  tell_keeper(HandoffKind::kFinished,
              std::to_string(retired.ended) + " " + std::to_string(retired.cut));
  ended_ = true;  // of this process only: the instance goes on
  loop_.stop();
}

void Program::on_keeper() {
  while (keeper_) {
    auto message = capture::receive_handoff(keeper_.get());
    if (message) {
      on_message(std::move(*message));
      continue;
    }
    if (message.error().kind() == ErrorKind::kUnavailable) return;
    // The keeper is gone.
    if (!ended_) capture::kill_processes_in(network_namespace_);
    loop_.stop();
    return;
  }
}

void Program::on_message(capture::HandoffMessage message) {
  switch (message.kind) {
    case HandoffKind::kSockets:
      return workers_->add_sockets(message.text != "6", std::move(message.fds));
    case HandoffKind::kEnd: ended_ = true; break;
    case HandoffKind::kTakeOver: take_over(); break;
    case HandoffKind::kRetire: {
      const Duration limit = Duration::millis(std::atoll(message.text.c_str()));
      if (std::exchange(retiring_, true)) {
        sidecar_->retire_within(limit);
      } else {
        tasks_.spawn(retire(limit));
      }
      break;
    }
    case HandoffKind::kDrain: tasks_.spawn(drain(message.text == "ended")); break;
    case HandoffKind::kRefused: sidecar_->note(std::move(message.text)); break;
    case HandoffKind::kRefusedPort: sidecar_->refused_port(message.text); break;
    case HandoffKind::kRefusedCounts: {
      char* rest = nullptr;
      const uint64_t datagrams = std::strtoull(message.text.c_str(), &rest, 10);
      sidecar_->count_refusals(datagrams, std::strtoull(rest, nullptr, 10));
      break;
    }
    case HandoffKind::kListening: return on_listening(std::move(message));
    case HandoffKind::kDeclared: sidecar_->declared(message.text); break;
    default: break;
  }
  for (int fd : message.fds) Fd(fd).close();
}

bool Program::tell_keeper(HandoffKind kind, std::string_view text) {
  auto sent = capture::send_handoff(keeper_.get(), kind, text);
  if (!sent) log_.warn("the keeper cannot be told", {{"why", sent.error().message()}});
  return sent.has_value();
}

io::Task<void> Program::drain(bool app_ended) {
  log_.info("draining");
  // Whoever comes now is told at once that nobody is here.
  if (handover_.gateway) co_await close_doors();
  if (retiring_) {
    co_await sidecar_->inbound_ended(loop_.now() + kDrainLimit);
  } else {
    co_await sidecar_->drain(kDrainLimit, app_ended);
  }
  tell_keeper(HandoffKind::kDrained);
}

}  // namespace weft::app
