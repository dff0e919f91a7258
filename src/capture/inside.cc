// The keeper's side. One byte of kind, then text.
#include "capture/inside.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "capture/inside_process.h"
#include "capture/packet.h"

namespace weft::capture {

Result<void> send_inside(int socket, InsideKind kind, std::string_view text,
                         const std::vector<Fd>& fds) {
  std::string bytes(1, static_cast<char>(kind));
  bytes += text;
  std::vector<int> numbers;
  for (const Fd& fd : fds) numbers.push_back(fd.get());
  return send_packet(socket, bytes, numbers);
}

Result<InsideMessage> receive_inside(int socket) {
  auto packet = receive_packet(socket);
  if (!packet) return std::unexpected(std::move(packet.error()));
  return InsideMessage{static_cast<InsideKind>(packet->bytes[0]), packet->bytes.substr(1),
                       std::move(packet->fds)};
}

Result<Inside> Inside::start(const InsideOptions& options) {
  auto pair = make_packet_pair();
  if (!pair) return std::unexpected(std::move(pair.error()));
  const pid_t child = ::fork();
  if (child < 0) return std::unexpected(Error::from_errno(errno, "forking the process inside"));
  if (child == 0) {
    pair->first.close();
    ::_exit(run_inside(options, std::move(pair->second)));
  }
  Inside inside(std::move(pair->first), child);
  pair->second.close();
  auto answer = inside.receive();
  if (answer && answer->kind == InsideKind::kEntered) return inside;
  ::waitpid(child, nullptr, 0);
  if (!answer) return std::unexpected(std::move(answer.error()).context("entering the namespaces"));
  return fail(ErrorKind::kUnsupported, std::move(answer->text));
}

Result<std::vector<Fd>> Inside::configure(const NetworkPlan& plan) {
  if (auto sent = send_inside(socket_.get(), InsideKind::kConfigure, plan.to_text()); !sent)
    return std::unexpected(std::move(sent.error()));
  auto answer = receive();
  if (!answer)
    return std::unexpected(std::move(answer.error()).context("setting up the network inside"));
  if (answer->kind == InsideKind::kConfigured) return std::move(answer->fds);
  return fail(ErrorKind::kUnsupported, std::move(answer->text));
}

Result<void> Inside::run(const std::vector<std::string>& environment) {
  return send_inside(socket_.get(), InsideKind::kRun,
                     fmt::format("{}", fmt::join(environment, "\n")));
}

Result<void> Inside::signal(int number) {
  return send_inside(socket_.get(), InsideKind::kSignal, std::to_string(number));
}

Result<void> Inside::make_sockets(std::string_view family) {
  return send_inside(socket_.get(), InsideKind::kMakeSockets, family);
}

Result<void> Inside::declare(std::string_view change) {
  return send_inside(socket_.get(), InsideKind::kDeclare, change);
}

Result<InsideMessage> Inside::receive() { return receive_inside(socket_.get()); }

}  // namespace weft::capture
