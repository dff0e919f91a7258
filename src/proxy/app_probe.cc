// Each question has a connection of its own: a new one is also how a caller would come.
#include "proxy/app_probe.h"

#include <algorithm>
#include <optional>

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

// Runs the conversation against the clock.
io::Task<Result<void>> within(io::Loop& loop, Duration limit, io::Task<Result<void>> task) {
  std::optional<Result<void>> result;
  io::Event done(loop);
  io::TaskScope scope;
  auto run = [](io::Task<Result<void>> inner, std::optional<Result<void>>* out,
                io::Event* event) -> io::Task<void> {
    out->emplace(co_await std::move(inner));
    event->set();
  };
  scope.spawn(run(std::move(task), &result, &done));
  if (!co_await done.wait_for(limit))
    co_return fail(ErrorKind::kTimeout, "the probe got no answer in time");
  co_return std::move(*result);
}

io::Task<Result<void>> ask_http(Worker& worker, AppProbe probe, io::StreamPtr stream) {
  const auto version = probe.http2 ? http::ClientProtocol::kHttp2 : http::ClientProtocol::kHttp1;
  auto client = http::connect_http(worker.loop, std::move(stream), version, {}, {}, [] {});
  wire::RequestHead head;
  head.method = "GET";
  head.target = probe.path.empty() ? "/" : probe.path;
  head.authority = probe.host;
  if (!probe.http2) head.fields.add("Host", probe.host);
  head.fields.add("User-Agent", "weft-probe");
  auto exchange = client->open(head, true);
  if (!exchange) co_return std::unexpected(std::move(exchange.error()));
  auto status = co_await get_status(**exchange);
  if (!status) co_return std::unexpected(std::move(status.error()));
  const std::vector<uint16_t>& named = probe.statuses;
  const bool passes = named.empty() ? *status >= 200 && *status <= probe.last_status
                                    : std::find(named.begin(), named.end(), *status) != named.end();
  if (passes) co_return Result<void>{};
  co_return fail(ErrorKind::kUnavailable,
                 "the probe of " + head.target + " answered " + std::to_string(*status));
}

// grpc.health.v1.HealthCheckRequest: field 1 is the service, its length a varint.
std::string health_request(const std::string& service) {
  std::string out = "\x0a";
  size_t length = service.size();
  for (; length > 127; length >>= 7) out += static_cast<char>(length | 0x80);
  out += static_cast<char>(length);
  return out + service;
}

// The answer's field 1 is 1 for SERVING.
io::Task<Result<void>> ask_grpc(Worker& worker, AppProbe probe, io::StreamPtr stream) {
  const std::string request = probe.path.empty() ? "" : health_request(probe.path);
  auto client = http::connect_http(worker.loop, std::move(stream), http::ClientProtocol::kHttp2, {},
                                   {}, [] {});
  auto answer = co_await http::grpc_unary(worker.loop, *client, "/grpc.health.v1.Health/Check",
                                          "localhost", request, probe.timeout);
  if (!answer) co_return std::unexpected(std::move(answer.error()));
  if (*answer == std::string_view("\x08\x01", 2)) co_return Result<void>{};
  co_return fail(ErrorKind::kUnavailable, "the health check says that it does not serve");
}

io::Task<Result<void>> converse(Worker& worker, AppDialer& dialer, AppProbe probe) {
  auto stream = co_await dialer.connect(probe.app_port, {});
  if (!stream) {
    co_return fail(ErrorKind::kRefused,
                   "nothing accepts on port " + std::to_string(probe.app_port));
  }
  switch (probe.kind) {
    case AppProbe::kHttp: co_return co_await ask_http(worker, std::move(probe), std::move(*stream));
    case AppProbe::kGrpc: co_return co_await ask_grpc(worker, std::move(probe), std::move(*stream));
    case AppProbe::kConnect: break;
  }
  co_return Result<void>{};
}

}  // namespace

io::Task<Result<void>> ask(Worker& worker, AppDialer& dialer, AppProbe probe) {
  const Duration timeout = probe.timeout;
  return within(worker.loop, timeout, converse(worker, dialer, std::move(probe)));
}

}  // namespace weft::proxy
