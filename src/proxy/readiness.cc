// One task per port. Whether anybody listens is asked of the kernel every kWhileOpen, so that the app
// never sees a connection that brings nothing; where the kernel does not say (no namespace of its own) a
// connection is opened and closed. That notices an app that died between requests; requests themselves
// notice sooner.
#include "proxy/readiness.h"

#include <algorithm>
#include <utility>

namespace weft::proxy {
namespace {

AppProbe probe_of(const model::Inbound::Check& check, const Self& self) {
  const model::HealthCheck& how = check.check.value;
  AppProbe probe{.app_port = check.app_port, .timeout = how.timeout};
  switch (how.kind) {
    case model::HealthCheck::kTcp: break;
    case model::HealthCheck::kGrpc:
      probe.kind = AppProbe::kGrpc;
      probe.path = how.grpc_service;
      break;
    case model::HealthCheck::kHttp: {
      probe.kind = AppProbe::kHttp;
      probe.path = how.path;
      probe.host = how.host.empty() ? check.service : how.host;
      probe.statuses = how.statuses;
      const auto declared = self.app_ports.find(check.app_port);
      probe.http2 =
          declared != self.app_ports.end() &&
          (declared->second == model::Protocol::kH2c || declared->second == model::Protocol::kGrpc);
      break;
    }
  }
  return probe;
}

}  // namespace

// A policy's check of one port.
struct Readiness::Check {
  Check(io::Loop& loop, model::Inbound::Check asked)
      : asked(std::move(asked)),
        count(this->asked.check.value.unhealthy_threshold,
              this->asked.check.value.healthy_threshold),
        again(loop) {}
  const model::Inbound::Check asked;
  steer::HealthCount count;
  std::string why;  // of the last failure
  io::Event again;  // the port has opened
  io::TaskScope task;
};

Readiness::~Readiness() = default;

Readiness::Readiness(Worker& worker, AppDialer& dialer, std::vector<PortProbe> probes)
    : worker_(worker), dialer_(dialer) {
  for (PortProbe& probe : probes) {
    auto port = std::make_unique<Port>(worker.loop, std::move(probe));
    port->state = {port->probe.app_port, false, "not looked at yet"};
    ports_.push_back(std::move(port));
  }
}

void Readiness::start(std::function<void(std::vector<PortState>)> changed) {
  changed_ = std::move(changed);
  if (ports_.empty()) changed_({});
  for (const auto& port : ports_) tasks_.spawn(watch(*port));
  if (const auto& asked = worker_.snapshot->inbound) use_checks(asked->checks);
}

void Readiness::look_now(uint16_t app_port) {
  for (const auto& port : ports_) {
    if (port->probe.app_port == app_port && port->state.ready) port->look.set();
  }
}

io::Task<void> Readiness::watch(Port& port) {
  while (true) {
    port.look.reset();
    auto passed = co_await probe(port.probe);
    PortState now{port.probe.app_port, passed.has_value(), passed ? "" : passed.error().message()};
    const bool opened = now.ready && !port.state.ready;
    port.state = std::move(now);
    port.looked = true;
    if (opened) {
      for (const auto& check : checks_) {
        if (check->asked.app_port != port.probe.app_port) continue;
        check->count.start_over();
        check->again.set();
      }
    }
    tell();
    co_await port.look.wait_for(port.state.ready ? kWhileOpen : kWhileClosed);
  }
}

io::Task<Result<void>> Readiness::probe(const PortProbe& probe) {
  if (probe.kind == PortProbe::kConnect && !worker_.app.listening(probe.app_port).empty())
    co_return Result<void>{};
  AppProbe question{
      .app_port = probe.app_port, .path = probe.path, .last_status = 399, .timeout = kProbeTimeout};
  if (probe.kind == PortProbe::kHttp) question.kind = AppProbe::kHttp;
  if (probe.kind == PortProbe::kGrpc) question.kind = AppProbe::kGrpc;
  co_return co_await ask(worker_, dialer_, std::move(question));
}

void Readiness::use_checks(const std::vector<model::Inbound::Check>& checks) {
  if (!changed_) return;
  // Why ports were not ready by checks that are replaced now: a policy that was edited lets nobody in before its new
  // check has a result.
  std::map<std::pair<uint16_t, std::string>, std::string> failing;
  std::erase_if(checks_, [&](const std::unique_ptr<Check>& held) {
    if (std::find(checks.begin(), checks.end(), held->asked) != checks.end()) return false;
    if (!held->count.healthy()) failing[{held->asked.app_port, held->asked.service}] = held->why;
    return true;
  });
  for (const model::Inbound::Check& asked : checks) {
    const bool held =
        std::any_of(checks_.begin(), checks_.end(),
                    [&](const std::unique_ptr<Check>& check) { return check->asked == asked; });
    const bool declared = std::any_of(
        ports_.begin(), ports_.end(),
        [&](const std::unique_ptr<Port>& port) { return port->probe.app_port == asked.app_port; });
    if (held || !declared) continue;
    checks_.push_back(std::make_unique<Check>(worker_.loop, asked));
    if (const auto before = failing.find({asked.app_port, asked.service});
        before != failing.end()) {
      checks_.back()->count.begin_unhealthy();
      checks_.back()->why = before->second;
    }
    checks_.back()->task.spawn(keep_checking(*checks_.back()));
  }
  tell();  // one that is gone may have kept a port from being ready
}

io::Task<void> Readiness::keep_checking(Check& check) {
  const model::HealthCheck& how = check.asked.check.value;
  while (true) {
    check.again.reset();
    auto passed = co_await ask(worker_, dialer_, probe_of(check.asked, worker_.self));
    if (!passed) check.why = passed.error().message();
    check.count.result(passed.has_value());
    tell();
    const double jitter = worker_.random.unit() * how.jitter_percent / 100;
    co_await check.again.wait_for(
        {how.interval.ns + static_cast<int64_t>(jitter * static_cast<double>(how.interval.ns))});
  }
}

PortState Readiness::overall(const Port& port) const {
  PortState state = port.state;
  if (!state.ready) return state;
  for (const auto& check : checks_) {
    if (check->asked.app_port != state.app_port || check->count.healthy()) continue;
    state.ready = false;
    state.why = check->why + " (health check of " + check->asked.check.origin + ")";
    break;
  }
  return state;
}

void Readiness::tell() {
  std::vector<PortState> states;
  for (const auto& port : ports_) {
    if (!port->looked) return;
    states.push_back(overall(*port));
  }
  if (states == told_) return;
  for (size_t i = 0; i < states.size(); ++i) {
    const bool before = i < told_.size() && told_[i].ready;
    if (states[i].ready == before) continue;
    worker_.log.info(states[i].ready ? "port is ready" : "port is not ready",
                     {{"port", states[i].app_port}, {"why", states[i].why}});
  }
  told_ = states;
  changed_(std::move(states));
}

}  // namespace weft::proxy
