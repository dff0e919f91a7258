// One task per port. Whether anybody listens is asked of the kernel every kWhileOpen, so that the app
// never sees a connection that brings nothing; where the kernel does not say (no namespace of its own) a
// connection is opened and closed. That notices an app that died between requests; requests themselves
// notice sooner.
#include "proxy/readiness.h"

#include <algorithm>
#include <utility>

#include "http/client.h"
#include "http/grpc.h"

namespace weft::proxy {
namespace {

io::Task<Result<int>> get_status(http::ClientStream& stream) {
  while (true) {
    auto head = co_await stream.read_head();
    if (!head) co_return std::unexpected(std::move(head.error()));
    if (!head->interim()) co_return head->status;
  }
}

// Runs a probe's conversation against the clock.
template <typename T>
io::Task<Result<T>> within(io::Loop& loop, Duration limit, io::Task<Result<T>> task) {
  std::optional<Result<T>> result;
  io::Event done(loop);
  io::TaskScope scope;
  auto run = [](io::Task<Result<T>> inner, std::optional<Result<T>>* out,
                io::Event* event) -> io::Task<void> {
    out->emplace(co_await std::move(inner));
    event->set();
  };
  scope.spawn(run(std::move(task), &result, &done));
  if (!co_await done.wait_for(limit))
    co_return fail(ErrorKind::kTimeout, "the probe got no answer in time");
  co_return std::move(*result);
}

}  // namespace

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
}

void Readiness::look_now(uint16_t app_port) {
  for (const auto& port : ports_) {
    if (port->probe.app_port == app_port && port->state.ready) port->look.set();
  }
}

io::Task<void> Readiness::watch(Port& port) {
  while (true) {
    port.look.reset();
    auto passed = co_await check(port.probe);
    PortState now{port.probe.app_port, passed.has_value(), passed ? "" : passed.error().message()};
    if (!std::exchange(port.looked, true) || now != port.state) {
      if (now.ready != port.state.ready) {
        worker_.log.info(now.ready ? "port is ready" : "port is not ready",
                         {{"port", now.app_port}, {"why", now.why}});
      }
      port.state = std::move(now);
      tell();
    }
    co_await port.look.wait_for(port.state.ready ? kWhileOpen : kWhileClosed);
  }
}

void Readiness::tell() {
  std::vector<PortState> states;
  for (const auto& port : ports_) {
    if (!port->looked) return;
    states.push_back(port->state);
  }
  changed_(std::move(states));
}

io::Task<Result<void>> Readiness::check(const PortProbe& probe) {
  if (probe.kind == PortProbe::kConnect && !worker_.app.listening(probe.app_port).empty())
    co_return Result<void>{};
  auto stream = co_await dialer_.connect(probe.app_port, {});
  if (!stream) {
    co_return fail(ErrorKind::kRefused,
                   "nothing accepts on port " + std::to_string(probe.app_port));
  }
  switch (probe.kind) {
    case PortProbe::kHttp: co_return co_await check_http(probe, std::move(*stream));
    case PortProbe::kGrpc: co_return co_await check_grpc(probe, std::move(*stream));
    case PortProbe::kConnect: break;
  }
  co_return Result<void>{};
}

io::Task<Result<void>> Readiness::check_http(const PortProbe& probe, io::StreamPtr stream) {
  auto client = http::connect_http(worker_.loop, std::move(stream), http::ClientProtocol::kHttp1,
                                   {}, {}, [] {});
  wire::RequestHead head;
  head.method = "GET";
  head.target = probe.path.empty() ? "/" : probe.path;
  head.authority = "localhost";
  head.fields.add("Host", "localhost");
  head.fields.add("User-Agent", "weft-probe");
  auto exchange = client->open(head, true);
  if (!exchange) co_return std::unexpected(std::move(exchange.error()));
  auto status = co_await within(worker_.loop, kProbeTimeout, get_status(**exchange));
  if (!status) co_return std::unexpected(std::move(status.error()));
  if (*status < 200 || *status >= 400) {
    co_return fail(ErrorKind::kUnavailable,
                   "the probe of " + probe.path + " answered " + std::to_string(*status));
  }
  co_return Result<void>{};
}

// grpc.health.v1.Health/Check: the request's field 1 is the service, the answer's field 1 is 1 for SERVING.
io::Task<Result<void>> Readiness::check_grpc(const PortProbe& probe, io::StreamPtr stream) {
  std::string request;
  if (!probe.path.empty()) {
    request = std::string("\x0a", 1) + static_cast<char>(std::min<size_t>(probe.path.size(), 127));
    request += probe.path.substr(0, 127);
  }
  auto client = http::connect_http(worker_.loop, std::move(stream), http::ClientProtocol::kHttp2,
                                   {}, {}, [] {});
  auto answer = co_await http::grpc_unary(worker_.loop, *client, "/grpc.health.v1.Health/Check",
                                          "localhost", std::move(request), kProbeTimeout);
  if (!answer) co_return std::unexpected(std::move(answer.error()));
  if (*answer != std::string_view("\x08\x01", 2)) {
    co_return fail(ErrorKind::kUnavailable, "the health check says that it does not serve");
  }
  co_return Result<void>{};
}

}  // namespace weft::proxy
