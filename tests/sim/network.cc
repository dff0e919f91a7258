// A dialling coroutine shares its Dialling with the wire, which holds it weakly: cancelling the
// coroutine is then simply letting go.
#include "sim/network.h"

#include <memory>
#include <utility>

#include "sim/stream.h"

namespace weft::sim {

namespace {

io::Task<Result<io::StreamPtr>> wait_for_answer(std::shared_ptr<Dialling> dialling,
                                                std::string where, Duration timeout) {
  if (!co_await dialling->answered.wait_for(timeout)) {
    co_return fail(ErrorKind::kTimeout,
                   "connecting to " + where + ": no answer within " +
                       std::to_string(timeout.to_millis()) + " ms",
                   ErrorSource::kInternal, Retry::kYes);
  }
  co_return std::move(dialling->result);
}

}  // namespace

io::Task<Result<io::StreamPtr>> SimNetwork::connect(SocketAddress to, Duration timeout) {
  auto dialling = std::make_shared<Dialling>(loop_);
  fabric_.dial(host_, to, dialling);
  co_return co_await wait_for_answer(dialling, to.to_string(), timeout);
}

io::Task<Result<io::StreamPtr>> SimNetwork::connect_from(IpAddress source, SocketAddress to,
                                                         Duration timeout) {
  auto dialling = std::make_shared<Dialling>(loop_);
  dialling->source = source;
  fabric_.dial(host_, to, dialling);
  co_return co_await wait_for_answer(dialling, to.to_string(), timeout);
}

io::Task<Result<io::StreamPtr>> SimNetwork::connect_unix(std::string path, Duration timeout) {
  auto dialling = std::make_shared<Dialling>(loop_);
  fabric_.dial_unix(host_, path, dialling);
  co_return co_await wait_for_answer(dialling, path, timeout);
}

Result<std::unique_ptr<io::Listener>> SimNetwork::listen(SocketAddress at, io::AcceptFn accept) {
  const std::string where = "listening on " + at.to_string();
  if (!at.ip.is_unspecified() && !fabric_.owns(host_, at.ip)) {
    return fail(ErrorKind::kInvalid, where + ": the host has no such address");
  }
  if (at.port == 0) at.port = fabric_.free_port(host_);
  if (host_.listeners.contains(at))
    return fail(ErrorKind::kConflict, where + ": Address already in use");
  return std::make_unique<SimListener>(host_, loop_, at, "", std::move(accept));
}

Result<std::unique_ptr<io::Listener>> SimNetwork::listen_unix(std::string path,
                                                              io::AcceptFn accept) {
  if (path.empty()) return fail(ErrorKind::kInvalid, "a socket needs a path");
  if (host_.unix_listeners.contains(path)) {
    return fail(ErrorKind::kConflict, path + " is in use: another process answers there");
  }
  return std::make_unique<SimListener>(host_, loop_, SocketAddress{}, path, std::move(accept));
}

}  // namespace weft::sim
